"""The error tree: codes, texts, docs anchors, pickling."""

from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path

import pytest

from magpie import errors
from magpie.errors import (
    CODES,
    AccessError,
    ComparisonError,
    FormatError,
    InputError,
    MagpieError,
    MissingExtraError,
    ModelError,
    NotFoundError,
    SchemaError,
)


def test_docs_have_one_section_per_code_in_the_same_order(root: Path) -> None:
    page = (root / "docs" / "errors.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (.+) \{#([a-z-]+)\}$", page, flags=re.MULTILINE)
    assert [(code, title) for title, code in headings] == list(CODES.items())


def test_each_section_says_what_to_do(root: Path) -> None:
    page = (root / "docs" / "errors.md").read_text(encoding="utf-8")
    for section in re.split(r"^### ", page, flags=re.MULTILINE)[1:]:
        body = section.split("\n", 1)[1].split("\n## ")[0].strip()
        assert len(body) > 40, section


def test_every_code_used_in_the_source_is_registered(root: Path) -> None:
    used: set[str] = set()
    for file in (root / "src").rglob("*.py"):
        used |= set(re.findall(r'\bcode="([a-z-]+)"', file.read_text(encoding="utf-8")))
    assert used
    assert used <= CODES.keys()


def test_every_code_has_a_user() -> None:
    source = "".join(
        file.read_text(encoding="utf-8")
        for file in Path(errors.__file__).parent.rglob("*.py")
        if file.name != "errors.py"
    )
    tree = inspect.getsource(errors)
    for code in CODES:
        assert f'"{code}"' in source or f'default_code = "{code}"' in tree, code


def test_text_says_where_what_and_how_to_mend() -> None:
    error = FormatError("expected B", code="format-tags", mend="Use BIO.", where="a.txt:3")
    assert str(error) == "a.txt:3: expected B. Use BIO. [format-tags]"
    assert error.docs == "docs/errors.md#format-tags"
    assert error.to_dict() == {
        "code": "format-tags",
        "message": "expected B",
        "where": "a.txt:3",
        "mend": "Use BIO.",
        "docs": "docs/errors.md#format-tags",
    }


def test_outer_places_stand_in_front() -> None:
    error = SchemaError("no", where="blocks.0").at("posts.jsonl:7")
    assert error.where == "posts.jsonl:7: blocks.0"
    assert type(error) is SchemaError


def test_unregistered_code_is_a_programming_error() -> None:
    with pytest.raises(AssertionError, match="unregistered"):
        MagpieError("x", code="no-such-code")


def test_errors_survive_pickling() -> None:
    error = NotFoundError("gone", where="a", mend="Look again.")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert type(copy) is NotFoundError
    assert copy.to_dict() == error.to_dict()


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (InputError, ValueError),
        (SchemaError, ValueError),
        (AccessError, ValueError),
        (NotFoundError, LookupError),
        (ComparisonError, ValueError),
        (ModelError, RuntimeError),
        (MissingExtraError, ImportError),
    ],
)
def test_kinds_derive_from_the_fitting_builtin(
    kind: type[MagpieError], builtin: type[Exception]
) -> None:
    assert issubclass(kind, builtin)
    assert issubclass(kind, MagpieError)
    assert kind("x").code in CODES
