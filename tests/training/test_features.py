"""A recipe's features, split by split."""

from __future__ import annotations

from pathlib import Path

import pytest

from magpie.errors import ConfigError, NotFoundError
from magpie.features.build import Built
from magpie.features.store import Store
from magpie.training.data import read_documents
from magpie.training.features import build_features, recipe_of
from magpie.training.recipe import DataConfig

TINY = [
    *("config.text=tiny-bert", "config.vision=tiny-vit", "config.width=32", "config.heads=4"),
    *("data.limit=8", "data.limit_dev=4"),
]


def test_each_split_of_the_recipe(tmp_path: Path) -> None:
    recipe = recipe_of("mmner-model", "controlled@ner", TINY)
    seen: list[tuple[str, int, int]] = []

    def tell(split: str, built: Built, total: int) -> None:
        seen.append((split, built.documents, total))

    found = build_features(recipe, Store(tmp_path), splits=("dev", "train"), on_progress=tell)
    assert {split: built.documents for split, built in found.items()} == {"dev": 4, "train": 8}
    assert seen == [("dev", 4, 4), ("train", 8, 8)]
    (part,) = found["train"].needs
    assert part.computed + part.kept + part.absent == 8
    computed = sum(built.needs[0].computed for built in found.values())
    assert computed == len(list(Store(tmp_path).entries())) > 0


def test_a_recipe_of_method_and_corpus() -> None:
    recipe = recipe_of("bert-crf", "twitter2017", ["config.text=tiny-bert"])
    assert (recipe.method, recipe.data.ref("test")) == ("bert-crf", "twitter2017:test")
    with pytest.raises(NotFoundError):
        recipe_of("bert-crt", "twitter2017")


def test_no_such_split(tmp_path: Path) -> None:
    recipe = recipe_of("mmner-model", "controlled@ner", TINY)
    with pytest.raises(ConfigError, match="no split 'exam'"):
        build_features(recipe, Store(tmp_path), splits=("exam",))


def test_captions_join_the_documents_that_are_read() -> None:
    name = "captioner:tiny-blip"
    data = DataConfig(corpus="controlled@ner", context=(name,))
    documents = read_documents("controlled@ner:train", data, limit=4)
    plain = read_documents("controlled@ner:train", DataConfig(corpus="controlled@ner"), limit=4)
    for captioned, bare in zip(documents, plain, strict=True):
        texts = captioned.context[len(bare.context) :]
        assert len(texts) == sum(medium.present for medium in bare.media[:1])
        assert all((text.kind, text.source) == ("caption", name) for text in texts)
    assert any(len(document.context) for document in documents)
