"""Who looks for entities in pictures: by name, by checkpoint, by object; and what nobody saw."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from PIL import Image, ImageDraw, ImageFont

from magpie.corpora.side import VinvlRegions, write_vinvl
from magpie.engine import Extractor
from magpie.engine.grounding import GROUNDERS, GroundingRequest, GroundingResult, MethodGrounder
from magpie.engine.looking import looking
from magpie.errors import ConfigError, NotFoundError
from magpie.schema import Annotations, Block, Box, Document, Entity, Grounding, Media, Region, Span

from .pointing import Point, PointAt, checkpoint, registered

TEXT = "we saw Rocky today"
#: the one thing in the picture
THING = (8.0, 10.0, 24.0, 30.0)


def picture(size: tuple[int, int] = (64, 48), thing: tuple[float, ...] = THING) -> Image.Image:
    image = Image.new("RGB", size, "white")
    x1, y1, x2, y2 = thing
    ImageDraw.Draw(image).rectangle((x1, y1, x2 - 1, y2 - 1), fill="red")
    return image


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Checkpoints: blobs (own entities), at (given entities), files (published regions)."""
    folder = tmp_path_factory.mktemp("points")
    with registered():
        checkpoint(folder / "blobs", Point)
        checkpoint(folder / "at", PointAt)
        checkpoint(folder / "files", Point, source="vinvl", width=2048, index=0)
        yield folder


def boxes(document: Document) -> list[tuple[str, tuple[tuple[float, ...], ...]]]:
    return [
        (entity.grounding.status, tuple(box.xyxy for box in entity.boxes))
        for entity in document.entities
    ]


SHOWN = [("regions", (THING,))]
UNKNOWN = [("unknown", ())]


# a model that grounds


def test_a_grounded_checkpoint_brings_its_boxes(points: Path, tmp_path: Path) -> None:
    extractor = Extractor(points / "blobs", root=tmp_path)
    picture().save(tmp_path / "p.png")
    for given in (picture(), png(picture()), "p.png"):
        document = extractor(TEXT, given)
        assert boxes(document) == SHOWN
        assert document.text_of(document.entities[0]) == "Rocky"
        assert (document.media[0].width, document.media[0].height) == (64, 48)
        assert document.status == "ok"
        assert document.annotations is not None
        assert document.annotations.provenance == extractor.provenance
        assert document.annotations.regions == ()  # the local grounder did not look as well
    assert document.media[0].uri == "p.png"
    assert document.media[0].data is None


def test_without_a_picture_nobody_looked(points: Path) -> None:
    document = Extractor(points / "blobs")(TEXT)
    assert boxes(document) == UNKNOWN
    assert document.status == "ok"


def test_a_picture_that_cannot_be_read_is_told(points: Path, tmp_path: Path) -> None:
    extractor = Extractor(points / "blobs", root=tmp_path)
    (tmp_path / "bad.png").write_bytes(b"<html>")
    expected = {"none.png": "media-absent", "bad.png": "media-unreadable"}
    for name, code in expected.items():
        document = extractor(TEXT, name)
        assert boxes(document) == UNKNOWN
        assert document.status == "partial"
        (problem,) = document.problems
        assert (problem.code, problem.where) == (code, "medium 'm0'")
        assert "[" not in problem.message
    known = Media(id="m0", missing="withdrawn by its author")
    document = extractor(Document(id="d", blocks=(Block(text=TEXT),), media=(known,)))
    assert (document.status, boxes(document)) == ("ok", UNKNOWN)


def regions_of(folder: Path, name: str, size: tuple[int, int] = (64, 48)) -> None:
    folder.mkdir(exist_ok=True)
    write_vinvl(
        folder / f"{name}.jpg.npz",
        VinvlRegions(
            width=size[0],
            height=size[1],
            boxes=np.array([THING, (0, 0, 5, 5)], np.float32),
            features=np.ones((2, 2048), np.float32),
            objects=("thing", "corner"),
            scores=np.array([0.9, 0.8], np.float32),
            attributes=("red", "white"),
            attribute_scores=np.ones((2, 1), np.float32),
            class_scores=np.zeros((2, 1595)),
        ),
    )


def test_published_regions_by_name(points: Path, tmp_path: Path) -> None:
    regions_of(tmp_path / "npz", "p")
    picture((128, 96)).save(tmp_path / "p.jpg")  # twice the size the regions were made from
    extractor = Extractor(points / "files", root=tmp_path, regions={"vinvl": str(tmp_path / "npz")})
    document = extractor(TEXT, "p.jpg")
    assert boxes(document) == [("regions", ((16.0, 20.0, 48.0, 60.0),))]
    # The regions are enough: the picture itself may lie elsewhere.
    (tmp_path / "p.jpg").unlink()
    document = extractor(TEXT, "p.jpg")
    assert boxes(document) == SHOWN
    assert document.status == "ok"


def test_an_absent_region_file_leaves_the_text(points: Path, tmp_path: Path) -> None:
    regions_of(tmp_path / "npz", "p")
    extractor = Extractor(points / "files", regions={"vinvl": tmp_path / "npz"})
    posts = [
        Document(id=name, blocks=(Block(text=TEXT),), media=(Media(id="m0", uri=f"{name}.jpg"),))
        for name in ("p", "q", "p2")
    ]
    found = list(extractor.stream(posts))
    assert [document.status for document in found] == ["ok", "partial", "partial"]
    assert [boxes(document) for document in found] == [SHOWN, UNKNOWN, UNKNOWN]
    (problem,) = found[1].problems
    assert problem.code == "features-absent"
    assert "no region features of 'q'" in problem.message
    assert "--regions NAME=FOLDER" in problem.mend


def test_damaged_and_unfit_region_files(points: Path, tmp_path: Path) -> None:
    regions_of(tmp_path, "p")
    (tmp_path / "q.npz").write_bytes(b"no archive")
    extractor = Extractor(points / "files", regions={"vinvl": tmp_path})
    document = extractor(TEXT, "q.jpg")
    assert (document.status, boxes(document)) == ("partial", UNKNOWN)
    other = checkpoint(tmp_path / "c", Point, source="vinvl", width=4)
    document = Extractor(other, regions={"vinvl": tmp_path})(TEXT, "p.jpg")
    assert document.status == "failed"
    assert "vectors of 2048 numbers, the method wants 4" in document.problems[0].message


def test_regions_that_nobody_gives_are_an_error_before_the_first_text(
    points: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="region features called 'vinvl'") as caught:
        Extractor(points / "files")
    assert "--regions vinvl=FOLDER" in caught.value.mend
    assert str(points / "files") in caught.value.where
    # Where no boxes are wanted, the text is read without.
    document = Extractor(points / "files", ground=False)(TEXT, png(picture()))
    assert boxes(document) == UNKNOWN
    assert document.status == "ok"
    with pytest.raises(ConfigError, match="nobody here reads region features: vinvl"):
        Extractor(regions={"vinvl": tmp_path})


def test_what_the_engine_sees_is_there_to_pick_from(tmp_path: Path, points: Path) -> None:
    image = Image.new("RGB", (640, 400), "white")
    font = ImageFont.load_default(size=60)
    ImageDraw.Draw(image).text((300, 200), "LISBON", font=font, fill="black")
    inked = ImageDraw.Draw(image).textbbox((300, 200), "LISBON", font=font)
    place = checkpoint(
        tmp_path / "c", Point, source="proposals@tiny-resnet", width=64, count=2, index=0
    )
    (entity,) = Extractor(place)("see Lisbon", image).entities
    assert entity.boxes[0].iou(Box(*inked, media="m0")) > 0.5


# who looks


class Corner:
    """Shows everything in the corner."""

    name = "corner"

    def ground(self, request: GroundingRequest) -> GroundingResult:
        region = Region.of_box(Box(0, 0, 5, 5, media="m0"))
        grounding = Grounding.in_regions(region)
        return GroundingResult(groundings=(grounding,) * len(request.document.entities))


def test_the_table() -> None:
    assert list(GROUNDERS) == ["auto", "model", "local", "none"]
    assert looking(True).kind == looking("auto").kind == "auto"
    assert looking(False).kind == looking("none").kind == "none"
    assert looking("local").apart
    assert not looking("local").by_model
    assert looking("model").by_model
    assert not looking("model").apart
    with pytest.raises(NotFoundError, match="no grounder of this name") as caught:
        looking("lokal")
    assert "Did you mean local?" in caught.value.mend
    with pytest.raises(ConfigError, match="int has none"):
        looking(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["none", False])
def test_nobody(points: Path, name: Any) -> None:
    document = Extractor(points / "blobs", ground=name)(TEXT, png(picture()))
    assert boxes(document) == UNKNOWN
    assert document.text_of(document.entities[0]) == "Rocky"


def test_another_grounder_replaces_the_models_boxes(points: Path) -> None:
    document = Extractor(points / "blobs", ground=Corner())(TEXT, png(picture()))
    assert boxes(document) == [("regions", ((0.0, 0.0, 5.0, 5.0),))]
    document = Extractor(points / "blobs", ground="local")(TEXT, png(picture()))
    assert boxes(document) == [("absent", ())]  # a red box is nobody's face


def test_the_model_alone(points: Path, trained_run: Path) -> None:
    assert boxes(Extractor(points / "blobs", ground="model")(TEXT, picture())) == SHOWN
    document = Extractor(trained_run, ground="model")(TEXT, picture())
    assert {status for status, _ in boxes(document)} == {"unknown"}


def test_a_method_grounds_what_another_model_found(points: Path, tmp_path: Path) -> None:
    picture().save(tmp_path / "p.png")
    extractor = Extractor(ground=points / "at", root=tmp_path)
    text = "Marie Curie moved to Paris."
    for given in (picture(), png(picture()), "p.png"):
        document = extractor(text, given)
        assert {document.text_of(entity) for entity in document.entities} == {
            "Marie Curie",
            "Paris",
        }
        assert boxes(document) == SHOWN * 2
        assert document.annotations is not None
        assert document.annotations.provenance == extractor.provenance
        region = document.entities[0].grounding.regions[0]
        assert region.provenance is not None
        assert region.provenance.method == "point-at"
    assert extractor.grounder.startswith("point-at@")
    other = Extractor(ground=False)
    assert extractor.provenance.config_digest != other.provenance.config_digest
    many = list(extractor.stream({"id": str(n), "text": text, "image": i} for n, i in enumerate(
        ["p.png", "none.png", []]
    )))  # fmt: skip
    assert [document.status for document in many] == ["ok", "partial", "ok"]
    assert [boxes(document)[0][0] for document in many] == ["regions", "unknown", "unknown"]
    assert many[1].problems[0].code == "media-absent"


def test_a_batch_is_grounded_as_its_documents_are(points: Path) -> None:
    things = [(8.0 + n, 10.0, 24.0 + n, 30.0) for n in range(5)]
    posts = [
        Document.from_text("Marie Curie moved." if n % 2 else "no name here", id=f"d{n}",
                           images=(png(picture(thing=thing)),) if n != 3 else ())
        for n, thing in enumerate(things)
    ]  # fmt: skip
    extractor = Extractor(ground=MethodGrounder(points / "at"))
    together = list(extractor.stream(posts, batch_size=5))
    assert together == [extractor(post) for post in posts]
    assert [boxes(document) for document in together] == [
        [], [("regions", (things[1],))], [], UNKNOWN, [],
    ]  # fmt: skip


def test_a_grounder_alone_keeps_what_it_did_not_find_out(points: Path) -> None:
    entity = Entity(id="x7", span=Span("b0", 7, 12), type="PER", fine_type="Dog", score=0.5)
    document = Document(
        id="d",
        blocks=(Block(text=TEXT),),
        media=(Media(id="m0", data=png(picture())),),
        annotations=Annotations(entities=(entity,)),
    )
    result = MethodGrounder(points / "at").ground(GroundingRequest(document, {}))
    assert [box.xyxy for region in result.groundings[0].regions if (box := region.box)] == [THING]
    grounded = Extractor(points / "at")(document)
    assert dataclasses.replace(grounded.entities[0], grounding=Grounding()) == entity
    assert boxes(grounded) == SHOWN


def test_not_every_checkpoint_is_a_grounder(points: Path, trained_run: Path) -> None:
    with pytest.raises(ConfigError, match="bert-crf does not say where entities show"):
        Extractor(ground=trained_run)
    with pytest.raises(ConfigError, match="point finds its entities itself") as caught:
        Extractor(ground=points / "blobs")
    assert f"--model {points / 'blobs'}" in caught.value.mend


# procedures


def recipe() -> Document:
    """Two steps with a picture each, then one without."""
    things = [(8.0, 10.0, 24.0, 30.0), (30.0, 5.0, 60.0, 25.0)]
    media = tuple(
        Media(id=f"step-{n}", data=png(picture(thing=thing))) for n, thing in enumerate(things, 1)
    )
    texts = ["take Apple", "cut Apple", "eat Apple"]
    blocks = tuple(
        Block(id=f"s{n}", text=text, step=n, media=f"step-{n}" if n < 3 else None)
        for n, text in enumerate(texts, 1)
    )
    return Document(id="pie", blocks=blocks, media=media)


def test_each_step_is_read_beside_its_own_picture(points: Path) -> None:
    for extractor in (Extractor(points / "blobs"), Extractor(points / "blobs", threads=1)):
        document = extractor(recipe())
        assert document.status == "ok"
        assert [entity.id for entity in document.entities] == ["e0", "e1", "e2"]
        assert [entity.span.block for entity in document.entities] == ["s1", "s2", "s3"]
        assert boxes(document) == [
            ("regions", ((8.0, 10.0, 24.0, 30.0),)),
            ("regions", ((30.0, 5.0, 60.0, 25.0),)),
            ("unknown", ()),
        ]
        shown = [region.media for e in document.entities for region in e.grounding.regions]
        assert shown == ["step-1", "step-2"]


def test_given_entities_keep_their_ids_through_the_steps(points: Path) -> None:
    names = ["third", "first", "second"]
    entities = tuple(
        Entity(id=name, span=Span(block, 4, 9), type="OTHER")
        for name, block in zip(names, ("s3", "s1", "s2"), strict=True)
    )
    document = recipe().with_annotations(Annotations(entities=entities))
    grounded = Extractor(points / "at")(document)
    assert [entity.id for entity in grounded.entities] == names
    assert [status for status, _ in boxes(grounded)] == ["unknown", "regions", "regions"]
