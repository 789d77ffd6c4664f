"""Shares with their intervals, as the tables of docs/grounding.md give them."""

from __future__ import annotations

import math

__all__ = ["share"]


def share(right: int, total: int) -> dict[str, float | int]:
    """A share with its 95 % interval after Wilson, in per cent."""
    if total == 0:
        return {"right": 0, "total": 0, "percent": 0.0, "low": 0.0, "high": 100.0}
    z, p = 1.96, right / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return {
        "right": right,
        "total": total,
        "percent": round(100 * p, 1),
        "low": round(100 * (middle - half), 1),
        "high": round(100 * (middle + half), 1),
    }
