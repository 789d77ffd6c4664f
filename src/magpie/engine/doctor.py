"""What is installed, found and missing: the checks behind `magpie doctor`.

Every check stands alone and turns whatever goes wrong into its result: this is the code that has
to work where nothing else does. A check is ``core`` where `magpie extract` cannot do without it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import magpie
from magpie._offline import VARIABLE, is_offline
from magpie._optional import EXTRAS
from magpie.engine.checks import Check
from magpie.errors import MagpieError

__all__ = ["CORE_PACKAGES", "Check", "examine", "is_healthy", "to_dict"]

#: distributions that the core needs -> their module
CORE_PACKAGES = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pydantic": "pydantic",
    "rapidocr": "rapidocr",
    "rich": "rich",
    "tokenizers": "tokenizers",
    "typer": "typer",
}

_SELF_TEST = "Marie Curie moved from Warsaw to Paris and taught at the Sorbonne."
_REINSTALL = "pip install --force-reinstall magpie-ie"


def examine(model: str | os.PathLike[str] = "embedded") -> list[Check]:
    """Runs every check, the self-test last (about a second)."""
    checks: list[Check] = []
    for group, core, look in (
        ("system", True, _system),
        ("packages", True, _packages),
        ("model", True, lambda: _model(model)),
        ("pictures", False, _pictures),
        ("extras", False, _extras),
        ("surroundings", False, _surroundings),
        ("self-test", True, lambda: _self_test(model)),
    ):
        checks.extend(_guarded(group, core, look))
    return checks


def is_healthy(checks: list[Check]) -> bool:
    """Whether `magpie extract` can work."""
    return all(check.status == "ok" for check in checks if check.core)


def to_dict(checks: list[Check]) -> dict[str, Any]:
    """The shape of ``magpie doctor --json``."""
    return {
        "ok": is_healthy(checks),
        "version": magpie.__version__,
        "checks": [asdict(check) for check in checks],
    }


def _guarded(group: str, core: bool, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from look()
    except MagpieError as error:
        status: Literal["missing", "broken"] = (
            "missing" if error.code == "model-missing" else "broken"
        )
        place = f"{error.where}: " if error.where else ""
        yield Check(
            group=group,
            name=group,
            status=status,
            core=core,
            detail=place + error.message,
            mend=error.mend,
        )
    except Exception as error:  # a broken installation may raise anything
        detail = f"{type(error).__name__}: {error}"
        yield Check(
            group=group, name=group, status="broken", core=core, detail=detail, mend=_REINSTALL
        )


def _system() -> Iterator[Check]:
    yield Check(group="system", name="magpie", status="ok", core=True, detail=magpie.__version__)
    enough = sys.version_info >= (3, 11)
    yield Check(
        group="system",
        name="python",
        status="ok" if enough else "broken",
        core=True,
        detail=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        mend="" if enough else "Use Python 3.11 or newer.",
    )
    from magpie.engine.model import available_cores

    yield Check(group="system", name="cores", status="ok", detail=str(available_cores()))


def _packages() -> Iterator[Check]:
    for distribution, module in CORE_PACKAGES.items():
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        # Another distribution may bring the module, as opencv-python does cv2.
        found = importlib.util.find_spec(module) is not None
        yield Check(
            group="packages",
            name=distribution,
            status="ok" if found else "missing",
            core=True,
            detail=version,
            mend="" if found else f"pip install {distribution}",
        )


def _model(model: str | os.PathLike[str]) -> Iterator[Check]:
    from magpie.engine.model import load_config, model_folder, verify
    from magpie.engine.trained import checkpoint_folder

    checkpoint = checkpoint_folder(model)
    if checkpoint is not None:
        from magpie.engine.doctor_checkpoint import checkpoint_checks

        yield from checkpoint_checks(checkpoint)
        return
    folder = model_folder(model)
    config = load_config(folder)
    yield Check(
        group="model",
        name="configuration",
        status="ok",
        core=True,
        detail=f"version {config.version or '?'}, {len(config.fine_types)} fine types, {folder}",
    )
    for name, good in verify(folder, config).items():
        yield Check(
            group="model",
            name=name,
            status="ok" if good else "broken",
            core=True,
            detail=f"{(folder / name).stat().st_size / 1e6:.1f} MB, "
            + ("digest as named by config.json" if good else "digest differs from config.json"),
            mend="" if good else _REINSTALL,
        )


def _pictures() -> Iterator[Check]:
    place = importlib.util.find_spec("rapidocr")
    folders = list(place.submodule_search_locations or ()) if place else []
    models = sorted(path.name for each in folders for path in Path(each).rglob("*.onnx"))
    yield Check(
        group="pictures",
        name="lettering (rapidocr)",
        status="ok" if models else "missing",
        detail=", ".join(models),
        mend="" if models else "pip install --force-reinstall rapidocr",
    )
    from magpie.engine.grounding.people import CASCADES

    place = importlib.util.find_spec("cv2")
    folders = list(place.submodule_search_locations or ()) if place else []
    absent = [
        name
        for name in CASCADES.values()
        if not any((Path(each) / "data" / name).is_file() for each in folders)
    ]
    yield Check(
        group="pictures",
        name="faces (OpenCV cascades)",
        status="missing" if absent else "ok",
        detail=f"not found: {', '.join(absent)}" if absent else ", ".join(CASCADES.values()),
        mend='pip install "opencv-python-headless<5"' if absent else "",
    )


def _extras() -> Iterator[Check]:
    for extra in dict.fromkeys(EXTRAS.values()):
        modules = [module for module, needs in EXTRAS.items() if needs == extra]
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        yield Check(
            group="extras",
            name=extra,
            status="missing" if absent else "ok",
            detail=f"not installed: {', '.join(absent)}" if absent else ", ".join(modules),
            mend=f'pip install "magpie-ie[{extra}]"' if absent else "",
        )


def _surroundings() -> Iterator[Check]:
    yield Check(
        group="surroundings",
        name=VARIABLE,
        status="ok",
        detail="set: nothing is fetched" if is_offline() else "not set: --allow-remote may fetch",
    )
    data = os.environ.get("MAGPIE_DATA", "")
    found = bool(data) and Path(data).is_dir()
    yield Check(
        group="surroundings",
        name="MAGPIE_DATA",
        status="ok" if found else "missing",
        detail=data or "not set",
        mend="" if found else "Set it to the folder of the public corpora, to use them by name.",
    )


def _self_test(model: str | os.PathLike[str]) -> Iterator[Check]:
    begun = time.perf_counter()
    from magpie.engine.extractor import Extractor

    extractor = Extractor(model, ground=False)
    loaded = time.perf_counter()
    document = extractor(_SELF_TEST)
    done = time.perf_counter()
    found = [f"{document.text_of(entity)} ({entity.type})" for entity in document.entities]
    # What ships knows this sentence; what somebody trained may be about something else.
    good = bool(found) if extractor.ships else document.status == "ok"
    problems = [problem.message for problem in document.problems]
    yield Check(
        group="self-test",
        name="one sentence",
        status="ok" if good else "broken",
        core=True,
        detail=f"{', '.join([*found, *problems]) or 'no entity found'}; "
        f"loaded in {loaded - begun:.2f} s, extracted in {1000 * (done - loaded):.0f} ms",
        mend="" if good else _REINSTALL if extractor.ships else "Train it anew, or take another.",
    )
