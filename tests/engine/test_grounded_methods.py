"""Every grounded method of the registry behind the extractor, the report and the drawing.

Networks are tiny and untrained: what they answer does not matter here, only that every answer is
one that the rest can carry.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.engine import Extractor
from magpie.engine.outputs import picture_loader, write_pictures, write_report
from magpie.errors import ConfigError
from magpie.methods.checkpoint import save_method
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import METHODS, method_class
from magpie.metrics.malformed import malformed_of
from magpie.schema import Block, Document, Media
from magpie.training.probe import PROBES

pytestmark = pytest.mark.usefixtures("one_thread")

GROUNDED = sorted(name for name, entry in METHODS.items() if "gmner" in entry.tasks)
POSTS = list(controlled("test", ControlledConfig(task="gmner", size=8)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grounded")


def built(name: str, folder: Path) -> Path:
    """A checkpoint of random weights."""
    place = folder / name
    if not place.exists():
        torch.manual_seed(0)
        cls: Any = method_class(name)
        method = cls.build(cls.Config(**PROBES[name].config), LabelSpace.of(POSTS))
        save_method(method, place)
    return place


def procedure() -> Document:
    """Two steps with pictures and one without, under names that the posts have, too."""
    media = tuple(
        dataclasses.replace(post.media[0], id=f"step-{n}") for n, post in enumerate(POSTS[:2], 1)
    )
    blocks = tuple(
        Block(
            id=f"step-{n}", text=post.text, step=n, media=f"step-{n}" if n <= len(media) else None
        )
        for n, post in enumerate(POSTS[:3], 1)
    )
    return Document(id="three steps", blocks=blocks, media=media)


@pytest.mark.parametrize("name", GROUNDED)
def test_posts_and_procedures_come_back_whole(name: str, folder: Path, tmp_path: Path) -> None:
    extractor = Extractor(built(name, folder), threads=1)
    bare = Document(id="bare", blocks=(Block(text="we saw Rocky today"),))
    unseen = dataclasses.replace(POSTS[0], id="unseen", media=(Media(id="m0", data=b"<html>"),))
    given = [*POSTS[:3], procedure(), bare, unseen.with_annotations(None)]
    found = list(extractor.stream(given))
    assert [document.id for document in found] == [document.id for document in given]
    assert [document.status for document in found] == ["ok"] * 5 + ["partial"]
    assert {problem.code for problem in found[-1].problems} == {"media-unreadable"}
    for before, after in zip(given, found, strict=True):
        assert after.blocks == before.blocks
        assert after.annotations is not None
        signed = after.annotations.provenance
        assert signed is not None
        assert dataclasses.replace(signed, evidence=()) == extractor.provenance
        pictures = {block.id: block.media for block in before.blocks}
        for entity in after.entities:
            assert after.text_of(entity).strip()
            shown = pictures[entity.span.block] or ("m0" if len(before.blocks) == 1 else None)
            looked = shown is not None and before.id not in ("bare", "unseen")
            assert (entity.grounding.status == "unknown") != looked
            assert {region.media for region in entity.grounding.regions} <= {shown}
        assert Document.from_json(after.to_json()) == after
    load = picture_loader(None)
    write_report(tmp_path / "r.html", found, load)
    page = (tmp_path / "r.html").read_text("utf-8")
    assert page.count('<section class="step">') == 3
    written = write_pictures(tmp_path / "p.png", found, load, single=False)
    assert len(written) == 5


@pytest.mark.parametrize("name", ["h-index", "tiger"])
def test_what_a_parser_skipped_travels_with_the_document(name: str, folder: Path) -> None:
    post, steps = Extractor(built(name, folder), threads=1).stream([POSTS[0], procedure()])
    for document, outputs in ((post, 1), (steps, 3)):
        counted = malformed_of(document)
        assert counted is not None
        assert counted.outputs == outputs


@pytest.mark.parametrize("name", GROUNDED)
def test_as_a_grounder_it_is_taken_or_sent_away(name: str, folder: Path) -> None:
    place = built(name, folder)
    if "entities" not in method_class(name).given:
        with pytest.raises(ConfigError, match=f"{name} finds its entities itself"):
            Extractor(ground=place)
        return
    extractor = Extractor(ground=place, threads=1)
    document = dataclasses.replace(POSTS[0], blocks=(Block(text="Marie Curie moved to Paris."),))
    document = extractor(document.with_annotations(None))
    assert [document.text_of(entity) for entity in document.entities] == ["Marie Curie", "Paris"]
    assert {entity.grounding.status for entity in document.entities} <= {"regions", "absent"}
    handed = Extractor(place)(POSTS[0])
    assert [(e.id, e.span, e.type) for e in handed.entities] == [
        (e.id, e.span, e.type) for e in POSTS[0].entities
    ]


def test_there_are_some() -> None:
    assert {"evg", "h-index", "tiger"} <= set(GROUNDED)
