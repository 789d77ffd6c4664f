"""How documents look in a terminal and in a notebook: by value, and never as markup."""

from __future__ import annotations

import io
from html.parser import HTMLParser

import pytest
from rich.console import Console

from magpie.schema import (
    Annotations,
    Argument,
    Block,
    Box,
    Document,
    Entity,
    Event,
    Grounding,
    Link,
    Media,
    Problem,
    Region,
    Relation,
    Span,
)
from magpie.schema._show import describe_grounding, describe_others, type_colour


def entity(
    start: int, end: int, type: str = "PER", id: str = "e0", grounding: Grounding | None = None
) -> Entity:
    return Entity(
        id=id,
        span=Span("b0", start, end),
        type=type,
        fine_type="athlete",
        score=0.876,
        grounding=grounding or Grounding(),
    )


def document(text: str, *entities: Entity) -> Document:
    return Document(
        id="d[bold]1",
        blocks=(Block(text=text),),
        media=(Media(),),
        annotations=Annotations(entities=entities),
    )


def rendered(value: object) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(value)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def parsed(html: str) -> tuple[set[str], set[str]]:
    """The names of the elements and of the attributes a browser would see."""
    tags: set[str] = set()
    attributes: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)
            attributes.update(name for name, _ in attrs)

    Reader().feed(html)
    return tags, attributes


def test_coarse_types_have_fixed_colours() -> None:
    assert type_colour("PER") == "#ffd6a5"
    assert type_colour("MISC") == type_colour("OTHER")


@pytest.mark.parametrize("name", ["", "city", "Zoë", "🎉", "x" * 999])
def test_any_type_has_a_stable_light_colour(name: str) -> None:
    colour = type_colour(name)
    assert colour == type_colour(name)
    assert all(170 <= int(colour[i : i + 2], 16) < 250 for i in (1, 3, 5))


def test_groundings_in_words() -> None:
    assert describe_grounding(entity(0, 1)) == "not looked for"
    assert describe_grounding(entity(0, 1, grounding=Grounding("absent"))) == "not in the picture"
    regions = Grounding.in_regions(
        Region.of_box(Box(1.4, 2, 3, 4.6, "m0"), label="face"), Region(media="m1")
    )
    assert describe_grounding(entity(0, 1, grounding=regions)) == "m0 (1, 2, 3, 5) face; m1"


def test_terminal_shows_text_table_and_problems() -> None:
    shown = document("Ada swam [red]", entity(0, 3)).with_problem(
        Problem(code="media-absent", message="no such file [x]")
    )
    output = rendered(shown)
    assert "Ada swam [red]" in output
    assert "document d[bold]1" in output
    for cell in ("e0", "PER / athlete", "b0 [0, 3)", "0.88", "not looked for"):
        assert cell in output
    assert "partial: no such file [x] [media-absent]" in output


def test_steps_stand_under_headings() -> None:
    blocks = (
        Block(id="title", text="Tea"),
        Block(id="s1", text="Boil", step=1, media="m1"),
        Block(id="s2", text="Pour", step=2, media="m2"),
        Block(id="s3", text="Wait", step=3),
    )
    media = (Media(id="m1", uri="pics/[1].jpg"), Media(id="m2", data=b"x"))
    shown = Document(id="d", blocks=blocks, media=media)
    assert rendered(shown).split("\n")[:-1] == [
        "Tea",
        "step 1, picture pics/[1].jpg",
        "Boil",
        "step 2, picture m2",
        "Pour",
        "step 3",
        "Wait",
    ]
    html = shown._repr_html_()
    assert html.index("<b>step 1, picture pics/[1].jpg</b>") < html.index("Boil")


def test_terminal_colours_the_mention() -> None:
    console = Console(file=io.StringIO(), width=80, color_system="truecolor", force_terminal=True)
    console.print(document("Ada swam", entity(0, 3)))
    assert isinstance(console.file, io.StringIO)
    assert "48;2;255;214;165mAda" in console.file.getvalue()


def test_annotations_alone_show_without_their_text() -> None:
    output = rendered(Annotations(entities=(entity(0, 3),)))
    assert "?" in output
    assert "PER / athlete" in output


def test_document_without_annotations_shows_its_text() -> None:
    assert rendered(Document.from_text("only text")).strip() == "only text"


def test_relations_events_and_links_in_words() -> None:
    annotations = Annotations(
        entities=(entity(0, 1, id="a"), entity(1, 2, id="b")),
        relations=(Relation(id="r", head="a", tail="b", type="knows"),),
        events=(Event(id="v", type="Meet", arguments=(Argument(role="who", target="a"),)),),
        links=(Link(head="a", tail="b"),),
    )
    assert describe_others(annotations) == ["a -knows-> b", "Meet(who=a)", "a -> b"]
    assert "a -knows-> b" in rendered(annotations)
    assert "<li>a -knows-&gt; b</li>" in annotations._repr_html_()


def test_notebook_marks_the_mention() -> None:
    html = document("Ada swam", entity(0, 3))._repr_html_()
    assert '<mark style="background:#ffd6a5;color:#000" title="athlete: not looked for">Ada' in html
    assert html.count("<tr>") == 2


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_notebook_escapes_everything(evil: str) -> None:
    shown = Document(
        id=evil,
        blocks=(Block(text=evil + "x"),),
        media=(Media(id=evil),),
        annotations=Annotations(
            entities=(
                Entity(
                    id=evil,
                    span=Span("b0", 0, len(evil)),
                    type=evil,
                    fine_type=evil,
                    grounding=Grounding.in_regions(Region(media=evil, label=evil)),
                ),
            ),
            relations=(Relation(id="r", head=evil, tail=evil, type=evil),),
        ),
    ).with_problem(Problem(code=evil, message=evil))
    html = shown._repr_html_()
    tags, attributes = parsed(html)
    assert tags - {"p", "ul", "li", "b"} == {
        *("div", "mark", "small", "table", "thead", "tbody", "tr", "th", "td")
    }
    assert attributes <= {"class", "dir", "style", "title"}


def test_overlapping_mentions_leave_the_text_whole() -> None:
    html = document("New York Times", entity(0, 8, id="a"), entity(4, 14, "ORG", id="b"))
    assert html._repr_html_().count("<mark") == 1
    assert "Times</p>" in html._repr_html_()


def test_right_to_left_text_sets_its_own_direction() -> None:
    assert '<p dir="auto"' in document("محمد", entity(0, 4))._repr_html_()
