"""Documents that formats trip over; shared by the tests of this room."""

from __future__ import annotations

import io
from pathlib import Path

from magpie.schema import (
    Annotations,
    Argument,
    Block,
    Box,
    ContextText,
    Document,
    Entity,
    Event,
    Grounding,
    Link,
    Mask,
    Media,
    Problem,
    Provenance,
    Region,
    Relation,
    Source,
    Span,
    TimeRange,
)

EVIL = '../../<script>alert("x")</script>&\'\n\\{{7*7}}'

#: quotes, newlines, emoji with modifiers and joiners, Arabic, combining marks, CJK, tabs, CRLF
TEXTS = {
    "quotes": "\"Ada\" said: 'hi', \\n is no newline; 50% of $10 {x} & <b>bold</b>",
    "newlines": "Ada\nByron\r\n\r\nin  Turin\t\t.\n",
    "emoji": "👩🏽‍🚀 Ada 🇮🇹 went to 🏙️ Turin 💩💩 yesterday",
    "arabic": "زارت آدا بايرون مدينة تورينو \u200fأمس",
    "combining": "A\u0301da Byro\u0308n at Zu\u0308rich i\u0307",
    "cjk": "艾达去了东京，然后回家。",
    "blanks": "  Ada   Byron  ",
    "only blanks": " \n ",
    "empty": "",
}


def png(width: int = 40, height: int = 30, colour: str = "teal") -> bytes:
    """A small picture as a file's bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, format="PNG")
    return buffer.getvalue()


def _entity(id: str, start: int, end: int, type: str = "PER", block: str = "b0") -> Entity:
    return Entity(id=id, span=Span(block, start, end), type=type)


def text_documents() -> list[Document]:
    """One document a text, with entities over odd places: all of it, the first and last sign."""
    documents = []
    for name, text in TEXTS.items():
        ends = {(0, len(text)), (0, 1), (len(text) - 1, len(text)), (1, 4), (3, 9)}
        spans = sorted((a, b) for a, b in ends if 0 <= a < b <= len(text))
        entities = tuple(_entity(f"e{n}", a, b, f"T{n}") for n, (a, b) in enumerate(spans))
        documents.append(
            Document(
                id=f"text {name}",
                blocks=(Block(text=text),),
                annotations=Annotations(entities=entities),
            )
        )
    return documents


def plain() -> Document:
    """One entity, no picture."""
    annotations = Annotations(entities=(_entity("e0", 0, 3),))
    return Document.from_text("Ada left", id="plain").with_annotations(annotations)


def unannotated() -> Document:
    return Document.from_text("nobody looked at this", id="unannotated")


def nothing_found() -> Document:
    return Document.from_text("nothing here", id="nothing").with_annotations(Annotations())


def evil() -> Document:
    """Ids, types, labels and paths that try to get out of whatever they are put into."""
    box = Box(1, 2, 11, 22, EVIL)
    shown = Region(media=EVIL, box=box, label=EVIL, id=f"r{EVIL}")
    entity = Entity(
        id=EVIL,
        span=Span(EVIL, 0, len(EVIL)),
        type=EVIL,
        fine_type=f"fine {EVIL}",
        grounding=Grounding.in_regions(shown),
    )
    relation = Relation(id="r/../0", head=EVIL, tail=f"r{EVIL}", type=EVIL)
    return Document(
        id=f"evil {EVIL}",
        blocks=(Block(id=EVIL, text=EVIL),),
        media=(Media(id=EVIL, uri=f"{EVIL}.jpg", width=40, height=30),),
        annotations=Annotations(entities=(entity,), relations=(relation,)),
    )


def pictures(folder: Path | None = None) -> Document:
    """Two pictures (one a file, one bytes), a missing one, and entities shown in both."""
    if folder is not None:
        (folder / "first.png").write_bytes(png(64, 48, "red"))
    first = Region(media="m0", box=Box(0.1, 0.2, 63.3, 47.7, "m0"), score=0.25)
    second = Region(media="m1", box=Box(3, 5, 40, 30, "m1"), label="a hat", id="hat")
    third = Region(media="m1", box=Box(1 / 3, 2 / 3, 10 / 7, 29.999, "m1"))
    ada = Entity(
        id="e0",
        span=Span("b0", 0, 3),
        type="PER",
        fine_type="author",
        grounding=Grounding.in_regions(first, second, third),
        score=0.5,
    )
    turin = Entity(id="e1", span=Span("b0", 13, 18), type="LOC", grounding=Grounding("absent"))
    free = Region(media="m0", box=Box(5, 5, 6, 6, "m0"), label="dog", score=1.0, id="dog")
    return Document(
        id="pictures",
        blocks=(Block(text="Ada lives in Turin"),),
        media=(
            Media(id="m0", uri="first.png", width=64, height=48),
            Media(id="m1", data=png(), width=40, height=30),
            Media(id="m2", uri="gone.jpg", missing="the tweet was deleted"),
        ),
        annotations=Annotations(
            entities=(ada, turin),
            regions=(free,),
            relations=(
                Relation(id="r0", head="e0", tail="e1", type="lives in"),
                Relation(id="r1", head="e1", tail="hat", type="contains"),
                Relation(id="r2", head="dog", tail="e0", type="of"),
            ),
        ),
    )


def everything() -> Document:
    """Every field of the data model once."""
    by = Provenance(method="tagger", version="2", config_digest="ab", evidence=("a", "b"))
    mask = Mask(4, 3, (5, 2, 5))
    field = Box(2, 3, 9, 8, "page")
    key = Entity(
        id="key",
        span=Span("k", 0, 4),
        type="question",
        fine_type="name of a person",
        grounding=Grounding.in_regions(Region(media="page", box=field, provenance=by)),
        score=0.125,
        provenance=by,
    )
    value = Entity(
        id="value",
        span=Span("v", 0, 3),
        type="answer",
        grounding=Grounding.in_regions(
            Region(media="tiny", mask=mask, score=0.75), Region(media="page")
        ),
    )
    over = Entity(id="over", span=Span("v", 0, 9), type="PER", grounding=Grounding("absent"))
    return Document(
        id="everything",
        blocks=(
            Block(id="k", text="Name", words=((0, 4),), box=field, media="page"),
            Block(id="v", text="Ada Byron", words=((0, 3), (4, 9)), step=2),
            Block(id="empty", text=""),
        ),
        media=(
            Media(id="page", uri="page.png", width=20, height=10),
            Media(id="tiny", data=png(4, 3), width=4, height=3),
            Media(id="clip", kind="video", uri="clip.mp4", duration=12.5),
        ),
        context=(
            ContextText(kind="caption", text='a "page" 📄', source="blip@2", media="page"),
            ContextText(kind="note", text="line one\nline two", source="somebody"),
        ),
        annotations=Annotations(
            entities=(key, value, over),
            regions=(
                Region(media="clip", time=TimeRange(0.5, 1.25), label="speech", id="said"),
                Region(media="page", box=Box(0.1, 0.2, 19.7, 9.9, "page")),
            ),
            relations=(
                Relation(id="rel", head="key", tail="said", type="None", score=0.1, provenance=by),
            ),
            events=(
                Event(
                    id="ev",
                    type="Life:Sign",
                    trigger=Span("v", 4, 9),
                    media="page",
                    arguments=(Argument(role="who", target="value", score=0.5),),
                    score=0.25,
                    provenance=by,
                ),
            ),
            links=(Link(head="key", tail="value", score=1.0), Link(head="key", tail="over")),
            provenance=by,
        ),
        status="partial",
        problems=(Problem(code="media-absent", message="no file", where="m", mend="look"),),
        source=Source(corpus="made@1", split="test", file="f.txt", line=3, digest="00"),
    )


def all_documents(folder: Path | None = None) -> list[Document]:
    """All of the above; with a folder, the one picture that is a file lies there."""
    return [
        plain(),
        unannotated(),
        nothing_found(),
        evil(),
        pictures(folder),
        everything(),
        *text_documents(),
    ]
