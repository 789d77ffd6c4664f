"""Hugging Face datasets: typed columns, pictures as pictures, nothing fetched."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from magpie.errors import FormatError, MagpieError
from magpie.export import ExportReport, export, hf_datasets, read
from magpie.schema import Annotations, Document, Media, Relation

from . import samples

datasets = pytest.importorskip("datasets", reason="datasets comes with the export extra")


def load(path: Path) -> Any:
    return datasets.load_from_disk(str(path))


def test_columns_are_typed(tmp_path: Path) -> None:
    export(samples.all_documents(tmp_path), "datasets", tmp_path / "out", root=tmp_path)
    columns = load(tmp_path / "out").features
    assert columns == hf_datasets.features()
    assert columns["images"] == datasets.List(datasets.Image())
    assert columns["entities"].feature["span"]["start"] == datasets.Value("int64")
    assert columns["entities"].feature["score"] == datasets.Value("float64")
    assert columns["annotated"] == datasets.Value("bool")


def test_rows_as_others_see_them(tmp_path: Path) -> None:
    export([samples.pictures(tmp_path)], "datasets", tmp_path / "out", root=tmp_path)
    (row,) = load(tmp_path / "out")
    assert (row["id"], row["text"], row["status"]) == ("pictures", "Ada lives in Turin", "ok")
    assert [b["id"] for b in row["blocks"]] == ["b0"]
    assert [m["kind"] for m in row["media"]] == ["image"] * 3
    assert [None if i is None else i.size for i in row["images"]] == [(64, 48), (40, 30), None]
    assert row["images"][0].getpixel((0, 0)) == (255, 0, 0)
    first, second = row["entities"]
    assert first["span"] == {"block": "b0", "start": 0, "end": 3}
    assert first["fine_type"] == "author"
    assert [r["media"] for r in first["grounding"]["regions"]] == ["m0", "m1", "m1"]
    assert first["grounding"]["regions"][0]["box"]["x1"] == 0.1
    assert second["grounding"] == {"status": "absent", "regions": []}
    assert [r["type"] for r in row["relations"]] == ["lives in", "contains", "of"]


def test_pictures_are_turned_upright_as_boxes_need(tmp_path: Path) -> None:
    """EXIF says "turned": what datasets decodes is the frame of magpie's boxes."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(buffer, format="JPEG", exif=exif)
    document = Document.from_text("x", images=(buffer.getvalue(),))
    export([document], "datasets", tmp_path / "out")
    assert load(tmp_path / "out")[0]["images"][0].size == (20, 40)


def test_bytes_come_back_where_the_document_held_them(tmp_path: Path) -> None:
    given = samples.pictures(tmp_path)
    export([given], "datasets", tmp_path / "out", root=tmp_path)
    (own,) = read("datasets", tmp_path / "out")
    assert own == given
    (every,) = read("datasets", tmp_path / "out", pictures=True)
    assert every.media[0].data == (tmp_path / "first.png").read_bytes()
    assert every.media[1:] == given.media[1:]


def test_without_picture_files(tmp_path: Path) -> None:
    report = export([samples.pictures()], "datasets", tmp_path / "out", pictures=False)
    assert report.losses == {}
    assert [i is not None for i in load(tmp_path / "out")[0]["images"]] == [False, True, False]


def test_unreadable_pictures_are_said(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("no picture", encoding="utf-8")
    (tmp_path / "inside").mkdir()
    media = (
        Media(id="a", uri="../bad.png"),
        Media(id="b", uri="https://example.org/x.png"),
        Media(id="c", uri="none.png"),
    )
    inside = Document(id="d", blocks=(), media=media)
    bad = Document(id="e", blocks=(), media=(Media(uri="bad.png"),))
    report = export([inside], "datasets", tmp_path / "one", root=tmp_path / "inside")
    assert {kind: loss.examples for kind, loss in report.losses.items()} == {
        "media: picture not read (access-outside-root)": ["d/a"],
        "media: picture not read (access-remote)": ["d/b"],
        "media: picture not read (media-absent)": ["d/c"],
    }
    report = export([bad], "datasets", tmp_path / "two", root=tmp_path)
    assert list(report.losses) == ["media: picture not read (media-unreadable)"]
    assert list(read("datasets", tmp_path / "one")) == [inside]


def test_numbers_beyond_64_bits_are_one_bad_record(tmp_path: Path) -> None:
    block = dataclasses.replace(samples.plain().blocks[0], step=1 << 70)
    huge = dataclasses.replace(samples.plain(), id="huge", blocks=(block,))
    report = export([huge, samples.plain()], "datasets", tmp_path / "out")
    assert [error.code for error in report.failed] == ["schema-number"]
    assert "huge" in report.failed[0].where
    assert [d.id for d in read("datasets", tmp_path / "out")] == ["plain"]


def test_progress_bars_are_left_as_they_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datasets.utils import are_progress_bars_disabled, enable_progress_bars

    enable_progress_bars()
    export([samples.plain()], "datasets", tmp_path / "out")
    assert list(read("datasets", tmp_path / "out"))
    assert not are_progress_bars_disabled()
    assert capsys.readouterr() == ("", "")


def test_splits_and_mapped_rows(tmp_path: Path) -> None:
    report = ExportReport(format="datasets", path="")
    one = hf_datasets.to_dataset(iter([samples.plain()]), tmp_path / "a.arrow", report)
    two = hf_datasets.to_dataset(iter([samples.everything()]), tmp_path / "b.arrow", report)
    two = two.map(lambda row: {"id": row["id"] + "!"})
    datasets.DatasetDict({"train": one, "test": two}).save_to_disk(tmp_path / "both")
    back = list(read("datasets", tmp_path / "both"))
    assert [d.id for d in back] == ["plain", "everything!"]
    assert back[1].annotations == samples.everything().annotations


def test_a_bad_row_does_not_stop_the_rest(tmp_path: Path) -> None:
    report = ExportReport(format="datasets", path="")
    given = [samples.pictures(), samples.plain()]
    rows = hf_datasets.to_dataset(iter(given), tmp_path / "a.arrow", report)

    def break_first(row: Any) -> Any:
        if row["id"] == "pictures":
            row["relations"][0]["head"] = "nobody"
        return row

    rows.map(break_first).save_to_disk(tmp_path / "out")
    problems: list[MagpieError] = []
    assert [d.id for d in read("datasets", tmp_path / "out", on_problem=problems.append)] == [
        "plain"
    ]
    assert [(p.code, "row 1" in p.where) for p in problems] == [("schema-reference", True)]


def test_other_datasets_are_refused(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"tokens": [["a"]]}).save_to_disk(tmp_path / "theirs")
    with pytest.raises(FormatError, match="blocks, id are not there"):
        list(read("datasets", tmp_path / "theirs"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="expected a saved dataset"):
        list(read("datasets", tmp_path / "empty"))


def test_many_rows_stream(tmp_path: Path) -> None:
    """More rows than one batch; only one batch is held."""
    relations = (Relation(id="r", head="e0", tail="e0", type="None"),)
    parts = samples.plain().annotations
    assert isinstance(parts, Annotations)
    one = samples.plain().with_annotations(dataclasses.replace(parts, relations=relations))
    given = [dataclasses.replace(one, id=f"d{n}") for n in range(300)]
    report = export(iter(given), "datasets", tmp_path / "out")
    assert report.written["relations"] == 300
    assert list(read("datasets", tmp_path / "out")) == given
