"""Long extractions: a line a record in order, and nothing lost or doubled by a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from magpie._io import dump_json
from magpie.engine import Extractor
from magpie.engine.flat import flat
from magpie.engine.inputs import InputFile
from magpie.engine.job import Job, Summary
from magpie.errors import ConfigError, FormatError
from magpie.schema import Document

LINES = [
    '{"id":"a","text":"Marie Curie saw Paris"}',
    '{"id":"b","text":"nothing here"}',
    "{broken",
    '{"id":"c","text":"a\\u0000b"}',
    '{"id":"a","text":"the id of another"}',
    '{"id":"d","text":"Angela Merkel was in Berlin","image":"../secret.png"}',
    "",
    '{"id":"e","text":"Tokyo"}',
]


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join(LINES) + "\n", "utf-8")
    return path


def _job(extractor: Extractor, posts: Path, **options: Any) -> Job:
    return Job(
        extractor=extractor,
        input=InputFile(str(posts)),
        output=options.pop("output", posts.with_name("out.jsonl")),
        line_of=options.pop("line_of", Document.to_json),
        **options,
    )


def _values(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def looking(model: str) -> Extractor:
    """Looks at pictures, so that one outside the root becomes a problem."""
    return Extractor(model, threads=2, root="/nonexistent")


def test_lines_errors_and_summary(looking: Extractor, posts: Path) -> None:
    job = _job(looking, posts)
    seen: list[int] = []
    summary = job.run(lambda so_far: seen.append(so_far.records))
    assert [value["id"] for value in _values(job.output)] == ["a", "b", "d", "e"]
    assert [(v["id"], v["line"], v["status"], v["code"]) for v in _values(job.errors)] == [
        (None, 3, "failed", "format-json"),
        ("c", 4, "failed", "schema-text"),
        ("a", 5, "failed", "schema-id"),
        ("d", 6, "partial", "access-outside-root"),
    ]
    assert all(value["reason"] and value["mend"] for value in _values(job.errors))
    assert (summary.documents, summary.failed, summary.partial) == (4, 3, 1)
    assert summary.entities == 5
    assert not summary.clean
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7]


def test_no_errors_no_file(extractor: Extractor, tmp_path: Path) -> None:
    posts = tmp_path / "in.jsonl"
    posts.write_text(LINES[0] + "\n", "utf-8")
    job = _job(extractor, posts)
    assert job.run().clean
    assert not job.errors.exists()
    assert job.errors.name == "out.errors.jsonl"
    assert job.card.name == "out.job.json"


def test_an_output_is_not_replaced_by_accident(extractor: Extractor, posts: Path) -> None:
    job = _job(extractor, posts)
    job.run()
    before = job.output.read_bytes()
    with pytest.raises(ConfigError, match="the output exists"):
        _job(extractor, posts).run()
    assert job.output.read_bytes() == before
    with pytest.raises(ConfigError, match="replace the input"):
        _job(extractor, posts, output=posts, overwrite=True).run()
    assert posts.read_text("utf-8").startswith(LINES[0])
    job.errors.write_text("old\n", "utf-8")
    _job(extractor, posts, overwrite=True, limit=1).run()
    assert len(_values(job.output)) == 1
    assert not job.errors.exists()


def test_resume_after_every_possible_cut(looking: Extractor, posts: Path) -> None:
    job = _job(looking, posts)
    whole = job.run()
    output, errors, card = (path.read_bytes() for path in (job.output, job.errors, job.card))
    # What lies on disk after a kill: all calls of write() up to some point, the last cut short.
    writes = _in_order(output, errors)
    for complete in range(len(writes) + 1):
        for half in (False, True):
            if half and complete == len(writes):
                continue
            files = {job.output: b"", job.errors: b""}
            for index, (is_error, line) in enumerate(writes[: complete + half]):
                part = line[: len(line) // 2] if half and index == complete else line
                files[job.errors if is_error else job.output] += part
            for path, content in files.items():
                path.write_bytes(content)
            job.card.write_bytes(card)
            summary = _job(looking, posts, resume=True).run()
            assert job.output.read_bytes() == output
            assert job.errors.read_bytes() == errors
            assert (summary.documents, summary.failed, summary.partial, summary.entities) == (
                whole.documents,
                whole.failed,
                whole.partial,
                whole.entities,
            )


def _in_order(output: bytes, errors: bytes) -> list[tuple[bool, bytes]]:
    """The lines in the order in which they were written, and whether each is an error."""
    good = output.splitlines(keepends=True)
    bad = errors.splitlines(keepends=True)
    return [
        (False, good[0]),
        (False, good[1]),
        (True, bad[0]),
        (True, bad[1]),
        (True, bad[2]),
        (True, bad[3]),
        (False, good[2]),
        (False, good[3]),
    ]


def test_resuming_what_is_done_adds_nothing(extractor: Extractor, posts: Path) -> None:
    job = _job(extractor, posts)
    first = job.run()
    before = job.output.read_bytes()
    again = _job(extractor, posts, resume=True).run()
    assert job.output.read_bytes() == before
    assert again.resumed == again.records == first.records == 7


def test_resume_begins_where_nothing_is(extractor: Extractor, posts: Path) -> None:
    job = _job(extractor, posts, resume=True)
    assert job.run().resumed == 0
    assert len(_values(job.output)) == 4


def test_a_limit_may_grow_on_resuming(extractor: Extractor, posts: Path) -> None:
    job = _job(extractor, posts, limit=2)
    job.run()
    assert len(_values(job.output)) == 2
    summary = _job(extractor, posts, resume=True).run()
    assert (summary.resumed, summary.records) == (2, 7)


@pytest.mark.parametrize("change", ["input", "options", "model"])
def test_resume_refuses_what_does_not_belong(
    extractor: Extractor, looking: Extractor, posts: Path, change: str
) -> None:
    job = _job(extractor, posts, limit=1)
    job.run()
    before = job.output.read_bytes()
    options: dict[str, Any] = {"resume": True}
    if change == "input":
        posts.write_text(LINES[1] + "\n", "utf-8")
    if change == "options":
        options.update(line_of=lambda document: dump_json(flat(document)), options={"flat": True})
    with pytest.raises(FormatError, match="begun with another") as refused:
        _job(looking if change == "model" else extractor, posts, **options).run()
    assert refused.value.code == "format-resume"
    assert job.output.read_bytes() == before


def test_resume_refuses_foreign_lines(extractor: Extractor, posts: Path) -> None:
    job = _job(extractor, posts, limit=1)
    job.run()
    for content, message in (
        ('{"id":"z"}\n', "has 'z' where the input has 'a' on line 1"),
        ("[]\n", "was not written by magpie"),
        ('{"id":"a"}\n{"id":"b"}\n{"id":"d"}\n{"id":"e"}\n{"id":"f"}\n', "where the input"),
    ):
        job.output.write_text(content, "utf-8")
        with pytest.raises(FormatError, match=message) as refused:
            _job(extractor, posts, resume=True).run()
        assert refused.value.code == "format-resume"


def test_resume_needs_the_card(extractor: Extractor, posts: Path) -> None:
    job = _job(extractor, posts)
    job.run()
    job.card.unlink()
    with pytest.raises(FormatError, match="job file is gone"):
        _job(extractor, posts, resume=True).run()


def test_summary_counts() -> None:
    summary = Summary()
    summary.count(Document.from_text("a"))
    assert summary.clean
    summary.count(Document(id="x", blocks=(), status="failed"))
    assert not summary.clean
    assert summary.to_dict()["failed"] == 1
    assert not Summary().clean


def _exit_code(command: list[str]) -> int:
    return subprocess.run(command, check=False, capture_output=True).returncode


@pytest.mark.slow
def test_killed_at_random_and_resumed_gives_the_same_bytes(model: str, tmp_path: Path) -> None:
    names = ["Marie Curie", "Angela Merkel", "Tokyo", "Real Madrid"]
    rng = random.Random(5)
    lines = [
        "{broken"
        if index % 17 == 3
        else json.dumps({"id": str(index), "text": f"{rng.choice(names)} {'so ' * (index % 40)}"})
        for index in range(600)
    ]
    posts = tmp_path / "posts.jsonl"
    posts.write_text("\n".join(lines) + "\n", "utf-8")
    command = [sys.executable, "-m", "magpie", "extract", str(posts), "--model", model]
    command += ["--no-ground", "--threads", "2", "--batch-size", "8", "--resume", "--output"]
    whole = tmp_path / "whole.jsonl"
    assert _exit_code([*command, str(whole)]) == 1

    out = tmp_path / "out.jsonl"
    kills = 0
    for _ in range(10):
        process = subprocess.Popen([*command, str(out)], stderr=subprocess.DEVNULL)
        before = out.stat().st_size if out.exists() else 0
        # Only a kill in the midst of writing tests anything, however slow the machine is.
        while process.poll() is None and (not out.exists() or out.stat().st_size <= before):
            time.sleep(0.005)
        time.sleep(rng.random() * 0.15)
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        if kills == 3:
            # The half line that a kill inside write() would leave.
            with open(out, "ab") as stream:
                stream.write(b'{"id":"14')
            break
    assert kills >= 1
    assert _exit_code([*command, str(out)]) == 1
    assert out.read_bytes() == whole.read_bytes()
    errors = [tmp_path / f"{name}.errors.jsonl" for name in ("out", "whole")]
    assert errors[0].read_bytes() == errors[1].read_bytes()


@pytest.mark.slow
def test_interrupted_keeps_what_is_written_and_says_so(model: str, tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    lines = (
        json.dumps({"id": str(index), "text": "so " * (index % 60)}) for index in range(20_000)
    )
    posts.write_text("\n".join(lines) + "\n", "utf-8")
    out = tmp_path / "out.jsonl"
    # A shell that runs tests in the background hands down an ignored SIGINT: take it back first.
    start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    start += "from magpie.cli.app import main; main()"
    command = [sys.executable, "-c", start, "extract", str(posts), "--model", model]
    command += ["--no-ground", "--batch-size", "8", "--output", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and (not out.exists() or out.stat().st_size == 0):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "what was written stays" in said
    kept = out.read_bytes().splitlines()
    assert 0 < len(kept) < 20_000
    assert [json.loads(line)["id"] for line in kept] == [str(index) for index in range(len(kept))]
