"""The published NER scorers on documents and column files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from magpie.errors import ComparisonError, FormatError
from magpie.metrics import score
from magpie.metrics.counts import Counts
from magpie.metrics.items import Item, Scored, items_of
from magpie.metrics.tagged import read_tagged
from magpie.schema import Annotations, Block, Document, Entity, Provenance, Span
from magpie.text.tags import ORPHAN, decode_tags

PUBLIC = ("ner-umt@1", "ner-hvpnet@1", "ner-umgf@1", "ner-adaseq@1")


def tags(*sentences: str) -> list[Scored]:
    return [Scored(str(n), (), tags=tuple(s.split())) for n, s in enumerate(sentences)]


def document(id: str, labels: str) -> Scored:
    """A document of one word a tag, with the chunks of the tags."""
    labels_of = labels.split()
    block = Block.from_words([f"w{n}" for n in range(len(labels_of))])
    entities = tuple(
        Entity(
            id=f"e{n}",
            span=block.word_span(first, last),
            type=kind,
            provenance=None
            if labels_of[first].startswith("B")
            else Provenance(method="corpus", evidence=(ORPHAN,)),
        )
        for n, (kind, first, last) in enumerate(decode_tags(labels_of))
    )
    annotations = Annotations(entities=entities)
    return items_of(Document(id=id, blocks=(block,), annotations=annotations))


def f1(gold: list[Scored], predicted: list[Scored], protocol: str) -> float:
    return score(gold, predicted, protocol).main.micro.score


@pytest.mark.parametrize(
    ("predicted", "umt", "hvpnet", "umgf"),
    [("O B-PER I-PER X B-LOC", 0.8, 0.8, 1.0), ("O B-PER X O B-LOC", 0.4, 0.5, 0.5)],
)
def test_the_worked_special_tags(predicted: str, umt: float, hvpnet: float, umgf: float) -> None:
    gold = tags("O B-PER I-PER O B-LOC")
    assert f1(gold, tags(predicted), "ner-umt@1") == pytest.approx(umt)
    assert f1(gold, tags(predicted), "ner-hvpnet@1") == pytest.approx(hvpnet)
    assert f1(gold, tags(predicted), "ner-umgf@1") == pytest.approx(umgf)


@pytest.mark.parametrize("protocol", PUBLIC)
def test_an_orphan_opens_a_chunk_for_all_of_them(protocol: str) -> None:
    gold = [document("0", "O I-PER I-PER O")]
    assert gold[0].items[0].orphan
    assert f1(gold, [document("0", "O B-PER I-PER O")], protocol) == 1.0
    assert score(gold, gold, "ner-span-strict@1").main.micro == Counts()


def test_only_umgf_runs_on_over_sentences() -> None:
    gold = [document("0", "O B-PER"), document("1", "B-PER O")]
    predicted = [document("0", "O B-PER"), document("1", "I-PER O")]
    for protocol in ("ner-umt@1", "ner-hvpnet@1", "ner-adaseq@1"):
        assert score(gold, predicted, protocol).main.micro == Counts(2, 2, 2)
    report = score(gold, predicted, "ner-umgf@1")
    assert report.main.micro == Counts(2, 1, 0)
    # The run-on chunk belongs to the document it ends in.
    assert report.main.per_document == (Counts(1, 0, 0), Counts(1, 1, 0))


def test_adaseq_fuses_gold_that_touches() -> None:
    gold = tags("I-PER I-LOC O B-ORG")
    report = score(gold, gold, "ner-adaseq@1")
    assert report.main.micro == Counts(2, 3, 1)
    assert report.main.per_type["LOC"] == Counts(1, 1, 0)
    assert score(gold, gold, "ner-umt@1").main.micro == Counts(3, 3, 3)


@pytest.mark.parametrize("protocol", PUBLIC)
def test_flat_predictions_against_words(protocol: str) -> None:
    gold = [document("0", "B-PER O B-LOC I-LOC")]
    # The words stand at 0-2, 3-5, 6-8 and 9-11.
    items = (Item("w0", 0, 2, "PER"), Item("w2 w", 6, 10, "LOC"), Item("w0 w1", 0, 5, "PER"))
    report = score(gold, [Scored("0", items)], protocol)
    # The longer of two that share a word becomes the tags; half a word is no tag at all.
    assert report.main.micro == Counts(2, 3, 0)
    assert report.main.per_type["LOC"] == Counts(1, 1, 0)
    assert dict(report.notes) == {"predicted mentions that no tags can express": 2}
    right = Scored("0", (Item("w2 w3", 6, 11, "LOC"),))
    assert score(gold, [right], protocol).main.micro == Counts(2, 1, 1)


def test_misc_and_other_are_one_type_here_too() -> None:
    report = score([document("0", "B-MISC O")], [document("0", "B-OTHER O")], "ner-umt@1")
    assert dict(report.main.per_type) == {"MISC": Counts(1, 1, 1)}


def test_failed_and_missing_predictions_are_empty() -> None:
    gold = tags("B-PER", "B-LOC")
    report = score(gold, [replace(gold[0], failed=True)], "ner-umt@1", allow_missing=True)
    assert (report.main.micro, report.failed) == (Counts(2, 0, 0), 1)


def test_words_are_needed_and_sides_of_one_kind() -> None:
    text = Document(
        id="0",
        blocks=(Block(text="Ada"),),
        annotations=Annotations(entities=(Entity(id="e", span=Span("b0", 0, 3), type="PER"),)),
    )
    with pytest.raises(ComparisonError, match="counts words"):
        score([items_of(text)], [items_of(text)], "ner-umt@1")
    with pytest.raises(ComparisonError, match="is a column file"):
        score(tags("B-PER"), [items_of(text)], "ner-umt@1")
    with pytest.raises(ComparisonError, match="sentence 0 has 1 gold tags"):
        score(tags("B-PER"), tags("B-PER O"), "ner-umt@1")


def test_column_files(tmp_path: Path) -> None:
    path = tmp_path / "predicted.conll"
    path.write_text("Ada\tB-PER\n##a\tX\n\nPorto\tB-LOC\n", encoding="utf-8")
    assert [(s.id, s.tags) for s in read_tagged(path)] == [
        ("test-1", ("B-PER", "X")),
        ("test-2", ("B-LOC",)),
    ]
    posts = tmp_path / "posts.txt"
    posts.write_text("IMGID:17\nAda\tB-PER\nhere\tO\n\nIMGID:17\nnow\tO\n", encoding="utf-8")
    assert [(s.id, s.tags) for s in read_tagged(posts)] == [
        ("17", ("B-PER", "O")),
        ("17#2", ("O",)),
    ]
    broken = tmp_path / "broken.conll"
    broken.write_text("Ada\tB-PER\nhere\n", encoding="utf-8")
    with pytest.raises(FormatError, match="expected 2 columns") as caught:
        list(read_tagged(broken))
    assert caught.value.where == f"{broken}:2"


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("corpus", "protocol", "gold"),
    [
        ("twitter2015", "ner-umt@1", 5207),
        ("twitter2015", "ner-umgf@1", 5207),
        ("twitter2015", "ner-adaseq@1", 5201),
        ("twitter2017", "ner-hvpnet@1", 1351),
        ("twitter2017", "ner-adaseq@1", 1351),
    ],
)
def test_the_gold_that_each_scorer_sees(
    data_dir: Path, corpus: str, protocol: str, gold: int
) -> None:
    sides = list(read_tagged(data_dir / corpus / "test.txt"))
    assert score(sides, sides, protocol).main.micro.to_dict()["gold"] == gold
