"""The pieces that grammars add to a tokenizer, and the check that a loaded one still has them.

Everything else that a grammar writes is plain text. The six markers of the index sequence depend
on the types, so H-Index registers its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from magpie.errors import ModelError
from magpie.methods.generation.box_bins import BINS, bin_token
from magpie.methods.generation.trees import CLOSE, NULL, OPEN, SEPARATOR

__all__ = ["SPECIAL", "Registry", "check", "register"]

#: grammar -> its pieces; those of ``brackets`` exist in every T5, ``<asoc>`` stands in the source
SPECIAL: Mapping[str, tuple[str, ...]] = {
    "separators": ("<spot>", "<asoc>"),
    "brackets": (OPEN, CLOSE, SEPARATOR, NULL),
    "meta_response": (
        "<UIE>",
        "</UIE>",
        "<Module>",
        "</Module>",
        "<Instruction>",
        "</Instruction>",
        "<Region>",
        "</Region>",
    ),
    "box_bins": tuple(bin_token(number) for number in range(BINS)),
}


class Registry(Protocol):
    """A backbone that takes new pieces (:class:`magpie.backbones.Seq2Seq`)."""

    def add_pieces(self, pieces: Sequence[str], *, special: bool = True) -> list[int]: ...


class _Tokenizer(Protocol):
    def get_vocab(self) -> dict[str, int]: ...


def register(backbone: Registry, grammar: str) -> dict[str, int]:
    """Adds the pieces of a grammar, none where it has none; piece -> id.

    They are added as ordinary pieces: a special one would vanish from a decoded output.

    Raises:
        ConfigError: the tokenizer still cuts one of them.
    """
    pieces = SPECIAL.get(grammar, ())
    if not pieces:
        return {}
    return dict(zip(pieces, backbone.add_pieces(pieces, special=False), strict=True))


def check(tokenizer: _Tokenizer, pieces: Sequence[str], *, where: str = "") -> None:
    """Every piece must be whole in a tokenizer that was loaded with a checkpoint.

    Raises:
        ModelError: naming the pieces that it lacks.
    """
    known = tokenizer.get_vocab()
    missing = [piece for piece in dict.fromkeys(pieces) if piece not in known]
    ids = [known[piece] for piece in dict.fromkeys(pieces) if piece in known]
    if missing or len(set(ids)) != len(ids):
        raise ModelError(
            f"the tokenizer lacks {', '.join(missing[:5]) or 'an id of its own for each'} of the "
            f"{len(pieces)} pieces of its grammar",
            code="model-mismatch",
            where=where,
            mend="Load the tokenizer that was saved with the checkpoint.",
        )
