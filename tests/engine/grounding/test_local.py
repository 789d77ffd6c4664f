"""The grounder end to end, on pictures drawn here and, where it is installed, a real portrait."""

from __future__ import annotations

import dataclasses
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from magpie.engine.grounding import (
    Grounder,
    LocalGrounder,
    ground_document,
    load_media,
)
from magpie.engine.grounding.ocr import TextReader, shared_reader
from magpie.engine.grounding.people import FaceFinder, PersonFinder
from magpie.errors import ConfigError
from magpie.examples import example_folder
from magpie.schema import (
    Annotations,
    Block,
    Box,
    ContextText,
    Document,
    Entity,
    Grounding,
    Media,
    Region,
)
from magpie.vision import LoadedImage, load_image

Place = tuple[float, float, float, float]


def drawn(words: dict[str, tuple[int, int]], size: tuple[int, int] = (640, 400)) -> Image.Image:
    """Black words on white, each with its upper left corner."""
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    for word, place in words.items():
        pen.text(place, word, font=ImageFont.load_default(size=40), fill="black")
    return image


def inked(word: str, place: tuple[int, int]) -> Place:
    """The box of a word drawn by :func:`drawn`."""
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    x1, y1, x2, y2 = pen.textbbox(place, word, font=ImageFont.load_default(size=40))
    return (x1, y1, x2, y2)


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def post(text: str, types: dict[str, str], *pictures: bytes, caption: str = "") -> Document:
    """A post with gold spans of the named texts and its pictures."""
    block = Block(text=text)
    entities = tuple(
        Entity(
            id=f"e{index}",
            span=block.span(text.index(name), text.index(name) + len(name)),
            type=kind,
        )
        for index, (name, kind) in enumerate(types.items())
    )
    media = tuple(Media(id=f"m{index}", data=data) for index, data in enumerate(pictures))
    context = (ContextText(kind="caption", text=caption, source="test"),) if caption else ()
    return Document(
        id="d",
        blocks=(block,),
        media=media,
        context=context,
        annotations=Annotations(entities=entities),
    )


WORDS = {"BOEING": (40, 60), "NASA": (380, 280)}
TEXT = "NASA flew with Boeing"
TYPES = {"NASA": "ORG", "Boeing": "ORG"}


@pytest.fixture(scope="module")
def grounder() -> LocalGrounder:
    return LocalGrounder(threads=1)


@pytest.fixture(scope="module")
def lettering(grounder: LocalGrounder) -> Document:
    return ground_document(grounder, post(TEXT, TYPES, png(drawn(WORDS))))


def test_it_is_a_grounder(grounder: LocalGrounder) -> None:
    checked: Grounder = grounder
    assert checked.name == "magpie-local"


def test_drawn_words_are_read_where_they_stand() -> None:
    lines = TextReader(threads=1).read(load_image(drawn(WORDS)))
    assert [line.text for line in lines] == ["BOEING", "NASA"]
    for line in lines:
        expected = Box(*inked(line.text, WORDS[line.text]), media="m")
        assert Box(*line.box, media="m").iou(expected) > 0.5
        assert line.score > 0.8


def test_mentions_are_linked_to_their_own_words(lettering: Document) -> None:
    assert lettering.status == "ok"
    nasa, boeing = lettering.entities
    for entity, word in ((nasa, "NASA"), (boeing, "BOEING")):
        assert entity.grounding.status == "regions"
        (box,) = entity.boxes
        assert box.iou(Box(*inked(word, WORDS[word]), media="m0")) > 0.5
        region = entity.grounding.regions[0]
        assert region.label == "lettering"
        assert region.provenance is not None
        assert region.provenance.method == "magpie-local"
        assert region.provenance.evidence == (f"read: {word}",)
    assert lettering.media[0].width == 640


def test_what_was_read_becomes_context(lettering: Document) -> None:
    assert lettering.context == (
        ContextText(kind="ocr", text="BOEING\nNASA", source="rapidocr", media="m0"),
    )


def test_lettering_of_nobody_stands_free(grounder: LocalGrounder) -> None:
    document = ground_document(grounder, post("NASA flew", {"NASA": "ORG"}, png(drawn(WORDS))))
    assert document.annotations is not None
    (free,) = document.annotations.regions
    assert free.label == "lettering"
    assert free.box is not None
    assert free.box.iou(Box(*inked("BOEING", WORDS["BOEING"]), media="m0")) > 0.5


def test_same_input_same_output(grounder: LocalGrounder, lettering: Document) -> None:
    again = ground_document(LocalGrounder(threads=1), post(TEXT, TYPES, png(drawn(WORDS))))
    assert again.to_json() == lettering.to_json()


def test_an_empty_picture_shows_nothing(grounder: LocalGrounder) -> None:
    empty = png(Image.new("RGB", (320, 240), "white"))
    document = ground_document(grounder, post(TEXT, TYPES, empty))
    assert [entity.grounding for entity in document.entities] == [Grounding("absent")] * 2
    assert document.status == "ok"
    assert document.context == ()


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 900), (30, 30)])
def test_odd_sizes_are_survived(grounder: LocalGrounder, size: tuple[int, int]) -> None:
    document = ground_document(grounder, post(TEXT, TYPES, png(Image.new("RGB", size))))
    assert document.status == "ok"
    assert {entity.grounding.status for entity in document.entities} == {"absent"}


def test_several_pictures(grounder: LocalGrounder) -> None:
    pictures = [png(drawn({word: place})) for word, place in WORDS.items()]
    document = ground_document(grounder, post(TEXT, TYPES, *pictures))
    nasa, boeing = document.entities
    assert [box.media for box in nasa.boxes] == ["m1"]
    assert [box.media for box in boeing.boxes] == ["m0"]


def test_no_picture_is_unknown(grounder: LocalGrounder) -> None:
    document = ground_document(grounder, post(TEXT, TYPES))
    assert {entity.grounding.status for entity in document.entities} == {"unknown"}
    assert document.status == "ok"


def test_an_unreadable_picture_is_unknown_and_a_problem(grounder: LocalGrounder) -> None:
    document = ground_document(grounder, post(TEXT, TYPES, b"<html>404</html>"))
    assert {entity.grounding.status for entity in document.entities} == {"unknown"}
    assert document.status == "partial"
    (problem,) = document.problems
    assert problem.code == "media-unreadable"
    assert "m0" in problem.where


def test_beside_an_unreadable_picture_nothing_is_absent(grounder: LocalGrounder) -> None:
    pictures = (png(drawn({"NASA": (380, 280)})), b"")
    nasa, boeing = ground_document(grounder, post(TEXT, TYPES, *pictures)).entities
    assert nasa.grounding.status == "regions"
    assert boeing.grounding.status == "unknown"


def test_a_picture_known_to_be_missing_is_no_new_problem() -> None:
    loaded = load_media(
        Document(
            id="d",
            blocks=(Block(text="a"),),
            media=(Media(missing="never distributed"), Media(id="m1", kind="video", uri="a.mp4")),
        )
    )
    assert loaded.images == {}
    assert loaded.problems == ()


def test_paths_are_kept_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png(drawn({})))
    (tmp_path / "b.png").write_bytes(png(drawn({})))
    media = (Media(id="m0", uri="a.png"), Media(id="m1", uri="../b.png"), Media(id="m2", uri="c"))
    loaded = load_media(
        Document(id="d", blocks=(Block(text="a"),), media=media), root=tmp_path / "in"
    )
    assert list(loaded.images) == ["m0"]
    assert [problem.code for problem in loaded.problems] == ["access-outside-root", "media-absent"]


def test_a_failing_detector_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    grounder = LocalGrounder(threads=1)

    def fail(image: LoadedImage) -> list[object]:
        raise RuntimeError("broken")

    monkeypatch.setattr(grounder._faces, "find", fail)
    document = ground_document(grounder, post(TEXT, {**TYPES, "flew": "OTHER"}, png(drawn(WORDS))))
    assert [entity.grounding.status for entity in document.entities] == [
        "regions",
        "regions",
        "unknown",
    ]
    (problem,) = document.problems
    assert problem.code == "internal"
    assert "RuntimeError: broken" in problem.message


def test_detectors_can_be_switched_off() -> None:
    grounder = LocalGrounder(ocr=False, faces=False, people=False, guess=False, extras=False)
    document = ground_document(grounder, post(TEXT, TYPES, png(drawn(WORDS))))
    assert {entity.grounding.status for entity in document.entities} == {"absent"}
    assert document.annotations is not None
    assert document.annotations.regions == ()


def test_grounding_given_before_is_replaced(grounder: LocalGrounder) -> None:
    document = post(TEXT, TYPES, png(Image.new("RGB", (320, 240), "white")))
    old = Grounding.in_regions(Region(media="m0"))
    entity = Entity(id="e0", span=document.entities[0].span, type="ORG", grounding=old, score=0.5)
    document = document.with_annotations(Annotations(entities=(entity,)))
    (result,) = ground_document(grounder, document).entities
    assert result.grounding == Grounding("absent")
    assert result.score == 0.5


def test_impossible_options() -> None:
    with pytest.raises(ConfigError):
        LocalGrounder(threads=-1)
    with pytest.raises(ConfigError):
        LocalGrounder(min_score=1.5)


def test_readers_are_shared_and_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    assert shared_reader(1) is shared_reader(1)
    TextReader(threads=1).read(load_image(Image.new("RGB", (64, 64), "white")))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_a_step_is_looked_for_in_its_own_picture(grounder: LocalGrounder) -> None:
    words = {"NASA": (40, 60)}
    other = {"LISBON": (300, 200)}
    texts = {"s1": "call NASA", "s2": "leave Lisbon", "s3": "greet NASA", "s4": "fly to Lisbon"}
    pictures = {"s1": "a", "s2": "b", "s3": "b", "s4": None}
    blocks = tuple(
        Block(id=name, text=text, step=int(name[1]), media=pictures[name])
        for name, text in texts.items()
    )
    entities = tuple(
        Entity(id=f"e{block.step}", span=block.span(block.text.rindex(" ") + 1, len(block.text)),
               type="ORG" if "NASA" in block.text else "LOC")
        for block in reversed(blocks)
    )  # fmt: skip
    media = (Media(id="a", data=png(drawn(words))), Media(id="b", data=png(drawn(other))))
    document = Document(
        id="d", blocks=blocks, media=media, annotations=Annotations(entities=entities)
    )
    found = ground_document(grounder, document)
    status = {entity.id: entity.grounding.status for entity in found.entities}
    # NASA's name stands in the first picture only: the third step shows the other one.
    assert list(status.items()) == [
        ("e4", "unknown"), ("e3", "absent"), ("e2", "regions"), ("e1", "regions"),
    ]  # fmt: skip
    boxes = {entity.id: entity.boxes for entity in found.entities}
    assert boxes["e1"][0].iou(Box(*inked("NASA", (40, 60)), media="a")) > 0.5
    assert boxes["e2"][0].iou(Box(*inked("LISBON", (300, 200)), media="b")) > 0.5
    assert [(note.kind, note.media) for note in found.context] == [("ocr", "a"), ("ocr", "b")]
    # A picture that cannot be read leaves its own steps unknown, and those alone.
    broken = (media[0], Media(id="b", data=b"<html>"))
    again = ground_document(grounder, dataclasses.replace(document, media=broken))
    assert again.status == "partial"
    assert [entity.grounding.status for entity in again.entities] == [
        "unknown", "unknown", "unknown", "regions",
    ]  # fmt: skip


def test_importing_loads_no_library() -> None:
    import subprocess

    code = (
        "import sys, magpie.engine.grounding\n"
        "print(sorted({'cv2', 'rapidocr', 'onnxruntime', 'PIL', 'numpy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# a real face


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    with Image.open(example_folder() / "portrait.jpg") as picture:
        return picture.convert("RGB")


FACE = Box(177, 66, 274, 163, media="m0")
PERSON = Box(20, 12, 366, 512, media="m0")


def test_one_face_is_found_and_nothing_else(portrait: Image.Image) -> None:
    found = FaceFinder(LocalGrounder(threads=1).coefficients.face).find(load_image(portrait))
    (face,) = found
    assert Box(*face.box, media="m0").iou(FACE) > 0.6
    assert face.score > 0.6


def test_boxes_come_back_in_the_original_size(portrait: Image.Image) -> None:
    large = portrait.resize((1536, 1536))
    (face,) = FaceFinder(LocalGrounder(threads=1).coefficients.face).find(load_image(large))
    x1, y1, x2, y2 = (value / 3 for value in face.box)
    assert Box(x1, y1, x2, y2, media="m0").iou(FACE) > 0.6


def test_no_face_in_noise_or_plain_colour() -> None:
    finder = FaceFinder(LocalGrounder(threads=1).coefficients.face)
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    for picture in (Image.fromarray(noise), Image.new("RGB", (320, 240), "grey")):
        image = load_image(picture)
        assert finder.find(image) == []
        assert PersonFinder().find(image) == []


def test_the_named_person_is_the_one_who_shows(
    grounder: LocalGrounder, portrait: Image.Image
) -> None:
    text = "Eileen Collins flew for NASA"
    document = post(text, {"Eileen Collins": "PER", "NASA": "ORG"}, png(portrait))
    person, organisation = ground_document(grounder, document).entities
    (box,) = person.boxes
    assert box.iou(PERSON) > 0.5
    assert person.grounding.regions[0].label == "person"
    assert organisation.grounding.status == "absent"  # the lettering is too small to be read
