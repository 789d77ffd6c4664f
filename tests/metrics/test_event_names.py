"""Names of event types and roles: which spellings are one."""

from __future__ import annotations

import pytest

from magpie.metrics.event_names import event_type, role


@pytest.mark.parametrize(
    "name",
    [
        "Contact:Phone-Write",
        "Contact.Phone-Write",
        "CONTACT||PHONE|WRITE",
        "Contact.PhoneWrite",
        "contact phone_write",
    ],
)
def test_spellings_of_one_type(name: str) -> None:
    assert event_type(name) == "Contact:Phone-Write"


def test_other_types_stay_apart() -> None:
    assert event_type("Contact:Meet") == "Contact:Meet"
    assert event_type("Contact:Meet") != event_type("Contact:Phone-Write")
    assert event_type("Personnel.Elect") == event_type("PERSONNEL:ELECT") == "personnelelect"


def test_types_without_latin_letters() -> None:
    assert event_type("会议:开始") == "会议开始"
    assert event_type("会议") != event_type("开始")
    assert event_type("--") == "--"


@pytest.mark.parametrize(
    ("kind", "name", "text", "expected"),
    [
        ("Conflict:Demonstrate", "Demonstrator", True, "ENTITY"),
        ("Contact.Meet", "Participant", False, "ENTITY"),
        ("CONTACT||PHONE|WRITE", "participant", True, "ENTITY"),
        ("Movement:Transport", "Person", True, "ARTIFACT"),
        ("Movement:Transport", "Instrument", True, "VEHICLE"),
        ("Movement:Transport", "Instrument", False, "INSTRUMENT"),
        ("Conflict:Attack", "Victim", True, "TARGET"),
        ("Life:Die", "Victim", True, "VICTIM"),
        ("Justice:Arrest-Jail", "Person", True, "PERSON"),
        ("Conflict:Attack", "Instrument", True, "INSTRUMENT"),
    ],
)
def test_roles_of_the_source_corpora(kind: str, name: str, text: bool, expected: str) -> None:
    assert role(kind, name, text=text) == expected
