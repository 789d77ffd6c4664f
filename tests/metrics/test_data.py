"""Files behind a score: the card's own, others, or none at all; results on two are not compared."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from magpie.corpora.registry import card
from magpie.errors import ComparisonError
from magpie.metrics import check_comparable, score
from magpie.metrics.data import Data, data_of
from magpie.metrics.items import Scored, items_of
from magpie.schema import Document, Source

KNOWN = card("twitter2017@umt").splits["test"].file.sha256


def gold(*sources: Source | None) -> list[Scored]:
    texts = [Document.from_text("Ada", id=str(number)) for number, _ in enumerate(sources)]
    return [
        items_of(Document(id=text.id, blocks=text.blocks, source=source))
        for text, source in zip(texts, sources, strict=True)
    ]


def test_files_of_the_card_and_others() -> None:
    found = data_of(
        gold(
            Source(corpus="twitter2017@umt", split="test", digest=KNOWN),
            Source(corpus="twitter2017@umt", split="test", digest=KNOWN, line=7),
            Source(corpus="twitter2017@umt", split="test", digest="00"),
            Source(corpus="fieldnotes"),
            None,
        )
    )
    assert found == (
        Data("fieldnotes", None, "unlisted"),
        Data("twitter2017@umt:test", "00", "unknown"),
        Data("twitter2017@umt:test", KNOWN, "known"),
    )
    assert [data.doubtful for data in found] == [False, True, False]
    assert found[1].to_dict() == {
        "source": "twitter2017@umt:test",
        "digest": "00",
        "status": "unknown",
    }
    assert data_of([Scored("1", ())]) == ()


def test_results_on_other_files_are_marked_and_refused() -> None:
    ours = gold(Source(corpus="twitter2017@umt", split="test", digest=KNOWN))
    theirs = gold(Source(corpus="twitter2017@umt", split="test", digest="00"))
    known, unknown = score(ours, ours), score(theirs, theirs)
    check_comparable(known, score(ours, ours))
    with pytest.raises(ComparisonError, match="differ in data") as caught:
        check_comparable(known, unknown)
    assert caught.value.code == "compare-protocol"
    assert known.to_dict()["data"] == [
        {"source": "twitter2017@umt:test", "digest": KNOWN, "status": "known"}
    ]
    console = Console(file=StringIO(), width=160)
    console.print(unknown)
    console.print(known)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("the files are unknown to the dataset card") == 1
