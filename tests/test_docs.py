"""The documentation: its examples run, its commands exist, its links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from magpie.schema import from_dict

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))


@dataclass(frozen=True)
class Fence:
    """A fenced block: its page, first line, language and text."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.name}:{self.line}"


def fences() -> Iterator[Fence]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
            line = text.count("\n", 0, match.start()) + 1
            yield Fence(page, line, match[1], match[2])


FENCES = list(fences())


def of(language: str) -> list[Fence]:
    return [fence for fence in FENCES if fence.language == language]


# python


def python_examples() -> list[object]:
    """One parameter a page that has examples: they share names from top to bottom."""
    parameters: list[object] = []
    for page in PAGES:
        code = [fence for fence in of("python") if fence.page == page]
        if code:
            text = "\n".join(fence.text for fence in code)
            marks = []
            if "Extractor" in text:
                marks.append(pytest.mark.slow)
            if "MAGPIE_DATA" in text or "magpie.corpora" in text:
                marks.append(pytest.mark.corpus)
            parameters.append(pytest.param(page, code, id=page.name, marks=marks))
    return parameters


@pytest.mark.parametrize(("page", "code"), python_examples())
def test_python_examples_run(
    page: Path, code: list[Fence], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from magpie.examples import example_folder

    shutil.copytree(example_folder(), tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    names: dict[str, object] = {"__name__": "example"}
    for fence in code:
        exec(compile(fence.text, fence.name, "exec"), names)  # noqa: S102  our own pages


def test_readme_example_has_five_lines() -> None:
    (example,) = [fence for fence in of("python") if fence.page.name == "README.md"]
    assert len([line for line in example.text.splitlines() if line.strip()]) == 5


# json


def test_json_examples_are_json_and_documents_are_valid() -> None:
    seen = 0
    for fence in of("json"):
        value = json.loads(fence.text)
        if isinstance(value, dict) and "format" in value:
            assert from_dict(value, where=fence.name).id
            seen += 1
    assert seen >= 1


def test_data_model_shows_every_class() -> None:
    import magpie.schema

    page = (ROOT / "docs" / "data-model.md").read_text("utf-8")
    classes = [name for name in magpie.schema.__all__ if name[0].isupper() and not name.isupper()]
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", page, re.M)
    assert sorted(name for name, _ in rows) == sorted(classes)
    for name, fields in rows:
        known = list(getattr(magpie.schema, name).__dataclass_fields__)
        assert re.findall(r"`(\w+)`", fields) == known


def test_data_model_json_is_its_python_example() -> None:
    page = [fence for fence in FENCES if fence.page.name == "data-model.md"]
    python = next(fence for fence in page if fence.language == "python")
    shown = next(fence for fence in page if fence.language == "json")
    names: dict[str, object] = {}
    exec(compile(python.text, python.name, "exec"), names)  # noqa: S102
    document = names["document"]
    value = json.loads(shown.text)
    fine = value["annotations"]["entities"][0].get("fine_type")
    assert fine == "astronaut"
    assert from_dict(value) == document


# commands


def commands() -> Iterator[tuple[str, list[str]]]:
    for fence in of("bash"):
        for line in fence.text.splitlines():
            words = line.split("#")[0].split()
            words = [re.sub(r"^.*/(magpie)$", r"\1", word) for word in words]
            if "magpie" in words and "install" not in words and "-m" not in words:
                yield fence.name, words[words.index("magpie") + 1 :]


def test_shown_commands_and_options_exist() -> None:
    import typer

    from magpie.cli.app import app

    root = typer.main.get_command(app)
    seen = 0
    for name, words in commands():
        command = root
        rest = list(words)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]  # type: ignore[attr-defined]
        assert not getattr(command, "commands", {}), f"{name}: no command in {words}"
        known = {option for p in command.params for option in p.opts} | {"--help"}
        for word in rest:
            if word.startswith("-") and not word.lstrip("-").isdigit():
                assert word.split("=")[0] in known, f"{name}: {' '.join(words)} has no {word}"
        seen += 1
    assert seen >= 5


def test_shown_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    shown = {
        match for fence in of("bash") for match in re.findall(r"^make ([a-z-]+)", fence.text, re.M)
    }
    assert shown <= targets
    assert {"demo", "test"} <= shown


# links


def anchors(page: Path) -> set[str]:
    """Ids of the headings: the given one, or the one that the site derives."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M):
        given = re.search(r"\{#([\w-]+)\}", heading)
        plain = re.sub(r"[^\w\s-]", "", heading.replace("`", "").lower()).strip()
        found.add(given[1] if given else re.sub(r"[-\s]+", "-", plain))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {target}"


def test_every_page_is_in_the_navigation() -> None:
    shown = set(re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M))
    assert shown == {page.name for page in (ROOT / "docs").glob("*.md")}


def test_no_page_names_a_machines_paths() -> None:
    for page in PAGES:
        assert not re.search(r"(?<![\w.])/(home|root|work|Users)/", page.read_text("utf-8"))


# the site


@pytest.mark.slow
def test_site_builds_strictly_and_loads_nothing(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material comes with the dev extra")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert result.returncode == 0, result.stderr
    for page in (tmp_path / "site").glob("*.html"):
        markup = page.read_text("utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"([^\"]+)\"", markup)
        loaded += re.findall(r"<link[^>]*rel=\"(?:stylesheet|preconnect|icon)\"[^>]*>", markup)
        assert not [item for item in loaded if "//" in item]
