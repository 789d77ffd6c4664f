"""A tagger's files: where they lie, whether they belong together, and the session that runs them.

A model is a folder with ``model.onnx``, ``tokenizer.json`` and ``config.json``; the one that ships
is called ``"embedded"``. Loading reads the three and checks that they fit this release; comparing
the digests of the large files costs time and is left to :func:`verify`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from magpie._io import file_digest, parse_json, text_digest
from magpie.engine.embedded.decode import Chain
from magpie.engine.embedded.features import SPEC
from magpie.errors import ConfigError, FormatError, ModelError

if TYPE_CHECKING:
    import onnxruntime
    import tokenizers

__all__ = [
    "EMBEDDED",
    "FILES",
    "FineType",
    "TaggerConfig",
    "available_cores",
    "load_config",
    "load_tokenizer",
    "model_folder",
    "open_session",
    "verify",
]

#: the name of the model that ships with the package
EMBEDDED = "embedded"
FILES = ("model.onnx", "tokenizer.json", "config.json")

_INPUTS = {"input_ids", "attention_mask", "case_ids", "shape_ids", "first_piece"}
_OUTPUTS = ["emissions", "fine_logits"]
_REINSTALL = "Install magpie again, or name a complete model folder with --model."


@dataclass(frozen=True, slots=True)
class FineType:
    """A fine type and the coarse type it belongs to."""

    name: str
    coarse: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerConfig:
    """What ``config.json`` says.

    Args:
        labels: tags in the order of the emissions, L of them, ``O`` and BIO.
        chain: start [L], transitions [L, L], end [L]; already constrained where the model asks.
        fine_types: in the order of the fine logits.
        max_pieces: longest input in pieces, ``[CLS]`` and ``[SEP]`` included.
        score_temperature, fine_temperature: calibrate the two probabilities.
        fine_threshold: a fine type less probable than this is not reported.
        files: SHA-256 of the other files, where the model gives them.
        version: release of the model.
        digest: SHA-256 of ``config.json`` itself.
    """

    labels: tuple[str, ...]
    chain: Chain
    fine_types: tuple[FineType, ...]
    max_pieces: int
    score_temperature: float
    fine_temperature: float
    fine_threshold: float
    files: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    digest: str = ""


def model_folder(model: str | os.PathLike[str]) -> Path:
    """Folder of a model given by name or path, with all its files present.

    Raises:
        ModelError: the folder or one of its files is absent.
    """
    embedded = os.fspath(model) == EMBEDDED
    folder = Path(__file__).parent / EMBEDDED if embedded else Path(model)
    if not folder.is_dir():
        raise ModelError(
            "no such model folder",
            where=str(folder),
            mend=f"Name a run of magpie train, a folder that holds {', '.join(FILES)}, or "
            f'"{EMBEDDED}".',
        )
    absent = [name for name in FILES if not (folder / name).is_file()]
    if absent:
        raise ModelError(f"the model lacks {', '.join(absent)}", where=str(folder), mend=_REINSTALL)
    return folder


def load_config(folder: Path) -> TaggerConfig:
    """Reads and checks ``config.json``.

    Raises:
        ModelError: it is damaged, contradicts itself or was made for another release.
    """
    path = folder / "config.json"
    try:
        text = path.read_text("utf-8")
        values = parse_json(text, where=str(path))
        if not isinstance(values, dict):
            raise TypeError("expected an object")
        return _parsed(values, text_digest(text))
    except FormatError as error:
        raise _damaged(error.message, path) from error
    except KeyError as error:
        raise _damaged(f"it lacks {error.args[0]!r}", path) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise _damaged(str(error), path) from error


def _damaged(reason: str, path: Path) -> ModelError:
    return ModelError(
        f"the model cannot be used: {reason}",
        code="model-damaged",
        where=str(path),
        mend=_REINSTALL,
    )


def _parsed(values: dict[str, Any], digest: str) -> TaggerConfig:
    if values["spec"] != SPEC:
        raise ValueError(f"it needs input features {values['spec']!r}, this release has {SPEC!r}")
    labels = tuple(str(label) for label in values["labels"])
    size = len(labels)
    arrays = [np.asarray(values[key], np.float64) for key in ("start", "transitions", "end")]
    for array, shape in zip(arrays, ((size,), (size, size), (size,)), strict=True):
        if array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"expected {shape} finite transition scores, got {array.shape}")
    chain = Chain(*arrays)
    fine_types = tuple(
        FineType(str(each["name"]), str(each["type"])) for each in values["fine_types"]
    )
    max_pieces = int(values["max_pieces"])
    if max_pieces < 16:
        raise ValueError(f"max_pieces must be at least 16, got {max_pieces}")
    numbers = {
        key: float(values[key])
        for key in ("score_temperature", "fine_temperature", "fine_threshold")
    }
    for key, number in numbers.items():
        if not (math.isfinite(number) and number > 0):
            raise ValueError(f"{key} must be above 0, got {number}")
    return TaggerConfig(
        labels=labels,
        chain=chain.constrained(labels) if values["constrain_bio"] else chain,
        fine_types=fine_types,
        max_pieces=max_pieces,
        files={str(name): str(value) for name, value in values.get("files", {}).items()},
        version=str(values.get("version", "")),
        digest=digest,
        **numbers,
    )


def open_session(folder: Path) -> onnxruntime.InferenceSession:
    """A single-threaded session; many threads may run it at once.

    One thread a text beats many threads on one short text, and with neither arena nor shape
    patterns memory stays flat however many lengths come by, at no cost in speed
    (benchmarks/throughput.py, benchmarks/soak.py).

    Raises:
        ModelError: the file is damaged or has other inputs and outputs than the contract.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    path = folder / "model.onnx"
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own exception classes are not part of its API
        raise _damaged(str(error).splitlines()[0][:200], path) from error
    inputs = {each.name for each in session.get_inputs()}
    outputs = {each.name for each in session.get_outputs()}
    if inputs != _INPUTS or not outputs >= set(_OUTPUTS):
        raise _damaged(f"unexpected inputs {sorted(inputs)} or outputs {sorted(outputs)}", path)
    return session


def load_tokenizer(folder: Path) -> tokenizers.Tokenizer:
    """The word-piece tokenizer, without padding and truncation.

    Raises:
        ModelError: the file is damaged.
    """
    import tokenizers

    path = folder / "tokenizer.json"
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust side raises plain Exception
        raise _damaged(str(error)[:200], path) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def verify(folder: Path, config: TaggerConfig) -> dict[str, bool]:
    """Whether each file that the configuration names has the digest it names."""
    return {name: file_digest(folder / name) == digest for name, digest in config.files.items()}


def available_cores() -> int:
    """Cores this process may use: its affinity, cut by a container's quota (cgroup v2)."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no quota ("max") or no such file
        pass
    return max(1, cores)


def check_threads(threads: int | None) -> int:
    """The number of worker threads asked for, by default the available cores.

    Raises:
        ConfigError: it is below 1.
    """
    if threads is None:
        return available_cores()
    if isinstance(threads, bool) or threads < 1:
        raise ConfigError(f"threads must be at least 1, got {threads!r}")
    return threads
