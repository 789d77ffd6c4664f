"""The features that a recipe will ask for, computed ahead of its runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import yaml

from magpie.errors import ConfigError
from magpie.features import Texts
from magpie.features.build import Built, build
from magpie.features.captions import caption_needs, is_captioner
from magpie.features.store import Store
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import method_class
from magpie.training.data import read_documents, supplier_for
from magpie.training.recipe import Recipe, parse_recipe

__all__ = ["SPLITS", "build_features", "recipe_of"]

SPLITS = ("train", "dev", "test")


def recipe_of(method: str, corpus: str, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe that says no more than method and corpus, for features without a run.

    Raises:
        NotFoundError, ConfigError: as :func:`magpie.training.recipe.read_recipe`.
    """
    text = yaml.safe_dump({"method": method, "data": {"corpus": corpus}})
    return parse_recipe(text, overrides)


def build_features(
    recipe: Recipe,
    store: Store,
    *,
    splits: Sequence[str] = SPLITS,
    device: str = "cpu",
    on_progress: Callable[[str, Built, int], None] | None = None,
) -> dict[str, Built]:
    """Computes what the recipe's method needs and the store lacks.

    Documents are looked at without their annotations playing any part.

    Args:
        recipe: names method and data.
        store: is filled.
        splits: of the recipe's data; one that it does not name is passed over.
        device: that frozen backbones run on.
        on_progress: is told the split, what was done, and how many documents there are.

    Raises:
        ConfigError: no such split, or nobody supplies a need.
        NotFoundError, FormatError: the data cannot be read.
        ModelError: a backbone is not on this machine, or an entry could not be written.
    """
    for split in splits:
        if split not in SPLITS:
            raise ConfigError(f"no split {split!r}", mend=f"There are: {', '.join(SPLITS)}.")
    data = recipe.data
    limits = {"train": data.limit, "dev": data.limit_dev}
    refs = {split: ref for split in splits if (ref := data.ref(split)) is not None}
    # Captions are written into this store, not while the documents are read.
    written = tuple(name for name in data.context if is_captioner(name))
    plain = replace(data, context=tuple(name for name in data.context if name not in written))
    documents = {
        split: read_documents(ref, plain, limit=limits.get(split)) for split, ref in refs.items()
    }
    labels = LabelSpace.of(document for rows in documents.values() for document in rows)
    needs = method_class(recipe.method).build(recipe.config, labels).needs()
    needs |= set(caption_needs(Texts(sources=written)))
    found = {}
    for split, rows in documents.items():
        supplier = supplier_for(data, refs[split], device)
        supplier.store = store

        def tell(built: Built, split: str = split, total: int = len(rows)) -> None:
            if on_progress is not None:
                on_progress(split, built, total)

        found[split] = build(rows, needs, supplier, on_progress=tell)
    return found
