from __future__ import annotations

import io
import json

import pytest

from magpie.errors import ComparisonError, ConfigError
from magpie.methods.generation.result import Diagnostics, ParseResult, signed
from magpie.metrics import check_comparable, items_of, protocol, score
from magpie.metrics.malformed import Malformed, malformed_of, total
from magpie.schema import Annotations, Document, Entity, Provenance, Span


def post(number: int, names: tuple[str, ...], provenance: Provenance | None = None) -> Document:
    """``a b c`` with entities on the named letters."""
    text = "a b c"
    entities = tuple(
        Entity(id=name, span=Span("b0", text.index(name), text.index(name) + 1), type="PER")
        for name in names
    )
    bare = Document.from_text(text, id=f"d{number}")
    return bare.with_annotations(Annotations(entities=entities, provenance=provenance))


def said(names: tuple[str, ...], **codes: int) -> ParseResult[str]:
    return ParseResult(names, Diagnostics(codes))


def scored(gold, results, names=None, **options):
    predicted = [
        post(n, names[n] if names else result.items, result.provenance("some-method"))
        for n, result in enumerate(results)
    ]
    return score(
        map(items_of, gold), map(items_of, predicted), "ner-span-strict@1", options=options
    )


def test_one_right_and_one_malformed_item():
    gold = [post(0, ("a", "b"))]
    result = said(("a",), bad_type=1)
    default = scored(gold, [result])
    assert (default.main.micro.precision, default.main.micro.recall) == (1.0, 0.5)
    counted = scored(gold, [result], malformed_as_fp=True)
    assert (counted.main.micro.precision, counted.main.micro.recall) == (0.5, 0.5)
    both = {"default": 1.0, "malformed_as_fp": 0.5}
    assert default.precisions == counted.precisions == both
    assert default.to_dict()["malformed"] == {
        "outputs": 1,
        "broken": 1,
        "items": 1,
        "skipped": 1,
        "share": 1.0,
        "unreliable": True,
        "codes": {"bad_type": 1},
        "precision": both,
    }


def test_both_precisions_are_printed():
    from rich.console import Console

    report = scored([post(0, ("a", "b"))], [said(("a",), bad_type=1)])
    console = Console(width=140, file=io.StringIO())
    console.print(report)
    shown = console.file.getvalue()
    assert "precision 100.00, with malformed items as false ones 50.00" in shown
    assert "malformed: 1 of 2 items skipped, 1 of 1 outputs hit" in shown
    assert "UNRELIABLE" in shown


def test_the_page_of_scores_says_so_too():
    from magpie.metrics.analysis import analyse
    from magpie.metrics.score_page import score_page

    predicted = items_of(post(0, ("a",), said(("a",), bad_type=1).provenance("some-method")))
    looked = analyse([items_of(post(0, ("a", "b")))], [predicted], "ner-span-strict@1")
    page = score_page([("ours", looked)])
    assert "UNRELIABLE" in page
    assert "with malformed items as false ones 50.00" in page


def test_the_command_scores_saved_predictions(tmp_path):
    from typer.testing import CliRunner

    from magpie.cli.app import app

    gold, predicted = tmp_path / "gold.jsonl", tmp_path / "predicted.jsonl"
    gold.write_text(post(0, ("a", "b")).to_json() + "\n", encoding="utf-8")
    result = said(("a",), bad_type=1)
    document = post(0, ("a",), result.provenance("some-method"))
    predicted.write_text(document.to_json() + "\n", encoding="utf-8")
    for more, precision in (([], 1.0), (["--option", "malformed_as_fp=true"], 0.5)):
        given = ["score", str(gold), str(predicted), "--json", *more]
        body = json.loads(CliRunner().invoke(app, given).stdout)
        assert body["micro"]["precision"] == precision
        assert body["malformed"]["codes"] == {"bad_type": 1}
        assert body["malformed"]["precision"] == {"default": 1.0, "malformed_as_fp": 0.5}


@pytest.mark.parametrize(("broken", "flagged"), [(5, False), (6, True)])
def test_a_result_is_unreliable_exactly_above_five_in_a_hundred(broken, flagged):
    gold = [post(n, ("a",)) for n in range(100)]
    results = [said(("a",), bad_type=3 * (n < broken)) for n in range(100)]
    report = scored(gold, results)
    assert report.malformed.broken == broken
    assert report.malformed.skipped == 3 * broken
    assert report.malformed.unreliable is flagged
    assert report.to_dict()["malformed"]["unreliable"] is flagged


def test_repairs_and_remarks_are_counted_but_break_nothing():
    report = scored([post(0, ("a",))], [said(("a",), repair_no_end=1, coarse_fine_conflict=2)])
    assert report.malformed.codes == {"coarse_fine_conflict": 2, "repair_no_end": 1}
    assert (report.malformed.broken, report.malformed.skipped) == (0, 0)
    assert not report.malformed.unreliable
    assert report.precisions == {}


def test_a_score_of_what_nobody_generated_says_nothing_of_it():
    gold = [post(0, ("a",))]
    report = score(map(items_of, gold), map(items_of, gold), "ner-span-strict@1")
    assert report.malformed is None
    assert "malformed" not in report.to_dict()
    assert report.options == {}


def test_false_ones_count_in_the_micro_score_only_and_for_their_document():
    gold = [post(0, ("a",)), post(1, ("b",))]
    results = [said(("a",)), said(("b",), duplicate=2)]
    report = scored(gold, results, malformed_as_fp=True)
    assert report.main.micro.predicted == 4
    assert report.main.per_type["PER"].predicted == 2
    assert [counts.predicted for counts in report.main.per_document] == [1, 3]


def test_an_empty_output_in_the_middle_shifts_nobody():
    gold = [post(0, ("a",)), post(1, ("b",)), post(2, ("c",))]
    report = scored(gold, [said(("a",)), said((), unparsable=1), said(("c",))])
    assert report.main.micro.correct == 2
    assert [counts.correct for counts in report.main.per_document] == [1, 0, 1]
    assert report.malformed.outputs == 3


def test_two_ways_of_counting_are_not_compared():
    gold, results = [post(0, ("a",))], [said(("a",), bad_type=1)]
    counted = scored(gold, results, malformed_as_fp=True)
    assert counted.options == {"malformed_as_fp": True}
    with pytest.raises(ComparisonError, match="options"):
        check_comparable(scored(gold, results), counted)


def test_every_protocol_has_the_switch():
    chosen = protocol("gmner-iou50@1")
    assert "malformed_as_fp" not in chosen.resolve({})
    values = chosen.resolve({"malformed_as_fp": True})
    assert values["malformed_as_fp"] is True
    assert chosen.define(values)["options"]["malformed_as_fp"]["value"] is True
    assert "malformed_as_fp" not in chosen.define(chosen.resolve({}))["options"]
    with pytest.raises(ConfigError, match="malformed_as_fp"):
        chosen.resolve({"malformed_as_fp": 1})


def test_counts_survive_the_file():
    result = said(("a",), bad_type=2, repair_no_end=1)
    document = post(0, ("a",), result.provenance("some-method"))
    back = Document.from_json(document.to_json())
    assert malformed_of(back) == result.malformed
    assert result.malformed.codes == {"bad_type": 2, "repair_no_end": 1}
    assert json.loads(document.to_json())  # plain text, nothing else


@pytest.mark.parametrize(
    "line", ["parsed", "parsed by hand", "parsed x=-1", "read n=1", "parsed x=²"]
)
def test_evidence_of_others_is_left_alone(line):
    document = post(0, (), Provenance(method="m", evidence=(line,)))
    expected = Malformed() if line == "parsed" else None
    assert malformed_of(document) == expected


def test_several_outputs_of_one_document_add_up():
    one, two = said(("a",), bad_type=1).malformed, said(("b",)).malformed
    document = post(0, ("a", "b"), signed("m", one + two))
    found = malformed_of(document)
    assert (found.outputs, found.broken, found.items, found.skipped) == (2, 1, 2, 1)
    assert total([None, found, None]) == found
    assert total([None]) is None
    assert malformed_of(Document.from_text("a")) is None


def test_each_code_is_logged_once(caplog):
    with caplog.at_level("INFO"):
        for _ in range(3):
            said((), bad_type=1).provenance("a-method-of-its-own")
    assert caplog.text.count("a-method-of-its-own") == 1


@pytest.mark.parametrize(("unparsable", "predicted"), [(0, 1), (1, 2), (3, 2)])
def test_tigers_own_scorer_makes_one_entry_of_all_it_cannot_read(unparsable, predicted):
    result = said(("a",), **({"unparsable": unparsable} if unparsable else {}))
    document = post(0, ("a",), result.provenance("some-method"))
    micros = {}
    for legacy in (True, False):
        options = {"mode": "fmnerg", "legacy_train_scorer": legacy}
        report = score(
            [items_of(post(0, ("a", "b")))], [items_of(document)], "gmner-iou50@1", options=options
        )
        micros[legacy] = report.main.micro
    assert (micros[True].predicted, micros[True].gold) == (predicted, 2)
    assert (micros[False].predicted, micros[False].gold) == (1, 2)
