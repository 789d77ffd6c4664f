from __future__ import annotations

import re
import subprocess
import sys

import pytest

from magpie.corpora import Corpus, card, cards, names
from magpie.corpora.anomaly import KINDS, Anomaly, ignore
from magpie.corpora.registry import REGISTRY, corpus, with_type
from magpie.errors import AccessError, FormatError, NotFoundError

#: the public names of corpora; adding one is a release note, renaming one breaks users
GOLDEN = [
    "twitter2015@umt",
    "twitter2015@tmr",
    "twitter2017@umt",
    "gmner@2.0",
    "gmner@1.0",
    "fmnerg@1.0",
    "broad-twitter@1.0",
    "wnut17@1.0",
    "mnre@2",
    "mnre@1",
    "mqa@twitter2015",
    "mqa@twitter2017",
    "mqa@mnre1",
    "mqa@mnre2",
    "m2e2@1",
    "funsd@1",
    "sroie@1",
    "coco@1",
    "rooms-boxes@1",
    "xfund@1",
    "wikidiverse@1",
    "wiki-gmper@1",
    "conll@1",
    "more@1",
    "jmere@1",
    "umie@entity",
    "umie@relation",
    "umie@trigger",
    "umie@argument",
    "uie@1",
    "instructuie@1",
    "hvpnet@ner",
    "hvpnet@re",
    "magpie@1",
]


def test_golden_table() -> None:
    assert names() == GOLDEN


@pytest.mark.parametrize("ref", GOLDEN)
def test_entry_imports_and_carries_its_own_name(ref: str) -> None:
    reader = corpus(ref)
    assert isinstance(reader, Corpus)
    assert reader.card.ref == ref
    assert reader.card.title
    assert reader.card.licence
    assert reader.card.origin
    assert type(reader).__module__ == REGISTRY[ref][0]
    assert type(reader).__doc__


@pytest.mark.parametrize("each", cards(), ids=lambda each: each.ref)
def test_cards_are_consistent(each: object) -> None:
    from magpie.corpora import Card

    assert isinstance(each, Card)
    assert not each.coarse or set(each.coarse) == set(each.types)
    assert set(each.coarse.values()) <= {"PER", "LOC", "ORG", "OTHER"}
    for file in each.files():
        assert re.fullmatch(r"([0-9a-f]{64})?", file.sha256)
        assert not file.path.startswith("/")
    for split in each.splits.values():
        counts = split.counts
        assert sum(counts.types.values()) in (0, counts.entities)
        assert sum(counts.types_lenient.values()) in (0, counts.entities_lenient)
        assert set(counts.types) <= set(each.types)
        assert sum(counts.relation_types.values()) == (counts.relations or 0)
        assert set(counts.relation_types) <= set(each.relations)
        assert set(counts.event_types) <= set(each.event_types)
        assert set(split.anomalies) <= set(KINDS)
        opened = (counts.entities_lenient or 0) - (counts.entities or 0)
        assert split.anomalies.get("orphan-tag", 0) == opened


def test_bare_names_mean_the_first_version() -> None:
    assert card("twitter2015").ref == "twitter2015@umt"
    assert card("twitter2015@tmr").splits["test"].counts.entities == 5119
    assert card("gmner").split_name("validation") == "dev"


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="no corpus 'twiter2017'") as caught:
        card("twiter2017")
    assert "twitter2017" in caught.value.mend
    with pytest.raises(NotFoundError):
        card("gmner@3.0")


def test_types_lead_to_their_corpora() -> None:
    assert with_type("MISC") == ["twitter2017@umt"]
    assert with_type("nothing") == []


def test_importing_the_room_loads_no_corpus_and_nothing_heavy() -> None:
    code = (
        "import sys, magpie.corpora; "
        "bad = {'torch', 'numpy', 'pydantic', 'PIL', 'onnxruntime', 'magpie.corpora.gmner'}; "
        "print(sorted(bad & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_anomaly_kinds_are_registered() -> None:
    with pytest.raises(AssertionError, match="unregistered"):
        Anomaly("odd", "x", "f:1")


def test_the_default_raises_what_was_lost_in_its_own_class() -> None:
    ignore(Anomaly("orphan-tag", "x", "f:1"))
    with pytest.raises(AccessError, match="on_problem") as caught:
        ignore(Anomaly.lost(AccessError("no", where="f:1")))
    assert (caught.value.where, caught.value.code) == ("f:1", "access-outside-root")
    with pytest.raises(FormatError, match="mended"):
        ignore(Anomaly.lost(FormatError("no", mend="mended")))
    assert Anomaly.lost(FormatError("no", where="f:3")).to_dict() == {
        "kind": "unreadable",
        "message": "no",
        "where": "f:3",
        "record": None,
        "error": FormatError("no", where="f:3").to_dict(),
    }
