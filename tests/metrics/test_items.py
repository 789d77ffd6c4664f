"""What scorers look at: from documents and flat lines, and which documents belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magpie.errors import ComparisonError, FormatError, MagpieError, NotFoundError
from magpie.metrics import score
from magpie.metrics.items import Item, Scored, items_of, pair_up, read_scored
from magpie.schema import (
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Provenance,
    Region,
    Source,
    Span,
)
from magpie.text.tags import ORPHAN


def document(id: str = "7", *, status: Any = "ok") -> Document:
    """Two blocks; Ada shows in the picture, Porto was opened by an orphan I-."""
    ada = Entity(
        id="e0",
        span=Span("b0", 4, 7),
        type="PER",
        fine_type="artist",
        grounding=Grounding.in_regions(Region.of_box(Box(1, 2, 30, 40, "m0"))),
    )
    porto = Entity(
        id="e1",
        span=Span("b1", 3, 8),
        type="LOC",
        grounding=Grounding("absent"),
        provenance=Provenance(method="corpus", evidence=(ORPHAN,)),
    )
    return Document(
        id=id,
        blocks=(Block(id="b0", text="Met Ada 🎉"), Block(id="b1", text="in Porto")),
        media=(Media(id="m0", uri="a.jpg"),),
        annotations=Annotations(entities=(ada, porto)),
        status=status,
        source=Source(corpus="fieldnotes@1", split="test"),
    )


ADA = Item("Ada", 4, 7, "PER", "artist", "regions", (("m0", (1, 2, 30, 40)),))
PORTO = Item("Porto", 13, 18, "LOC", None, "absent", orphan=True)


def write(path: Path, *lines: object) -> Path:
    """A JSONL file; strings are written as they are."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    return path


def test_a_document_becomes_flat_with_offsets_over_all_blocks() -> None:
    found = items_of(document())
    assert found == Scored("7", (ADA, PORTO), False, "fieldnotes@1:test", "Met Ada 🎉\nin Porto")
    assert document().text[13:18] == "Porto"


def test_documents_without_annotations_or_source() -> None:
    assert items_of(Document.from_text("Met Ada", id="8")) == Scored("8", (), text="Met Ada")
    assert items_of(document(status="failed")).failed


def test_both_shapes_may_stand_in_one_file(tmp_path: Path) -> None:
    flat = {
        "id": "8",
        "entities": [
            {
                "text": "Ada",
                "start": 4,
                "end": 7,
                "type": "PER",
                "fine_type": "artist",
                "score": 0.5,
                "grounding": "regions",
                "boxes": [[1, 2, 30.5, 40]],
            },
            {"start": 9, "end": 14, "type": "LOC"},
        ],
    }
    path = write(tmp_path / "mixed.jsonl", document().to_json(), "", flat)
    first, second = read_scored(path)
    assert first == items_of(document())
    assert second == Scored(
        "8",
        (
            Item("Ada", 4, 7, "PER", "artist", "regions", (("", (1, 2, 30.5, 40)),)),
            Item("", 9, 14, "LOC", None, "unknown"),
        ),
    )


def test_boxes_alone_say_that_it_is_grounded(tmp_path: Path) -> None:
    entity = {"start": 0, "end": 1, "type": "PER", "boxes": [[0, 0, 1, 1]]}
    (found,) = read_scored(write(tmp_path / "f.jsonl", {"id": "1", "entities": [entity]}))
    assert found.items[0].grounding == "regions"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"start": None}, "schema-span"),
        ({"start": 5, "end": 5}, "schema-span"),
        ({"start": -1}, "schema-span"),
        ({"type": 3}, "schema-span"),
        ({"boxes": [[0, 0, 1]]}, "format-record"),
        ({"boxes": [[5, 0, 5, 1]]}, "format-record"),
        ({"boxes": [["a", 0, 5, 1]]}, "format-record"),
        ({"boxes": 7}, "format-record"),
        ({"grounding": "maybe"}, "schema-grounding"),
    ],
)
def test_bad_flat_entities_stop_the_score(
    tmp_path: Path, change: dict[str, Any], code: str
) -> None:
    entity = {"start": 0, "end": 3, "type": "PER", **change}
    good = {"id": "1", "entities": []}
    path = write(tmp_path / "flat.jsonl", good, {"id": "2", "entities": [entity]})
    with pytest.raises(MagpieError) as caught:
        list(read_scored(path))
    assert caught.value.code == code
    assert caught.value.where == f"{path}:2"


@pytest.mark.parametrize(
    "line", ["[1, 2]", "nonsense", '{"id": 4, "entities": []}', '{"id": "4", "entities": {}}']
)
def test_bad_lines_stop_the_score(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "flat.jsonl", line)
    with pytest.raises(FormatError) as caught:
        list(read_scored(path))
    assert caught.value.where.startswith(f"{path}:1")


def test_entities_that_are_no_objects(tmp_path: Path) -> None:
    path = write(tmp_path / "flat.jsonl", {"id": "1", "entities": ["Ada"]})
    with pytest.raises(FormatError, match="an entity needs start, end, type"):
        list(read_scored(path))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        list(read_scored(tmp_path / "none.jsonl"))


# -- alignment


def scored(*ids: str) -> list[Scored]:
    return [Scored(name, (ADA,)) for name in ids]


def test_pairs_follow_the_gold() -> None:
    pairs = pair_up(scored("a", "b", "c"), scored("c", "a", "b"))
    assert [(g.id, p.id) for g, p in pairs] == [("a", "a"), ("b", "b"), ("c", "c")]


def test_missing_predictions_are_refused_by_name() -> None:
    with pytest.raises(ComparisonError) as caught:
        pair_up(scored("a", "b", "c"), scored("b"))
    assert caught.value.code == "compare-alignment"
    assert "2 of 3 gold documents have no prediction, first: 'a', 'c'" in caught.value.message
    assert "--allow-missing" in caught.value.mend


def test_missing_predictions_may_count_as_empty() -> None:
    pairs = pair_up(scored("a", "b"), scored("b"), allow_missing=True)
    assert [prediction.items for _, prediction in pairs] == [(), (ADA,)]


def test_predictions_beyond_the_gold_are_always_refused() -> None:
    with pytest.raises(ComparisonError, match="1 documents are predicted but not in the gold"):
        pair_up(scored("a"), scored("a", "z"), allow_missing=True)


def test_only_the_first_ids_are_named() -> None:
    many = scored(*(f"d{number}" for number in range(50)))
    with pytest.raises(ComparisonError) as caught:
        pair_up(many, [])
    assert "'d4'" in caught.value.message
    assert "'d5'" not in caught.value.message


@pytest.mark.parametrize("side", ["gold", "predictions"])
def test_an_id_may_stand_once(side: str) -> None:
    doubled, once = scored("a", "a"), scored("a")
    with pytest.raises(ComparisonError, match=f"'a' stands twice in the {side}") as caught:
        pair_up(*((doubled, once) if side == "gold" else (once, doubled)))
    assert caught.value.code == "compare-alignment"


def test_a_failed_document_counts_as_empty() -> None:
    ((_, prediction),) = pair_up(scored("a"), [Scored("a", (ADA,), failed=True)])
    assert prediction == Scored("a", (), failed=True)


def test_two_texts_under_one_id_are_refused() -> None:
    gold, other = Scored("a", (ADA,), text="Met Ada"), Scored("a", (ADA,), text="Saw Ada")
    with pytest.raises(ComparisonError, match="different texts under one id, first: 'a'"):
        pair_up([gold], [other])
    # A flat line has no text, and a failed document may have lost it.
    assert pair_up([gold], [Scored("a", ())]) == [(gold, Scored("a", ()))]
    assert len(pair_up([gold], [Scored("a", (), failed=True, text="")])) == 1


def test_the_document_comes_along_and_is_no_part_of_equality() -> None:
    document = Document.from_text("Ada", id="1")
    scored = items_of(document)
    assert scored.document is document
    assert scored == Scored("1", (), text="Ada")
    assert "blocks" not in repr(scored)


def test_a_failed_prediction_loses_its_tags_too() -> None:
    gold = Scored("1", (), tags=("B-PER",))
    [(_, prediction)] = pair_up([gold], [Scored("1", (), failed=True, tags=("B-PER",))])
    assert (prediction.tags, prediction.items, prediction.failed) == (None, (), True)


def test_flat_mentions_are_spelled_from_the_text_of_the_other_side() -> None:
    document = items_of(Document.from_text("Met Ada in Porto", id="1"))
    flat = Scored("1", (Item("", 4, 7, "PER"), Item("kept", 11, 16, "LOC")))
    ((_, predicted),) = pair_up([document], [flat])
    assert [item.text for item in predicted.items] == ["Ada", "kept"]
    ((gold, _),) = pair_up([flat], [document])
    assert [item.text for item in gold.items] == ["Ada", "kept"]
    ((gold, _),) = pair_up([flat], [flat])
    assert [item.text for item in gold.items] == ["", "kept"]


@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        ("gmner-surface@1", {}),
        ("gmner-iou50@1", {"mode": "riveg"}),
        ("gmner-iou50@1", {"mode": "fmnerg"}),
        ("ner-strings@1", {}),
    ],
)
def test_protocols_of_spellings_refuse_mentions_without_one(
    protocol: str, options: dict[str, str]
) -> None:
    flat = [Scored("1", (Item("", 4, 7, "PER"),))]
    with pytest.raises(ComparisonError, match="'1' has a mention without one") as caught:
        score(flat, flat, protocol, options=options)
    assert caught.value.code == "compare-protocol"
    assert score(flat, flat, "gmner-iou50@1").main.micro.score == 1.0
