"""The page of scores: its numbers, its marked texts, and that nothing on it is more than text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from magpie.metrics import Scored, items_of
from magpie.metrics.analysis import Analysis, analyse
from magpie.metrics.data import Data
from magpie.metrics.score_page import score_page
from magpie.metrics.significance import compare_all
from magpie.metrics.terminal import analysis_tables, comparison_table

from .builders import Builder
from .test_analysis import GOLD, PREDICTED, TRAIN, mention

BAD = '<img src=x onerror="alert(1)">'


def analysed(predicted: list[Scored] = PREDICTED, **more: int) -> Analysis:
    return analyse(GOLD, predicted, "gmner-iou50@1", train=TRAIN, **more)  # type: ignore[arg-type]


def bare(page: str) -> str:
    """The words of a page, one line an element."""
    return re.sub(r"\n+", "\n", re.sub("<[^>]*>", "\n", page.replace("&gt;", ">")))


class Balance(HTMLParser):
    """Whether every element is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    systems = [("ours", analysed(bootstrap=50)), ("gold itself", analysed(GOLD, bootstrap=50))]
    comparisons = compare_all([(name, each.report) for name, each in systems], samples=99)
    return score_page(systems, comparisons, title="Test")


def test_it_is_one_well_formed_page_without_scripts(page: str) -> None:
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert "script" not in parser.tags
    assert not re.search(r'(?:src|href)="(?!data:image/svg)', page)


def test_scores_types_and_errors_stand_there(page: str) -> None:
    words = bare(page)
    assert "ours\ngmner\n33.33\n25.00\n28.57\n" in words
    assert "gold itself\ngmner\n100.00\n100.00\n100.00\n100.00–100.00\n4\n4\n4\n" in words
    assert "wrong region\nours\n1\n1\nright but for the region" in words
    assert "missing\nours\n1\n0\na gold item that no prediction is linked with" in words
    assert "correct\ngold itself\n4\n4\n" in words
    assert "seen with another type\nours\n" in words
    assert "gmner by words of the entity" in words


def test_differences(page: str) -> None:
    words = bare(page)
    assert "ours − gold itself\ngmner\n-71.43\n" in words
    assert "99 swaps and drawn sets of 2 documents, seed 0" in words


def test_examples_show_both_sides_in_their_text(page: str) -> None:
    assert (
        '<code><bdi>a</bdi></code><p class="snippet" dir="auto">'
        '<mark class="gold predicted">Ada Byron</mark> met Rio in Rio de Janeiro</p>'
    ) in page
    assert "gold: Ada Byron (PER, at m0 [0, 0, 10, 10])" in page
    assert "predicted: Ada Byron (PER, at m0 [50, 50, 60, 60])" in page


def test_the_protocol_is_defined_on_the_page(page: str) -> None:
    words = bare(page)
    assert "gmner-iou50@1\n: span, type and region, micro; one-to-one" in words
    assert "inclusive\nfalse\nfalse\naccept IoU from 0.5 on, not only above" in words
    assert "fixed: regions\ntrue\n" in words
    assert "counted by\nmagpie.metrics.gmner:count" in words


@pytest.mark.parametrize(
    ("status", "label"),
    [
        ("known", "verified: the files of the dataset card"),
        ("partial", "unverified: some files"),
        ("unknown", "unverified: files that the dataset card does not know"),
        ("unlisted", "unverified: no dataset card states a digest"),
    ],
)
def test_files_are_verified_or_not(status: str, label: str) -> None:
    found = analysed()
    data = (Data("gmner@2:test", "ab12" * 16, status),)
    page = score_page([("a", replace(found, report=replace(found.report, data=data)))])
    assert f'gmner@2:test</th><td><span class="label">{label}' in page
    assert "ab12" * 16 in page


def test_gold_of_no_corpus_is_unverified(page: str) -> None:
    assert "unverified: the gold names no corpus" in page


def test_hostile_texts_stay_texts() -> None:
    gold = [Scored(BAD, (mention(BAD, 0, BAD),), text=BAD)]
    predicted = [Scored(BAD, (mention(BAD[:4], 0, BAD),), text=BAD)]
    found = analyse(gold, predicted, "ner-span-conll@1", train=gold)
    page = score_page([(BAD, found)], title=BAD)
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    # The only pictures are the plots.
    assert page.count("<img ") == page.count('<img src="data:image/svg+xml;base64,')
    assert "onerror=&quot;" in page or 'onerror="alert(1)"&gt;' in page


def test_without_plots_the_tables_stand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magpie.metrics.score_page.can_plot", lambda: False)
    page = score_page([("a", analysed())])
    assert "<img" not in page
    assert "Plots are left out" in page
    assert "28.57" in page


def test_plots_are_drawn(page: str) -> None:
    pytest.importorskip("matplotlib")
    # Scores, types, four breakdowns of more than one row, errors.
    assert page.count("<figure>") == 8


def test_relations_and_means() -> None:
    gold, predicted = Builder(), Builder()
    for document, label in ((gold, "knows"), (predicted, "near")):
        head, tail = document.entity(0, 3), document.entity(4, 6)
        document.relate(head, label, tail)
        document.relate(head, label, document.region(0, 0, 5, 5))
    found = analyse([items_of(gold.build())], [items_of(predicted.build())], "mre-no-none@1")
    page = score_page([("a", found)])
    assert "gold: abc → knows → ef" in page
    assert "predicted: abc → near → m0 [0, 0, 5, 5]" in page
    assert "of these means" in page
    assert '<mark class="gold predicted">abc</mark>d<mark class="gold predicted">ef</mark>' in page
    assert '<th scope="col">mean</th>' in page


def test_protocols_without_pairs_say_so() -> None:
    document = Builder()
    document.event("Attack", (0, 3))
    scored = [items_of(document.build())]
    page = score_page([("a", analyse(scored, scored, "m2e2-text@1"))])
    assert "pairs no single items" in page


def test_same_input_same_bytes() -> None:
    assert score_page([("a", analysed())]) == score_page([("a", analysed())])


def test_a_prediction_that_shows_somewhere_without_a_box() -> None:
    bare_region = replace(mention("Ada Byron", 0, "PER"), grounding="regions")
    found = analyse(GOLD[:1], [replace(PREDICTED[0], items=(bare_region,))], "gmner-iou50@1")
    page = score_page([("a", found)])
    assert "predicted: Ada Byron (PER, in the picture, without a box)" in page
    assert "<h3>missed region: a</h3>" in page


def test_no_examples_when_none_are_asked_for() -> None:
    assert 'class="cases"' not in score_page([("a", analysed())], examples=0)


# tables of the terminal


def test_tables_of_the_terminal() -> None:
    tables = list(analysis_tables(analysed()))
    assert [str(table.title) for table in tables] == [
        "gmner by words of the text",
        "gmner by occurrences of the type in the training data",
        "gmner by words of the entity",
        "gmner by grounding",
        "gmner by spelling and type in the training data",
        "gmner: where every item stands",
    ]
    assert [str(cell) for cell in tables[0].columns[3].cells] == ["33.33", "0.00"]
    assert list(tables[-1].columns[0].cells) == ["correct", "wrong region", "type", "missing"]
    assert list(tables[-1].columns[1].cells) == ["1", "1", "1", "1"]


def test_comparisons_of_the_terminal() -> None:
    systems = [("a", analysed().report), ("b", analysed(GOLD).report), ("c", analysed().report)]
    two = comparison_table(compare_all(systems[:2], samples=99))
    assert [str(column.header) for column in two.columns[2:]] == [
        "points", "95 % interval", "p swap", "p draw",
    ]  # fmt: skip
    assert next(iter(two.columns[2].cells)) == "-71.43"
    three = comparison_table(compare_all(systems, samples=99))
    assert str(three.columns[5].header) == "Holm"
    assert list(three.columns[4].cells)[3] == "1.0000"  # a against c, which are one
