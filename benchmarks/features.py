"""What the store of features costs: ``python -m benchmarks.features [--entries 100000]``.

Prints milliseconds for writing, reading, listing and checking small entries, for mapping grids, and
for pixels fresh against kept (photographs of ``photos/tiny_coco.zip`` below MAGPIE_DATA).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from magpie.features import Pixels
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.schema import Block, Document, Media
from magpie.vision import PixelSpec

#: what was measured -> milliseconds
MEASURED: dict[str, float] = {}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=3000)
    data = Path(os.environ.get("MAGPIE_DATA", "../shared/data"))
    parser.add_argument("--photos", type=Path, default=data / "photos" / "tiny_coco.zip")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        entries(Store(Path(folder) / "small"), options.entries)
        grids(Store(Path(folder) / "grids"))
        if options.photos.is_file():
            photographs(Store(Path(folder) / "pixels"), options.photos)
    print(json.dumps({"entries": options.entries, "ms": MEASURED}, indent=2))


def entries(store: Store, count: int) -> None:
    """Many small entries."""
    keys = [f"grid-1/{hashlib.sha256(str(i).encode()).hexdigest()}" for i in range(count)]
    small = {"a": np.zeros(256, np.float32)}
    begun = time.perf_counter()
    for key in keys:
        store.put(key, small, {"need": {"kind": "grid"}})
    told("write an entry", begun, count)
    store.get(keys[0])  # the first read imports torch
    begun = time.perf_counter()
    for key in keys[:2000]:
        store.get(key)
    told("read an entry", begun, min(count, 2000))
    begun = time.perf_counter()
    assert all(key in store for key in keys)
    told("ask for an entry", begun, count)
    begun = time.perf_counter()
    assert sum(group.entries for group in store.groups()) == count
    told("info, all of them", begun, 1)
    begun = time.perf_counter()
    assert store.verify().checked == count
    told("verify, all of them", begun, 1)


def grids(store: Store, count: int = 200) -> None:
    """Grids of ResNet's size, mapped and summed."""
    grid = {"grid": np.random.default_rng(0).random((2048, 7, 7), dtype=np.float32)}
    for number in range(count):
        store.put(f"grid-2/{number:064x}", grid, {"need": {"kind": "grid"}})
    begun = time.perf_counter()
    for number in range(count):
        found = store.get(f"grid-2/{number:064x}")
        assert found is not None
        found["grid"].sum()
    told("read and sum a grid", begun, count)


def photographs(store: Store, path: Path, count: int = 60) -> None:
    """Pixels of 224, fresh and kept."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][:count]
        documents = [
            Document(
                id=name, blocks=(Block(text="photo"),), media=(Media(data=archive.read(name)),)
            )
            for name in names
        ]
    need = Pixels(PixelSpec(side=224))
    kept = Supplier(store=store)
    kept.many(documents, [need])
    for name, supply in (("fresh", Supplier()), ("kept", kept)):
        begun = time.perf_counter()
        for document in documents:
            supply(document, [need])
        told(f"pixels of a photograph, {name}", begun, len(documents))


def told(what: str, begun: float, count: int) -> None:
    """Keeps the milliseconds of one of ``count``."""
    MEASURED[what] = round(1000 * (time.perf_counter() - begun) / count, 3)


if __name__ == "__main__":
    main()
