"""Names of event types and roles that mean the same, as the corpora spell them."""

from __future__ import annotations

__all__ = ["event_type", "role"]

#: event types of M2E2, as its files spell them
_TYPES = (
    "Conflict:Attack",
    "Movement:Transport",
    "Life:Die",
    "Justice:Arrest-Jail",
    "Contact:Meet",
    "Conflict:Demonstrate",
    "Contact:Phone-Write",
    "Transaction:Transfer-Money",
)


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold())) or name


_SHOWN = {_bare(name): name for name in _TYPES}

#: event type, role of another scheme -> role of M2E2
_ROLES = {
    ("conflictdemonstrate", "demonstrator"): "ENTITY",
    ("contactmeet", "participant"): "ENTITY",
    ("contactphonewrite", "participant"): "ENTITY",
    ("conflictattack", "victim"): "TARGET",
    ("movementtransport", "person"): "ARTIFACT",
}
_TEXT_ROLES = {("movementtransport", "instrument"): "VEHICLE"}


def event_type(name: str) -> str:
    """One spelling for names that differ in case and separators only.

    ``CONTACT||PHONE|WRITE`` and ``Contact.PhoneWrite`` become ``Contact:Phone-Write``. A name that
    is none of M2E2's eight types becomes its letters and digits.
    """
    bare = _bare(name)
    return _SHOWN.get(bare, bare)


def role(kind: str, name: str, *, text: bool) -> str:
    """The role in capitals, renamed where the source corpora of M2E2 call it otherwise.

    Args:
        kind: the event's type in any spelling.
        name: the role in any case.
        text: whether the argument is one of the text; a transport's instrument is its vehicle
            only there.
    """
    key = (_bare(kind), name.casefold())
    found = _ROLES.get(key) or (_TEXT_ROLES.get(key) if text else None)
    return found or name.upper()
