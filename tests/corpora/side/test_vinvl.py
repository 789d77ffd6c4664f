from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.dataset_card import DataFile
from magpie.corpora.side import VinvlRegions, read_vinvl, write_vinvl
from magpie.corpora.side.vinvl import FEATURES, vinvl_places
from magpie.corpora.source import Found
from magpie.errors import FormatError, MagpieError, NotFoundError, SchemaError


def make(count: int = 2, **changes: Any) -> VinvlRegions:
    source = np.random.default_rng(count)
    corners = np.array([[1.5, 2, 30, 40]] * count, dtype=np.float32).reshape(count, 4)
    fields: dict[str, Any] = {
        "width": 60,
        "height": 50,
        "boxes": corners + np.arange(count, dtype=np.float32)[:, None] / 4,
        "features": source.random((count, FEATURES), dtype=np.float32),
        "scores": source.random(count, dtype=np.float32),
        "objects": tuple(f"thing {i}" for i in range(count)),
        "attributes": tuple(f"red thing {i}" for i in range(count)),
        "attribute_scores": source.random((count, 1), dtype=np.float32),
        "class_scores": source.random((count, 1595)),
    }
    return VinvlRegions(**{**fields, **changes})


@given(count=st.integers(0, 4))
def test_written_files_come_back_bit_by_bit(tmp_path_factory: Any, count: int) -> None:
    path = tmp_path_factory.mktemp("vinvl") / "11.jpg.npz"
    value = make(count)
    write_vinvl(path, value)
    back = read_vinvl(path)
    assert (back.width, back.height, len(back)) == (60, 50, count)
    assert (back.objects, back.attributes) == (value.objects, value.attributes)
    for name in ("boxes", "features", "scores", "attribute_scores", "class_scores"):
        assert np.array_equal(getattr(back, name), getattr(value, name))
        assert getattr(back, name).dtype == getattr(value, name).dtype


def test_numpy_reads_what_is_written(tmp_path: Path) -> None:
    write_vinvl(tmp_path / "x.npz", make(3))
    with np.load(tmp_path / "x.npz", allow_pickle=False) as archive:
        assert int(archive["num_boxes"]) == 3
        assert (int(archive["image_w"]), int(archive["image_h"])) == (60, 50)
        assert archive["box_features"].shape == (3, 2048)
        assert archive["objects"].tolist() == ["thing 0", "thing 1", "thing 2"]


def test_regions_are_proposals_in_pixels() -> None:
    value = make(1)
    (region,) = value.regions("m3")
    assert region.box is not None
    assert region.box.xyxy == (1.5, 2.0, 30.0, 40.0)
    assert (region.media, region.label) == ("m3", "thing 0")
    assert region.score == pytest.approx(float(value.scores[0]))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"boxes": np.zeros((3, 4), np.float32)}, "schema-number"),
        ({"features": np.zeros((3, 10), np.float32)}, "schema-number"),
        ({"features": np.zeros((2, 10, 1), np.float32)}, "schema-number"),
        ({"class_scores": np.zeros(2)}, "schema-number"),
        ({"objects": ("one",)}, "schema-number"),
        ({"scores": np.array([0.5, np.nan], np.float32)}, "schema-number"),
        ({"features": np.full((2, FEATURES), np.inf, np.float32)}, "schema-number"),
        ({"scores": np.array([0.5, 1.5], np.float32)}, "schema-number"),
        ({"boxes": np.array([[1, 2, 30, 40], [5, 5, 5, 9]], np.float32)}, "schema-box"),
        ({"boxes": np.array([[1, 2, 30, 40], [5, 5, 61, 9]], np.float32)}, "schema-box"),
        ({"width": 0}, "schema-type"),
    ],
)
def test_impossible_values_are_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(SchemaError) as caught:
        make(2, **changes)
    assert caught.value.code == code


def arrays(tmp_path: Path) -> dict[str, Any]:
    write_vinvl(tmp_path / "good.npz", make(2))
    with np.load(tmp_path / "good.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def saved(tmp_path: Path, **changes: Any) -> Path:
    found = {**arrays(tmp_path), **changes}
    np.savez(tmp_path / "bad.npz", **{k: v for k, v in found.items() if v is not None})
    return tmp_path / "bad.npz"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": None}, "lacks scores"),
        ({"num_boxes": np.asarray(3)}, "has the shape"),
        ({"num_boxes": np.asarray(-1)}, "num_boxes is -1"),
        ({"num_boxes": np.asarray(2.0)}, "one whole number"),
        ({"objects": np.asarray([1, 2])}, "expected names"),
        ({"scores": np.asarray(["a", "b"])}, "expected floating-point"),
        ({"image_w": np.asarray(10)}, "outside a picture of 10 x 50"),
        ({"bounding_boxes": np.full((2, 4), np.nan, np.float32)}, "NaN or infinity"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = saved(tmp_path, **changes)
    with pytest.raises(MagpieError, match=message) as caught:
        read_vinvl(path)
    assert caught.value.where.startswith(str(path))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "trap.npz"
    np.savez(path, objects=np.array([Trap()], dtype=object))
    with pytest.raises(FormatError, match="no readable archive"):
        read_vinvl(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("data", [b"", b"PK", b"\x80\x04K\x01.", b"not an archive"])
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        read_vinvl(path)


def test_a_cut_off_archive(tmp_path: Path) -> None:
    write_vinvl(tmp_path / "x.npz", make(2))
    data = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError):
        read_vinvl(tmp_path / "x.npz")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from magpie.corpora.side import vinvl

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scores.npy", bytes(100_000))
    path = tmp_path / "x.npz"
    path.write_bytes(buffer.getvalue())
    monkeypatch.setattr(vinvl, "MAX_VINVL_BYTES", 1000)
    with pytest.raises(FormatError) as caught:
        read_vinvl(path)
    assert caught.value.code == "format-too-long"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_vinvl(tmp_path / "nothing.npz")


def test_a_folder_of_files(tmp_path: Path, notes: Any) -> None:
    folder = tmp_path / "vinvl"
    folder.mkdir()
    write_vinvl(folder / "11.jpg.npz", make(2))
    (folder / "12.jpg.npz").write_bytes(b"broken")
    (folder / "readme.txt").write_text("no regions")
    rows = list(vinvl_places([Found(DataFile("vinvl", folder=True), folder)], "all", notes))
    assert [(row.key, len(row.regions)) for row in rows] == [("11", 2)]
    assert notes.kinds == ["unreadable"]
    assert "12.jpg.npz" in notes[0].where


@pytest.mark.corpus
def test_the_published_files_survive_a_round_trip(data_dir: Path, tmp_path: Path) -> None:
    counts = []
    for path in sorted((data_dir / "images" / "gmner_vinvl").glob("*.npz")):
        value = read_vinvl(path)
        write_vinvl(tmp_path / path.name, value)
        back = read_vinvl(tmp_path / path.name)
        assert np.array_equal(back.class_scores, value.class_scores)
        assert np.array_equal(back.features, value.features)
        assert back.regions() == value.regions()
        counts.append(len(value))
    assert counts == [10, 36, 35, 36, 36, 31]


def test_regions_of_another_detector_have_other_widths(tmp_path: Path) -> None:
    value = make(
        2, features=np.full((2, 10), 0.5, np.float32), class_scores=np.zeros((2, 0), np.float64)
    )
    write_vinvl(tmp_path / "a.npz", value)
    found = read_vinvl(tmp_path / "a.npz")
    assert found.features.shape == (2, 10)
    assert found.class_scores.shape == (2, 0)


def test_boxes_that_leave_the_picture_are_cut_or_left_out(tmp_path: Path) -> None:
    corners = np.array([[-5, 2, 30, 40], [70, 5, 90, 9], [1, 1, 9, 9], [5, 5, 5, 9]], np.float32)
    names = {"objects": np.asarray(["a", "b", "c", "d"]), "attr_obj": np.asarray(["x"] * 4)}
    rows = {
        "num_boxes": np.asarray(4),
        "bounding_boxes": corners,
        "box_features": np.arange(8, dtype=np.float32).reshape(4, 2),
        "scores": np.array([0.4, 0.3, 0.2, 0.1], np.float32),
        "attr_scores": np.zeros((4, 1), np.float32),
        "scores_all": np.zeros((4, 0)),
    }
    path = saved(tmp_path, **rows, **names)
    with pytest.raises(SchemaError, match="outside a picture"):
        read_vinvl(path)
    told: list[Anomaly] = []
    found = read_vinvl(path, on_problem=told.append)
    assert [a.kind for a in told] == ["box-clipped", "box-skipped", "box-skipped"]
    assert "box 1 (70.0, 5.0, 90.0, 9.0) shows nothing" in told[1].message
    assert found.objects == ("a", "c")
    np.testing.assert_array_equal(found.boxes, [[0, 2, 30, 40], [1, 1, 9, 9]])
    np.testing.assert_array_equal(found.features, [[0, 1], [4, 5]])
    np.testing.assert_allclose(found.scores, [0.4, 0.2])


def test_a_box_that_is_no_number_is_not_mended(tmp_path: Path) -> None:
    path = saved(tmp_path, bounding_boxes=np.full((2, 4), np.nan, np.float32))
    told: list[Anomaly] = []
    with pytest.raises(SchemaError, match="NaN or infinity"):
        read_vinvl(path, on_problem=told.append)
