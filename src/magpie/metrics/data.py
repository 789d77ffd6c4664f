"""Which files a score was computed on, and whether a dataset card describes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from magpie.metrics.items import Scored
from magpie.schema import Source

__all__ = ["Data", "data_of"]


@dataclass(frozen=True, slots=True)
class Data:
    """A split that gold came from, with the digest of its files (None where nobody took it).

    ``status`` is :data:`magpie.corpora.digests.DigestStatus`: ``known`` files are those of the
    dataset card, ``unlisted`` means that no card states a digest.
    """

    source: str
    digest: str | None
    status: str

    @property
    def doubtful(self) -> bool:
        """There is a card, and these are not (all) its files."""
        return self.status in ("unknown", "partial")

    @property
    def verified(self) -> bool:
        """The files are those of the dataset card."""
        return self.status == "known"

    def to_dict(self) -> dict[str, str | None]:
        return {"source": self.source, "digest": self.digest, "status": self.status}


def data_of(gold: Iterable[Scored]) -> tuple[Data, ...]:
    """The splits and files of these documents, each once, in order of their names."""
    seen: dict[tuple[str, str | None, str | None], Source] = {}
    for scored in gold:
        source = None if scored.document is None else scored.document.source
        if source is not None:
            seen.setdefault((source.corpus, source.split, source.digest), source)
    if not seen:
        return ()
    from magpie.corpora.digests import digest_status

    found = [
        Data(
            corpus if split is None else f"{corpus}:{split}",
            digest,
            digest_status(source),
        )
        for (corpus, split, digest), source in seen.items()
    ]
    return tuple(sorted(found, key=lambda data: (data.source, data.digest or "")))
