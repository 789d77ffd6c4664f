"""The report in a real browser, where one is installed: what lights up, what hides, the policy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from magpie.examples import example_documents, example_folder
from magpie.schema import Annotations, Box, Document, Entity, Grounding, Region, Span
from magpie.viz import folder_images, report

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def page() -> str:
    """The portrait with a person and a spacecraft in the picture, and a post without picture."""
    portrait, _, note = example_documents()
    entities = []
    shown = (
        ("Eileen Collins", "PER", (165, 60, 290, 200)),
        ("Space Shuttle", "OTHER", (355, 0, 472, 285)),
    )
    for number, (text, kind, corners) in enumerate(shown):
        start = portrait.text.index(text)
        entities.append(
            Entity(
                id=f"e{number}",
                span=Span("b0", start, start + len(text)),
                type=kind,
                grounding=Grounding.in_regions(Region.of_box(Box(*corners, "m0"))),
            )
        )
    documents: list[Document] = [
        portrait.with_annotations(Annotations(entities=tuple(entities))),
        note.with_annotations(
            Annotations(entities=(Entity(id="e0", span=Span("b0", 8, 14), type="LOC"),))
        ),
    ]
    return report(documents, folder_images(example_folder()))


def browse(html: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    file = folder / "report.html"
    file.write_text(html, "utf-8")
    return subprocess.run(
        [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            f"--user-data-dir={folder / 'profile'}",
            *options,
            f"file://{file}",
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )


HELPERS = """
const $ = (s) => document.querySelector(s), $$ = (s) => [...document.querySelectorAll(s)];
const send = (s, type, more) =>
  $(s).dispatchEvent(new (type.startsWith("key") ? KeyboardEvent : PointerEvent)(
    type, {bubbles: true, ...more}));
const lit = () => $$(".lit").map((e) => e.localName + (e.dataset.e || "")).join(" ");
const dark = () => getComputedStyle(document.body).backgroundColor;
"""

#: what is done on the page, one after another, and what it must give
STEPS = {
    # a mention lights its box, the box's label and its row, and nothing else
    '(send(".ent", "pointerover"), lit())': "span0 tr0 g0 g0",
    # a box lights its mention
    """(send('.place[data-e="1"] .line', "pointerover"), lit())""": "span1 tr1 g1 g1",
    # what has no number lets go
    '(send("footer", "pointerover"), lit())': "",
    # focus is as good as the pointer
    '(send(".place", "focusin"), $$(".ent.lit").length + " " + $$("tr.lit").length)': "1 1",
    # Enter keeps it lit, Escape lets go
    """(send(".ent", "keydown", {key: "Enter"}), send("footer", "pointerover"),
        lit() + " " + $(".ent").getAttribute("aria-pressed"))""": "span0 tr0 g0 g0 true",
    """(send("footer", "keydown", {key: "Escape"}),
        lit() + " " + $(".ent").getAttribute("aria-pressed"))""": " false",
    # the filter hides a type's rows, mentions and labels, and a place that is its alone
    """($$(".legend button").find((b) => b.textContent.startsWith("PER")).click(),
        $$(".off").map((e) => e.localName).sort().join(" "))""": "g g span tr",
    'getComputedStyle($("tr.off")).display': "none",
    """($$(".legend button").find((b) => b.textContent.startsWith("PER")).click(),
        String($$(".off").length))""": "0",
    "dark()": "rgb(246, 245, 242)",
    '($("#theme").click(), dark())': "rgb(20, 22, 27)",
}


def test_page_does_what_it_should(tmp_path: Path) -> None:
    # The policy is off, so that the steps may run beside the page's own script.
    html = re.sub(r"<meta http-equiv[^>]*>", "", page())
    script = f"{HELPERS}document.title = JSON.stringify([{','.join(STEPS)}]);"
    html = html.replace("</body>", f"<script>{script}</script></body>")
    found = re.search(r"<title>(.*?)</title>", browse(html, tmp_path, "--dump-dom").stdout, re.S)
    assert found
    assert dict(zip(STEPS, json.loads(unescape(found[1])), strict=True)) == STEPS


def test_policy_lets_the_page_work_and_nothing_else(tmp_path: Path) -> None:
    assert "CONSOLE" not in browse(page(), tmp_path, "--dump-dom").stderr
    tampered = page().replace('"use strict";', '"use strict"; ')
    assert "Content Security Policy" in browse(tampered, tmp_path, "--dump-dom").stderr
