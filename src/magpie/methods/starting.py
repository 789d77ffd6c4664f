"""Training that begins with the weights of a trained checkpoint, of the same method or another.

Of the same method comes everything of equal name and shape; of another one its backbones, by role,
and the parts that the method says mean the same (:meth:`magpie.methods.base.Method.matching`).
Nothing is laid where both sides count their labels, pieces or cells otherwise: the weights would
fit, and mean something else.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from magpie.backbones import Backbone
from magpie.errors import ConfigError
from magpie.methods.base import Method
from magpie.methods.checkpoint import load_method, read_card
from magpie.methods.labels import LabelSpace
from magpie.methods.tagging import Tagging

__all__ = ["Started", "start_from"]

_BACKBONES = "backbones"
#: buffers that a setting fills when a method is built: pictures that stand for absent ones
_SET = frozenset({"default_image", "default_picture", "absent_maps"})
#: modules whose children are told apart when parts are named
_INNER = frozenset({_BACKBONES, "ideas"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a method began with.

    Args:
        folder, method: of the checkpoint.
        digest: of its card, and so of its weights.
        laid: parts that hold the checkpoint's weights now.
        new: parts, or single weights of a part, that stay as they were built.
        left: parts of the checkpoint that had no place.
    """

    folder: str
    method: str
    digest: str
    laid: tuple[str, ...]
    new: tuple[str, ...]
    left: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As in ``run.json``."""
        body = dataclasses.asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in body.items()}


def start_from(method: Method, folder: str | os.PathLike[str]) -> Started:
    """Lays a checkpoint's weights into a newly built method; the random state stays as it was.

    Args:
        method: where they are laid.
        folder: a checkpoint.

    Raises:
        ConfigError: backbones, tags or labels differ, or nothing of it has a place.
        ModelError: there is no checkpoint, or it is damaged.
    """
    card = read_card(folder)
    other = load_method(folder)
    try:
        _same_backbones(method, other)
        pairs = (_equal if card.method == method.name else _matched)(method, other)
        if not pairs:
            raise ConfigError(
                f"nothing of {card.method} has a place in {method.name}",
                mend=f"Start from a checkpoint of {method.name}, or leave start out.",
            )
    except ConfigError as error:
        raise error.at(f"start: {folder}") from None
    weights = other.state_dict()
    method.load_state_dict({name: weights[there] for name, there in pairs.items()}, strict=False)
    return Started(
        folder=str(folder),
        method=card.method,
        digest=card.digest,
        laid=_parts(pairs),
        new=_rest(method, pairs.keys()),
        left=_rest(other, pairs.values()),
    )


def _equal(method: Method, other: Method) -> dict[str, str]:
    """What bears one name in two of a kind."""
    _same_labels(method, other)
    own, theirs = _weights(method), _weights(other)
    return {name: name for name in own if own[name] == theirs.get(name) and not _set(name)}


def _matched(method: Method, other: Method) -> dict[str, str]:
    """Own name -> name in a checkpoint of another method."""
    parts = method.matching(other)
    if parts:
        _same_tags(method, other)
    roles = set(method.backbones) & set(other.backbones)
    parts = {**{f"{_BACKBONES}.{role}": f"{_BACKBONES}.{role}" for role in roles}, **parts}
    own, theirs = _weights(method), _weights(other)
    pairs = {}
    for name in own:
        part = next((part for part in parts if name.startswith(f"{part}.")), None)
        there = "" if part is None else parts[part] + name.removeprefix(part)
        if there not in theirs or _set(name):
            continue
        if own[name] != theirs[there]:
            raise ConfigError(
                f"{there} of the checkpoint is {theirs[there]}, {name} of {method.name} "
                f"{own[name]}",
                mend="Take the settings that the checkpoint was trained with for both.",
            )
        pairs[name] = there
    return pairs


def _weights(method: Method) -> dict[str, str]:
    """Shape of every weight, and whether it is learned."""
    learned = dict(method.named_parameters(remove_duplicate=False))
    return {
        name: f"{'learned' if name in learned else 'fixed'} {list(tensor.shape)}"
        for name, tensor in method.state_dict().items()
    }


def _set(name: str) -> bool:
    return name.rsplit(".", 1)[-1] in _SET


def _rest(method: Method, names: Collection[str]) -> tuple[str, ...]:
    """The parts that these weights are not of; weights under two names are one."""
    weights = method.state_dict()
    taken = {weights[name].data_ptr() for name in names}
    rest = (name for name, tensor in weights.items() if tensor.data_ptr() not in taken)
    return _parts(rest, _parts(names))


def _same_backbones(method: Method, other: Method) -> None:
    for role, own in method.backbones.items():
        if role not in other.backbones:
            continue
        theirs = other.backbones[role]
        difference = _backbones_differ(own, theirs)
        if difference:
            raise ConfigError(
                f"the checkpoint's {role} backbone ({theirs.name}) is another than that of "
                f"{method.name} ({own.name}): {difference}",
                mend="Give the method the backbone that the checkpoint was trained with.",
            )


def _backbones_differ(own: Any, theirs: Any) -> str:
    """The first difference in words; empty where the weights of one mean the same in the other."""
    if own.kind != theirs.kind:
        return f"kind {theirs.kind} against {own.kind}"
    here, there = _shapes(own), _shapes(theirs)
    for name in dict.fromkeys([*there, *here]):
        if here.get(name) != there.get(name):
            one, two = (str(each.get(name, "absent")) for each in (there, here))
            return f"{name} {one} against {two}"
    if _vocabulary(own) != _vocabulary(theirs):
        return "their vocabularies number the pieces otherwise"
    return ""


def _shapes(backbone: Backbone) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in backbone.state_dict().items()}


def _vocabulary(backbone: Any) -> Any:
    """What its embeddings are numbered by; None where it reads no text."""
    tokenizer = getattr(backbone, "tokenizer", None)
    return getattr(backbone, "words", None) if tokenizer is None else tokenizer.get_vocab()


def _same_labels(method: Method, other: Method) -> None:
    _same_tags(method, other)
    if isinstance(method, Tagging):
        return  # it numbers nothing but its tags
    for each in dataclasses.fields(LabelSpace):
        theirs, own = getattr(other.labels, each.name), getattr(method.labels, each.name)
        if theirs != own:
            raise _other_labels(each.name.replace("_", " "), theirs, own)


def _same_tags(method: Method, other: Method) -> None:
    """Of taggers, and of taggers inside other methods."""
    there = _tags(other)
    for name, own in _tags(method).items():
        if name in there and there[name] != own:
            raise _other_labels("tags", there[name], own)


def _tags(method: Method) -> dict[str, tuple[str, ...]]:
    found = ((name, getattr(m, "tag_names", None)) for name, m in method.named_modules())
    return {name: tags for name, tags in found if isinstance(tags, tuple)}


def _other_labels(what: str, theirs: Any, own: Any) -> ConfigError:
    if isinstance(own, Sequence) and not isinstance(own, str) and set(theirs) == set(own):
        difference = f"in another order: {', '.join(theirs)} against {', '.join(own)}"
    else:
        one, two = (_only(*pair) for pair in ((theirs, own), (own, theirs)))
        difference = f"{one} there against {two} here"
    return ConfigError(
        f"the checkpoint has other {what}: {difference}",
        mend="Its heads are numbered by its own: start from a checkpoint trained for these types, "
        "with the same data.types, config.tag_order, config.subtoken and config.scheme.",
    )


def _only(these: Any, others: Any) -> str:
    """What the first has and the second has not."""
    if isinstance(these, Mapping):
        these = [f"{key} of {value}" for key, value in these.items()]
        others = [f"{key} of {value}" for key, value in others.items()]
    if isinstance(these, list | tuple):
        return ", ".join(x for x in these if x not in others) or "none"
    return str(these)


def _parts(names: Iterable[str], partly: Collection[str] = ()) -> tuple[str, ...]:
    """Names of weights -> of the parts that they belong to; whole names in those of ``partly``."""
    found = []
    for name in names:
        first, *rest = name.split(".")
        part = f"{first}.{rest[0]}" if first in _INNER and rest else first
        found.append(name if part in partly else part)
    return tuple(dict.fromkeys(found))
