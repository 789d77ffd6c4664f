"""Settings of a text encoder that several methods share, and the encoder they make."""

from __future__ import annotations

from typing import Protocol

from magpie.backbones import TextEncoder, load_text

__all__ = ["TextSettings", "text_encoder"]


class TextSettings(Protocol):
    """What a configuration says of its text encoder."""

    @property
    def text(self) -> str:
        """Hub name, folder, or ``tiny-...``."""

    @property
    def text_dropout(self) -> float | None:
        """Replaces its hidden and attention dropout."""

    @property
    def attention_dropout(self) -> float | None:
        """Replaces the latter alone."""


def text_encoder(config: TextSettings) -> TextEncoder:
    """The encoder that these settings name.

    Raises:
        ModelError: it is not on this machine, or has no fast tokenizer.
    """
    return load_text(
        config.text, dropout=config.text_dropout, attention_dropout=config.attention_dropout
    )
