from __future__ import annotations

import json
from pathlib import Path

import pytest

from magpie.corpora import check, load
from magpie.errors import ConfigError, NotFoundError

from .conftest import TWEETS, Notes

INSTANCE = {
    "token": ["Ada", "beats", "Bea"],
    "h": {"name": "Ada", "pos": [0, 1]},
    "t": {"name": "Bea", "pos": [2, 3]},
    "img_id": "p7.jpg",
    "relation": "rival",
}


@pytest.fixture
def ner(tmp_path: Path) -> Path:
    """``twitter2015`` of an NER_data folder: one picture of two, two crops of the second post."""
    folder = tmp_path / "twitter2015"
    crops = tmp_path / "twitter2015_aux_images" / "val" / "crops"
    for place in (folder, tmp_path / "twitter2015_images", crops):
        place.mkdir(parents=True)
    (folder / "valid.txt").write_text(TWEETS)
    (tmp_path / "twitter2015_images" / "11.jpg").write_bytes(b"x")
    (crops / "12_0.png").write_bytes(b"x")
    names = {"12.jpg": ["12_0.png", "12_1.png"]}
    (folder / "twitter2015_val_dict.json").write_text(json.dumps(names))
    return folder


@pytest.fixture
def relations(tmp_path: Path) -> Path:
    """An RE_data folder; only the second row has a crop."""
    for place in ("txt", "img_org/test", "img_vg/test/crops"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "txt" / "ours_test.txt").write_text(f"{INSTANCE!r}\n{INSTANCE!r}\n")
    (tmp_path / "txt" / "mre_test_dict.json").write_text(json.dumps({"1": ["p7_a.jpg"]}))
    (tmp_path / "img_org" / "test" / "p7.jpg").write_bytes(b"x")
    (tmp_path / "img_vg" / "test" / "crops" / "p7_a.jpg").write_bytes(b"x")
    return tmp_path


def test_entities_with_pictures_and_crops(ner: Path, notes: Notes) -> None:
    first, second = load("hvpnet@ner", "dev", ner, on_problem=notes)
    assert [[e.type for e in d.entities] for d in (first, second)] == [["LOC"], ["PER", "LOC"]]
    assert [m.present for m in first.media] == [True]
    media = [(m.id, Path(m.uri or "").name, m.present) for m in second.media]
    assert media == [("m0", "12.jpg", False), ("m1", "12_0.png", True), ("m2", "12_1.png", False)]
    assert notes.kinds == ["orphan-tag"]


def test_relations_with_pictures_and_crops(relations: Path, notes: Notes) -> None:
    first, second = load("hvpnet@re", "test", relations, on_problem=notes)
    assert [(m.id, m.present) for m in first.media] == [("m0", True)]
    assert [(m.id, m.present) for m in second.media] == [("m0", True), ("m1", True)]
    assert second.annotations is not None
    assert [r.type for r in second.annotations.relations] == ["rival"]
    assert not notes


@pytest.mark.parametrize("name", ["hvpnet@ner", "hvpnet@re"])
def test_a_pickled_dictionary_is_refused_once(
    ner: Path, relations: Path, notes: Notes, name: str
) -> None:
    root, split = (ner, "dev") if name.endswith("ner") else (relations, "test")
    (path,) = root.rglob("mre_*_dict.json" if name.endswith("re") else "*_val_dict.json")
    path.rename(path.with_suffix(".pth"))
    documents = list(load(name, split, root, on_problem=notes))
    assert [len(d.media) for d in documents] == [1, 1]
    assert notes.kinds.count("pickle-refused") == 1


@pytest.mark.parametrize("value", ["12_0.png", [1], {"a": 1}])
def test_crops_that_are_no_list(ner: Path, relations: Path, notes: Notes, value: object) -> None:
    (ner / "twitter2015_val_dict.json").write_text(json.dumps({"12.jpg": value}))
    documents = list(load("hvpnet@ner", "dev", ner, on_problem=notes))
    assert [len(d.media) for d in documents] == [1, 1]
    assert notes.kinds == ["orphan-tag", "side-unreadable"]
    (relations / "txt" / "mre_test_dict.json").write_text(json.dumps({"1": value}))
    again = Notes()
    assert len(list(load("hvpnet@re", "test", relations, on_problem=again))) == 1
    assert again.codes == ["format-record"]


def test_check_finds_the_splits(ner: Path, relations: Path) -> None:
    assert [s.split for s in check("hvpnet@ner", ner).splits] == ["dev"]
    (split,) = check("hvpnet@re", relations).splits
    assert split.split == "test"
    assert split.found is not None
    assert split.found.relation_types == {"rival": 2}


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"txt/ours_\{\}\.txt"):
        load("hvpnet@re", "test", tmp_path)
    with pytest.raises(NotFoundError):
        load("hvpnet@ner", "test", tmp_path)
    with pytest.raises(ConfigError):
        load("hvpnet@ner", "test", tmp_path, types="coarse")


@pytest.mark.corpus
def test_published_files_are_read_as_folders_of_this_kind(data_dir: Path, notes: Notes) -> None:
    """MNRE's and Twitter-2015's own files under the layout's names give the same annotations."""
    pairs = list(load("hvpnet@re", "test", data_dir / "mnre" / "v1", on_problem=notes))
    assert len(pairs) == 1282
    assert [d.annotations and d.annotations.relations for d in pairs] == [
        d.annotations and d.annotations.relations for d in load("mnre@1", "test", data_dir)
    ]
    posts = list(load("hvpnet@ner", "test", data_dir / "twitter2015", on_problem=notes))
    assert sum(len(d.entities) for d in posts) == 5207
    assert set(notes.kinds) == {"orphan-tag"}
