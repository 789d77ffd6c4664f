"""A method over many documents: like lengths together, results in the order given."""

from __future__ import annotations

from collections.abc import Sequence

from magpie.features.supply import Supplier
from magpie.methods.base import Method
from magpie.schema import Annotations, Document

__all__ = ["predict_documents"]


def predict_documents(
    method: Method, documents: Sequence[Document], supplier: Supplier, *, batch: int = 32
) -> list[Annotations]:
    """Annotations of every document; gold is looked at only where the task hands it over.

    Args:
        method: on its device.
        documents: any number; those of like length share a batch.
        supplier: of the method's needs.
        batch: documents a forward pass.
    """
    needs = method.needs()
    order = sorted(
        range(len(documents)), key=lambda i: sum(len(b.text) for b in documents[i].blocks)
    )
    found: dict[int, Annotations] = {}
    for begin in range(0, len(order), batch):
        rows = order[begin : begin + batch]
        several = [documents[row] for row in rows]
        found.update(zip(rows, method.predict(several, supplier.many(several, needs)), strict=True))
    return [found[row] for row in range(len(documents))]
