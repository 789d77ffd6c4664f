from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from magpie.corpora import card, names
from magpie.corpora.anomaly import KINDS
from magpie.corpora.side import SOURCES, SideSource

#: the public names of side sources; adding one is a release note, renaming one breaks users
GOLDEN = {
    "blip2": "caption",
    "detr": "caption",
    "mplug-owl": "caption",
    "minicpm": "caption",
    "cogvlm": "caption",
    "llava-next": "caption",
    "mnre-blip": "caption",
    "mnre-instruct": "caption",
    "mnre-caption": "caption",
    "pgim": "note",
    "pgim-manual": "note",
    "pgim-manual-answers": None,
    "riveg": "note",
    "riveg-expansion": "note",
    "riveg-predictions": None,
    "riveg-gold": None,
    "riveg-tweets": None,
    "riveg-base": None,
    "riveg-template": None,
    "focalmre-detector": None,
    "focalmre-grounding": None,
    "tmr-generated": None,
    "tmr-generated-mnre": None,
    "tmr-generated-phrases": None,
    "tmr-crops": None,
    "tmr-crops-mnre": None,
    "tmr-phrases": None,
    "tmr-phrases-mnre": None,
    "tmr-weights": None,
    "itm": None,
    "mega-scene": None,
    "mega-combined": None,
    "mega-posts": None,
    "trc": None,
    "vinvl": None,
}


def test_golden_table() -> None:
    assert {name: side.kind for name, side in SOURCES.items()} == GOLDEN


@pytest.mark.parametrize("side", SOURCES.values(), ids=lambda side: side.name)
def test_entries_are_consistent(side: SideSource) -> None:
    assert side.name not in names()
    assert side.title
    assert side.licence
    assert re.search(r" @ [0-9a-f]{7}", side.origin)
    assert side.defects or side.kind
    for file in side.files():
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
    for ref, splits in side.uses.items():
        assert ref in names()
        assert set(splits) <= set(card(ref).splits)
        assert {part for parts in splits.values() for part in parts} <= set(side.parts)
    for place in side.gaps:
        ref, _, split = place.rpartition(":")
        assert side.parts_of(ref, split)
    for part in side.parts.values():
        assert part.counts.documents > 0
        assert set(part.anomalies) <= set(KINDS)
        assert set(part.counts.context) <= {side.name}


def test_what_names_the_answer_is_no_context() -> None:
    for name in ("riveg-gold", "riveg-predictions", "pgim-manual-answers", "mega-posts"):
        assert SOURCES[name].kind is None


def test_a_card_as_json_values() -> None:
    value = SOURCES["pgim"].to_dict()
    assert value["kind"] == "note"
    assert value["gaps"]["twitter2015@umt:test"] == 1
    assert value["corpora"]["twitter2017@umt"]["dev"] == ["2017-dev"]
    assert value["parts"]["2015-test"]["documents"] == 3256
    assert value["files"][0].keys() == {"file", "sha256"}


def test_corpora_load_without_the_table() -> None:
    code = "import sys, magpie.corpora; print('magpie.corpora.side.table' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


@pytest.mark.corpus
def test_every_published_side_file_is_in_the_table(data_dir: Path) -> None:
    told = {file.path for side in SOURCES.values() for file in side.files()}
    lying = {
        path.relative_to(data_dir).as_posix()
        for folder in ("captions", "knowledge", "grounding")
        for path in (data_dir / folder).rglob("*")
        if path.is_file()
    }
    assert lying == told - {"images/gmner_vinvl"}
