from __future__ import annotations

import pickle
import re

import pytest

from magpie.errors import FormatError, InputError
from magpie.methods.generation.result import (
    SKIPS,
    Diagnostics,
    ParseResult,
    UnencodableTarget,
    cut,
    writable,
)


def test_the_page_lists_the_skips(root):
    page = (root / "docs/methods/targets.md").read_text("utf-8")
    table = page.partition("| code | the item |")[2].partition("## Constrained")[0]
    first = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert set(re.findall("`([a-z_]+)`", " ".join(first))) == SKIPS


def test_every_code_of_the_parsers_is_a_skip_a_repair_or_a_remark(root):
    remarks = {
        "ambiguous_box_label", "coarse_fine_conflict", "empty_call", "empty_output", "extra_close",
        "head_tail_mismatch", "no_trigger", "not_a_word_start", "not_contiguous", "stray_text",
        "trailing_text", "unlinked_instruction",
    }  # fmt: skip
    used = set()
    for file in (root / "src/magpie/methods/generation").glob("*.py"):
        text = file.read_text("utf-8")
        used |= set(re.findall(r'note\(\s*"([a-z_]+)"', text))
    assert used <= SKIPS | remarks | {code for code in used if code.startswith("repair_")}
    assert not remarks & SKIPS


def test_counts_compare_as_mappings_and_remember_their_places():
    found = Diagnostics()
    found.note("bad_type", 7, "wizard")
    found.note("bad_type", 9, "x" * 500)
    found.note("repair_no_end", count=3)
    assert found == {"bad_type": 2, "repair_no_end": 3}
    assert (found.skipped, found.repairs) == (2, 3)
    assert [(p.code, p.offset) for p in found.problems[:2]] == [("bad_type", 7), ("bad_type", 9)]
    assert len(found.problems[1].fragment) == 60
    for _ in range(10_000):
        found.note("bad_type")
    assert found["bad_type"] == 10_002
    assert len(found.problems) == 50


def test_a_result_is_its_items():
    result = ParseResult(("a", "b"), Diagnostics({"bad_type": 1}), "raw")
    assert list(result) == ["a", "b"]
    assert len(result) == 2
    assert (result.malformed.items, result.malformed.skipped) == (2, 1)
    assert ParseResult(()).items == ()


def test_cutting_keeps_the_most_items():
    dropped = Diagnostics()
    words = ("one", "two", "three")
    assert cut(words, " ".join, limit=7, measure=len, dropped=dropped) == ("one", "two")
    assert dropped == {"target_overflow": 1}
    assert cut(words, " ".join, limit=None, measure=len, dropped=Diagnostics()) == words
    assert cut(words, " ".join, limit=0, measure=len, dropped=Diagnostics()) == ()


def test_what_cannot_be_written_says_why():
    def check(item):
        return "it is odd" if item % 2 else None

    with pytest.raises(UnencodableTarget, match="cannot say 3: it is odd") as caught:
        writable([2, 3], check, grammar="g", drop=False, dropped=Diagnostics())
    assert isinstance(caught.value, (FormatError, InputError, ValueError))
    assert "drop=True" in caught.value.mend
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301
    dropped = Diagnostics()
    assert writable([1, 2, 3], check, grammar="g", drop=True, dropped=dropped) == [2]
    assert dropped == {"unencodable": 2}
