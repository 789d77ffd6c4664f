"""The HTML report: read as a browser reads it, with hostile input everywhere."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from magpie.errors import MediaError, SchemaError
from magpie.schema import (
    Annotations,
    Block,
    Box,
    ContextText,
    Document,
    Entity,
    Grounding,
    Link,
    Mask,
    Media,
    Problem,
    Provenance,
    Region,
    Relation,
    Span,
    TimeRange,
)
from magpie.viz import ReportLimits, folder_images, report, write_report

VOID = {"meta", "img"}


class Node:
    def __init__(self, tag: str, attributes: Mapping[str, str | None]) -> None:
        self.tag = tag
        self.attributes = dict(attributes)
        self.children: list[Node | str] = []

    def all(self, tag: str, **wanted: str) -> list[Node]:
        """Descendants with this tag (or "*"); ``class_`` asks for one of the classes."""
        found = []
        for child in self.children:
            if isinstance(child, Node):
                classes = (child.attributes.get("class") or "").split()
                matches = tag in ("*", child.tag) and wanted.get("class_", "") in ("", *classes)
                found += [child] if matches else []
                found += child.all(tag, **wanted)
        return found

    @property
    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    def prose(self) -> str:
        """The text without the labels that the report adds."""
        return "".join(
            c if isinstance(c, str) else c.prose()
            for c in self.children
            if isinstance(c, str) or c.attributes.get("class") != "tag"
        )


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), "an attribute stands twice"
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, "elements are not closed in order"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(page: str) -> Node:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == [reader.root]
    return reader.root


def png(width: int = 40, height: int = 20, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def mention(
    document: Document, text: str, kind: str = "PER", *, id: str = "e0", block: str = "b0"
) -> Entity:
    start = document.block(block).text.index(text)
    return Entity(id=id, span=Span(block, start, start + len(text)), type=kind)


def post(
    text: str, *mentions: tuple[str, str], media: tuple[Media, ...] = (), id: str = "d0"
) -> Document:
    document = Document(id=id, blocks=(Block(text=text),), media=media)
    entities = tuple(
        mention(document, part, kind, id=f"e{index}") for index, (part, kind) in enumerate(mentions)
    )
    return document.with_annotations(Annotations(entities=entities))


def box(x1: float, y1: float, x2: float, y2: float, media: str = "m0") -> Region:
    return Region.of_box(Box(x1, y1, x2, y2, media))


# text


def marks(page: Node) -> list[Node]:
    return page.all("span", class_="ent")


def test_mentions_are_marked_and_described() -> None:
    document = post("Ada met Bob", ("Ada", "PER"), ("Bob", "PER"))
    first, second = marks(parse(report([document])))
    assert (first.prose(), second.prose()) == ("Ada", "Bob")
    assert first.attributes["data-e"] == "0"
    assert first.attributes["tabindex"] == "0"
    assert first.attributes["role"] == "button"
    assert first.attributes["aria-label"] == "Ada: PER, not looked for"


def test_fine_type_and_score_stand_behind_the_mention() -> None:
    entity = Entity(id="e0", span=Span("b0", 0, 3), type="PER", fine_type="athlete", score=0.876)
    document = Document.from_text("Ada").with_annotations(Annotations(entities=(entity,)))
    page = parse(report([document]))
    assert page.all("span", class_="tag")[0].text == "PERathlete0.88"
    cells = [cell.text for cell in page.all("tbody")[0].all("*") if cell.tag in ("th", "td")]
    assert cells == ["Ada", "PER", "athlete", "0.88", "0–3", "not looked for"]


def test_no_score_is_no_zero() -> None:
    page = parse(report([post("Ada", ("Ada", "PER"))]))
    assert page.all("td", class_="score")[0].text == "–"


def test_nested_mentions_become_nested_marks() -> None:
    document = post("the New York Times", ("New York", "LOC"), ("New York Times", "ORG"))
    outer, inner = marks(parse(report([document])))
    assert outer.prose() == "New York Times"
    assert inner.prose() == "New York"
    assert inner in outer.all("span")


def test_crossing_mentions_are_cut_and_focus_once() -> None:
    document = post("New York Times Square", ("New York Times", "ORG"), ("Times Square", "LOC"))
    page = parse(report([document]))
    pieces = marks(page)
    assert page.all("p", class_="block")[0].prose() == "New York Times Square"
    assert [piece.attributes["data-e"] for piece in pieces] == ["0", "1", "1"]
    assert [piece.attributes.get("tabindex") for piece in pieces] == ["0", "0", None]
    assert len(page.all("span", class_="tag")) == 2


def test_equal_spans_of_two_types_are_both_there() -> None:
    page = parse(report([post("Paris", ("Paris", "LOC"), ("Paris", "PER"))]))
    assert [mark.prose() for mark in marks(page)] == ["Paris", "Paris"]


@pytest.mark.parametrize("seed", range(25))
def test_any_overlap_keeps_the_text(seed: int) -> None:
    import random

    chooser = random.Random(seed)
    text = "".join(chooser.choice("ab <&\n🎉م") for _ in range(30))
    entities = []
    for index in range(8):
        start = chooser.randrange(len(text))
        end = chooser.randint(start + 1, len(text))
        entities.append(Entity(id=f"e{index}", span=Span("b0", start, end), type="T"))
    document = Document.from_text(text).with_annotations(Annotations(entities=tuple(entities)))
    page = parse(report([document]))
    assert page.all("p", class_="block")[0].prose() == text
    for index, entity in enumerate(entities):
        # A mark's text comes once, however often it was cut or nested.
        pieces = [mark for mark in marks(page) if mark.attributes["data-e"] == str(index)]
        assert "".join(piece.prose() for piece in pieces) == document.text_of(entity)
        assert sum("tabindex" in piece.attributes for piece in pieces) == 1


def test_every_block_sets_its_own_direction() -> None:
    blocks = (Block(id="b0", text="محمد"), Block(id="b1", text="second", step=2))
    page = parse(report([Document(id="d", blocks=blocks)]))
    assert [p.attributes["dir"] for p in page.all("p", class_="block")] == ["auto", "auto"]
    assert [h.text for h in page.all("h3")] == ["b0", "step 2"]


def test_entities_stay_in_their_block() -> None:
    blocks = (Block(id="b0", text="Ada"), Block(id="b1", text="Ada"))
    document = Document(id="d", blocks=blocks)
    document = document.with_annotations(
        Annotations(entities=(mention(document, "Ada", block="b1"),))
    )
    first, second = parse(report([document])).all("p", class_="block")
    assert not first.all("span")
    assert second.all("span", class_="ent")[0].prose() == "Ada"


# pictures


def grounded(*entities: Entity, media: tuple[Media, ...], **more: object) -> Document:
    return Document(
        id="d0",
        blocks=(Block(text="Ada met Bob"),),
        media=media,
        annotations=Annotations(entities=entities, **more),  # type: ignore[arg-type]
    )


PICTURE = Media(width=400, height=200, data=png())


def ada(*regions: Region) -> Entity:
    return Entity(
        id="e0", span=Span("b0", 0, 3), type="PER", grounding=Grounding.in_regions(*regions)
    )


def bob(*regions: Region) -> Entity:
    return Entity(
        id="e1", span=Span("b0", 8, 11), type="LOC", grounding=Grounding.in_regions(*regions)
    )


def test_box_carries_the_number_of_its_entity() -> None:
    page = parse(report([grounded(ada(box(10, 20, 110, 70)), bob(), media=(PICTURE,))]))
    (place,) = page.all("g", class_="place")
    outline = place.all("rect", class_="line")[0].attributes
    assert place.attributes["data-e"] == "0"
    assert place.attributes["tabindex"] == "0"
    assert place.attributes["aria-label"] == "Ada: PER, m0 (10, 20, 110, 70)"
    assert [outline[name] for name in ("x", "y", "width", "height")] == ["10", "20", "100", "50"]
    assert page.all("svg")[0].attributes["viewbox"] == "0 0 400 200"
    assert place.all("text")[0].text == "Ada"


def test_entities_that_share_a_region_stack() -> None:
    shared = box(10, 20, 110, 70)
    page = parse(report([grounded(ada(shared), bob(shared), media=(PICTURE,))]))
    (place,) = page.all("g", class_="place")
    assert place.attributes["data-e"] == "0 1"
    heights = [float(text.attributes["y"] or 0) for text in place.all("text")]
    assert heights[0] < heights[1]
    assert [chip.attributes["data-e"] for chip in place.all("g", class_="chip")] == ["0", "1"]


def test_small_boxes_lie_on_top_of_large_ones() -> None:
    document = grounded(ada(box(10, 10, 20, 20)), bob(box(0, 0, 300, 200)), media=(PICTURE,))
    places = parse(report([document])).all("g", class_="place")
    assert [place.attributes["data-e"] for place in places] == ["1", "0"]


def test_labels_stay_in_the_picture() -> None:
    document = grounded(
        ada(box(390, 0, 400, 200), box(0, 0, 400, 3)),
        bob(box(395, 195, 400, 200)),
        media=(PICTURE,),
    )
    for rect in [
        chip.all("rect")[0].attributes for chip in parse(report([document])).all("g", class_="chip")
    ]:
        x, y, width, height = (float(rect[k] or 0) for k in ("x", "y", "width", "height"))
        assert 0 <= x <= x + width <= 400 + 1e-3
        assert 0 <= y <= y + height <= 200 + 1e-3


def test_whole_pictures_masks_and_free_regions_are_drawn() -> None:
    mask = Region(media="m0", mask=Mask(width=4, height=3, counts=(4, 2, 6)))
    free = Region.of_box(Box(0, 0, 2, 2, "m0"), label="dog")
    document = grounded(
        ada(Region(media="m0"), mask, Region(media="m0", time=TimeRange(0, 1))),
        media=(Media(width=4, height=3, data=png()),),
        regions=(free,),
    )
    places = parse(report([document])).all("g", class_="place")
    found = {}
    for place in places:
        line = place.all("rect", class_="line")[0].attributes
        kind = (line["class"] or "").split()[-1]
        found[kind] = tuple(line[name] for name in ("x", "y", "width", "height"))
    # Column-major: pixels 4 and 5 are rows 1 and 2 of column 1.
    assert found == {
        "picture": ("0", "0", "4", "3"),
        "mask": ("1", "1", "1", "2"),
        "box": ("0", "0", "2", "2"),
    }
    (dog,) = [place for place in places if "free" in (place.attributes["class"] or "")]
    assert dog.attributes["aria-label"] == "dog"
    assert "data-e" not in dog.attributes


def test_each_picture_shows_its_own_boxes() -> None:
    second = Media(id="m1", width=400, height=200, data=png())
    document = grounded(
        ada(box(0, 0, 9, 9), box(1, 1, 8, 8, "m1")),
        bob(box(2, 2, 7, 7, "m1")),
        media=(PICTURE, second),
    )
    figures = parse(report([document])).all("figure")
    assert [len(figure.all("g", class_="place")) for figure in figures] == [1, 2]


def test_picture_is_embedded_and_shrunk() -> None:
    document = Document.from_text("x", images=(png(900, 300),))
    page = parse(report([document], limits=ReportLimits(max_picture_side=90)))
    (image,) = page.all("img")
    source = image.attributes["src"] or ""
    assert source.startswith("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as shown:
        assert shown.size == (90, 30)
    assert (image.attributes["width"], image.attributes["height"]) == ("900", "300")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_pictures_of_any_mode_are_shown(mode: str) -> None:
    page = parse(report([Document.from_text("x", images=(png(mode=mode),))]))
    assert len(page.all("img")) == 1


def test_pictures_come_from_a_function_or_a_table(tmp_path: Path) -> None:
    document = Document.from_text("x", id="d7", images=("a.png",))
    (tmp_path / "a.png").write_bytes(png())
    assert not parse(report([document])).all("img")
    for images in (
        {("d7", "m0"): png()},
        lambda doc, medium: tmp_path / medium.uri,
        lambda doc, medium: Image.new("RGB", (4, 4)),
        folder_images(tmp_path),
    ):
        assert len(parse(report([document], images)).all("img")) == 1


def test_picture_that_cannot_be_shown_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(png()[:30])
    document = Document(
        id="d",
        blocks=(),
        media=(
            Media(id="a", uri="broken.png"),
            Media(id="b", uri="../secret.png"),
            Media(id="c", uri="gone.png"),
            Media(id="d", missing="never published"),
            Media(id="e", kind="video", uri="clip.mp4"),
        ),
    )
    page = parse(report([document], folder_images(tmp_path)))
    reasons = [reason.text for reason in page.all("p", class_="nopicture")]
    assert not page.all("img")
    assert "[media-unreadable]" in reasons[0]
    assert "[access-outside-root]" in reasons[1]
    assert "[media-absent]" in reasons[2]
    assert reasons[3:] == ["not there: never published", "video: not shown here"]


# the rest of a document


def test_problems_status_context_and_relations_are_shown() -> None:
    document = grounded(
        ada(),
        bob(),
        media=(),
        relations=(Relation(id="r", head="e0", tail="e1", type="knows"),),
        links=(Link(head="e0", tail="e1"),),
        provenance=Provenance(method="magpie-embedded", version="1"),
    ).with_problem(Problem.from_error(MediaError("cut off", where="a.jpg", mend="Fetch it again.")))
    document = Document(
        id=document.id,
        blocks=document.blocks,
        annotations=document.annotations,
        status=document.status,
        problems=document.problems,
        context=(ContextText(kind="caption", text="two people", source="blip2"),),
    )
    page = parse(report([document]))
    assert page.all("span", class_="partial")[0].text == "partial"
    assert (
        page.all("ul", class_="problems")[0].text
        == "media-unreadable a.jpg: cut off Fetch it again."
    )
    knows, link = page.all("ul", class_="others")[0].all("li")
    names = [document.text_of(entity) for entity in document.entities]
    assert knows.text == f"{names[0]} — knows → {names[1]}"
    assert knows.attributes["data-e"] == "0 1"  # both mentions and their boxes light up with it
    assert link.text == "e0 -> e1"
    assert page.all("details")[0].text == "caption by blip2two people"
    assert "by magpie-embedded 1" in page.all("main")[0].text


def test_a_fact_about_an_object_points_at_its_region() -> None:
    region = Region.of_box(Box(1, 2, 30, 40, "m0"), id="o1", label="flag")
    fact = Relation(id="r", head="e0", tail="o1", type="held_on", score=0.5)
    media = (Media(id="m0", width=60, height=60, missing="never published"),)
    document = grounded(ada(), media=media, regions=(region,), relations=(fact,))
    (line,) = parse(report([document])).all("ul", class_="others")[0].all("li")
    assert line.text == "Ada — held_on → flag in m0 at 1, 2, 30, 40 0.50"
    assert line.attributes["data-e"] == "0"


def test_nobody_looked_differs_from_nothing_found() -> None:
    plain = Document.from_text("x")
    page = parse(report([plain, plain.with_annotations(Annotations())]))
    assert [p.text for p in page.all("p", class_="quiet")] == [
        "nobody has annotated this document",
        "no entities found",
    ]


def test_legend_counts_types_and_drives_the_filter() -> None:
    document = post("Ada Bob Rio", ("Ada", "PER"), ("Bob", "PER"), ("Rio", "LOC"))
    page = parse(report([document]))
    buttons = page.all("div", class_="legend")[0].all("button")
    assert [button.text for button in buttons] == ["PER2", "LOC1"]
    kind = buttons[0].attributes["data-t"] or ""
    assert len(page.all("span", class_=kind)) == 2
    assert len(page.all("tr", class_=kind)) == 2


def test_every_interactive_element_can_be_reached_and_has_a_name() -> None:
    page = parse(report([grounded(ada(box(0, 0, 9, 9)), media=(PICTURE,))]))
    for node in page.all("*"):
        if node.attributes.get("role") == "button":
            assert node.attributes.get("tabindex") == "0"
            assert node.attributes.get("aria-label")
    assert all(image.attributes.get("alt") for image in page.all("img"))
    assert page.all("html")[0].attributes["lang"] == "en"


# safety

EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script></style></title><h1>x",
    "' onmouseover='alert(1)",
    "]]><!--",
    "&lt;b&gt;",
)


def hostile(evil: str) -> Document:
    region = Region(media=evil, box=Box(0, 0, 5, 5, evil), label=evil)
    entity = Entity(
        id=evil,
        span=Span(evil, 0, len(evil)),
        type=evil,
        fine_type=evil,
        grounding=Grounding.in_regions(region),
    )
    return Document(
        id=evil,
        blocks=(Block(id=evil, text=evil + " tail", media=evil), Block(id="b1", text=evil)),
        media=(
            Media(id=evil, uri=evil, data=png(), width=40, height=20),
            Media(id="m1", uri=evil, missing=evil),
        ),
        context=(ContextText(kind="note", text=evil, source=evil, media=evil),),
        annotations=Annotations(
            entities=(entity,),
            regions=(Region(media=evil, label=evil),),
            relations=(Relation(id="r", head=evil, tail=evil, type=evil),),
            provenance=Provenance(method=evil, version=evil),
        ),
    ).with_problem(Problem(code=evil, message=evil, where=evil, mend=evil))


@pytest.mark.parametrize("evil", EVIL)
def test_hostile_text_stays_text(evil: str) -> None:
    harmless, dangerous = (
        parse(report([hostile(text)], title=text)) for text in ("harmless", evil)
    )

    def skeleton(node: Node) -> list[tuple[str, tuple[str, ...]]]:
        return [(child.tag, tuple(child.attributes)) for child in node.all("*")]

    # The same elements with the same attributes, whatever the text is.
    assert skeleton(dangerous) == skeleton(harmless)
    assert dangerous.all("title")[0].text == evil
    assert dangerous.all("h2")[0].text == evil
    assert dangerous.all("p", class_="block")[0].prose() == evil + " tail"


def policy(page: Node) -> dict[str, str]:
    (meta,) = [
        meta
        for meta in page.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = (rule.split(maxsplit=1) for rule in (meta.attributes["content"] or "").split("; "))
    return {name: value for name, value in rules}  # noqa: C416  mypy wants pairs for dict()


def test_policy_allows_exactly_its_own_style_and_script() -> None:
    page = parse(report([post("Ada", ("Ada", "<odd type>"))]))
    rules = policy(page)
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for name, tag in (("style-src", "style"), ("script-src", "script")):
        (inline,) = page.all(tag)
        digest = base64.b64encode(hashlib.sha256(inline.text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"


def test_nothing_is_loaded_or_inlined_outside_the_policy() -> None:
    page = report([hostile("https://example.org/x.js")])
    for node in parse(page).all("*"):
        assert node.tag not in {"link", "iframe", "object", "form", "base", "a", "use"}
        assert not [name for name in node.attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "xlink:href"):
            assert (node.attributes.get(name) or "data:").startswith("data:")
    style = parse(page).all("style")[0].text
    assert not re.search(r"url\(|@import", style)


def test_title_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(SchemaError):
        report([], title="\ud800")


# files


def test_same_documents_same_bytes(tmp_path: Path) -> None:
    documents = [hostile("x"), post("Ada met Bob", ("Ada", "PER"), ("Bob", "LOC"))]
    first = report(documents)
    assert report(documents) == first
    write_report(tmp_path / "a.html", documents)
    assert (tmp_path / "a.html").read_bytes().decode("utf-8") == first


def test_written_report_counts_what_it_saw(tmp_path: Path) -> None:
    bad = post("Ada", ("Ada", "PER")).with_problem(Problem(code="x", message="y"))
    path = tmp_path / "new" / "report.html"
    summary = write_report(path, [bad, post("Rio", ("Rio", "LOC"))])
    assert (summary.documents, summary.shown, summary.entities, summary.troubled) == (2, 2, 2, 1)
    assert dict(summary.types) == {"PER": 1, "LOC": 1}
    assert "2 documents · 2 entities · 1 with problems" in parse(path.read_text("utf-8")).text
    assert list(path.parent.iterdir()) == [path]


def test_large_input_is_bounded_and_says_so(tmp_path: Path) -> None:
    def many() -> Iterator[Document]:
        for number in range(1200):
            yield post("Ada", ("Ada", "PER"), id=f"d{number}")

    path = tmp_path / "r.html"
    summary = write_report(path, many(), limits=ReportLimits(max_documents=3))
    page = parse(path.read_text("utf-8"))
    assert (summary.documents, summary.shown, summary.entities) == (1200, 3, 1200)
    assert [h.text for h in page.all("h2")] == ["d0", "d1", "d2"]
    assert "the first 3 documents are shown" in page.text
    assert path.stat().st_size < 60_000


def test_pictures_stop_when_the_page_is_full() -> None:
    documents = [Document.from_text("x", id=f"d{n}", images=(png(),)) for n in range(3)]
    page = parse(report(documents, limits=ReportLimits(max_bytes=1)))
    assert len(page.all("img")) == 1
    assert "2 pictures left out" in page.text


def test_failing_source_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")

    def broken() -> Iterator[Document]:
        yield Document.from_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(path, broken())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# procedures


def recipe(*pictures: str | None) -> Document:
    """A step for each picture; every step names Apple, shown where there is a picture."""
    blocks = tuple(
        Block(id=f"step-{number}", text=f"cut Apple {number}", step=number, media=picture)
        for number, picture in enumerate(pictures, 1)
    )
    shown = dict.fromkeys(picture for picture in pictures if picture)
    media = tuple(Media(id=picture, data=png(40 + n, 20)) for n, picture in enumerate(shown))
    document = Document(id="pie", blocks=blocks, media=media)
    entities = []
    for number, block in enumerate(blocks):
        entity = mention(document, "Apple", id=f"e{number}", block=block.id)
        grounding = Grounding()
        if block.media is not None:
            grounding = Grounding.in_regions(box(number, 2, 20 + number, 12, block.media))
        entities.append(
            Entity(id=entity.id, span=entity.span, type=entity.type, grounding=grounding)
        )
    return document.with_annotations(Annotations(entities=tuple(entities)))


def test_steps_stand_in_order_each_beside_its_picture() -> None:
    page = parse(report([recipe("step-1", None, "m7")]))
    steps = page.all("section", class_="step")
    headings = [step.all("h3")[0].text for step in steps]
    assert headings == ["step 1", "step 2", "step 3, picture m7"]
    assert [step.all("p", class_="block")[0].prose() for step in steps] == [
        "cut Apple 1", "cut Apple 2", "cut Apple 3",
    ]  # fmt: skip
    assert [[i.attributes["width"] for i in step.all("img")] for step in steps] == [
        ["40"], [], ["41"],
    ]  # fmt: skip
    places = [step.all("g", class_="place") for step in steps]
    assert [[place.attributes["data-e"] for place in each] for each in places] == [["0"], [], ["2"]]
    outline = places[2][0].all("rect", class_="line")[0].attributes
    assert (outline["x"], outline["y"], outline["width"]) == ("2", "2", "20")
    # One table for all steps, which says where each mention stands.
    (table,) = page.all("table")
    assert [row.all("td")[3].text for row in table.all("tr")[1:]] == [
        "step-1 4–9", "step-2 4–9", "step-3 4–9",
    ]  # fmt: skip
    assert len(page.all("figure")) == 2


def test_a_picture_of_no_step_comes_first_and_a_shared_one_once() -> None:
    document = recipe("a", "a")
    cover = Media(id="cover", data=png(60, 20))
    document = Document(
        id="pie",
        blocks=document.blocks,
        media=(*document.media, cover),
        annotations=document.annotations,
    )
    page = parse(report([document]))
    (article,) = page.all("article")
    assert [image.attributes["width"] for image in article.all("img")] == ["60", "40"]
    first, second = page.all("section", class_="step")
    assert len(first.all("img")) == 1
    assert second.all("img") == []
    assert [h.text for h in second.all("h3")] == ["step 2, picture a"]


def test_a_form_keeps_its_page_beside_all_of_its_blocks() -> None:
    blocks = tuple(Block(id=f"b{n}", text="Name", media="page") for n in range(3))
    form = Document(id="form", blocks=blocks, media=(Media(id="page", data=png()),))
    page = parse(report([form]))
    assert page.all("section", class_="step") == []
    assert len(page.all("img")) == 1


def test_steps_without_their_pictures_say_so() -> None:
    limits = ReportLimits(max_bytes=0)
    page = parse(report([recipe("a", "b")], limits=limits))
    notes = [note.text for note in page.all("p", class_="nopicture")]
    assert notes == ["left out: this page is large enough"] * 2
    assert page.all("img") == []
