"""The one place that decides whether anything may leave this machine.

``MAGPIE_OFFLINE`` set to anything but an empty string, ``0``, ``false`` or ``no`` forbids every
connection, whatever options say.
"""

from __future__ import annotations

import os

from magpie.errors import AccessError

__all__ = ["VARIABLE", "is_offline", "require_online"]

VARIABLE = "MAGPIE_OFFLINE"


def is_offline() -> bool:
    """Whether the environment forbids every connection."""
    return os.environ.get(VARIABLE, "").strip().lower() not in ("", "0", "false", "no")


def require_online(address: str) -> None:
    """Call before opening any connection.

    Raises:
        AccessError: ``access-remote``, while the environment says offline.
    """
    if is_offline():
        raise AccessError(
            f"a connection is needed, but {VARIABLE} is set",
            code="access-remote",
            where=address,
            mend=f"Unset {VARIABLE}, or download the file and give its path.",
        )
