"""What a trained method could not see, and what is said of it."""

from __future__ import annotations

import io

import pytest

pytest.importorskip("torch")

from PIL import Image

from magpie.engine.sight import sight_of, with_sizes
from magpie.features import Asset, Crops, Pixels, RegionFeatures, Texts
from magpie.features.each import PerPicture
from magpie.schema import Block, Document, Media

REGIONS = RegionFeatures("published")
NO_FILE = Asset.absent("no region features of 'p' in npz")
DAMAGED = Asset.absent("m0: damaged: no picture [media-unreadable]")


def post(*media: Media) -> Document:
    return Document(id="d", blocks=(Block(text="x"),), media=media or (Media(uri="p.jpg"),))


def test_everything_there_is_no_problem() -> None:
    sight = sight_of(post(), {REGIONS: Asset(), Pixels(): Asset()})
    assert sight.problems == ()
    assert sight.sees("m0")
    assert sight.sees(None)


def test_why_a_picture_was_not_seen() -> None:
    sight = sight_of(post(), {REGIONS: NO_FILE, Pixels(): DAMAGED})
    found = [(p.code, p.message, p.where, bool(p.mend)) for p in sight.problems]
    assert found == [
        ("media-unreadable", "m0: damaged: no picture", "medium 'm0'", False),
        ("features-absent", "no region features of 'p' in npz", "medium 'm0'", True),
    ]
    assert not sight.sees("m0")
    assert not sight.sees(None)
    # The same reason for two needs is one problem, and pixels alone leave regions to see with.
    sight = sight_of(post(), {REGIONS: DAMAGED, Pixels(): DAMAGED})
    assert len(sight.problems) == 1
    assert sight_of(post(), {REGIONS: Asset(), Pixels(): DAMAGED}).sees("m0")


def test_a_code_that_is_none_stays_in_the_message() -> None:
    (problem,) = sight_of(post(), {REGIONS: Asset.absent("file [of-boxes]")}).problems
    assert (problem.code, problem.message) == ("features-absent", "file [of-boxes]")


def test_what_is_no_problem() -> None:
    texts = {Texts(): Asset.absent("no caption"), Crops(): Asset.absent("no cut-out")}
    assert sight_of(post(), texts).problems == ()
    known = post(Media(missing="withdrawn"))
    sight = sight_of(known, {REGIONS: NO_FILE})
    assert sight.problems == ()
    assert not sight.sees(None)
    bare = Document(id="d", blocks=(Block(text="x"),))
    assert sight_of(bare, {REGIONS: Asset.absent("none")}).problems == ()
    assert sight_of(post(), {REGIONS: NO_FILE}, regions_wanted=False).problems == ()


def test_steps_are_blind_one_by_one() -> None:
    need = PerPicture(REGIONS)
    document = post(Media(id="a", uri="a.jpg"), Media(id="b", uri="b.jpg"))
    sight = sight_of(document, {need: Asset(parts={"a": Asset(), "b": NO_FILE})})
    assert [problem.where for problem in sight.problems] == ["medium 'b'"]
    assert sight.sees("a")
    assert not sight.sees("b")
    assert not sight.sees(None)
    blind = sight_of(document, {need: Asset(parts={"a": NO_FILE, "b": NO_FILE}, present=False)})
    assert not blind.sees("a")
    assert len(blind.problems) == 2


def test_sizes_are_those_of_the_upright_picture() -> None:
    stream = io.BytesIO()
    image = Image.new("RGB", (30, 20))
    exif = image.getexif()
    exif[274] = 6  # turned by a quarter
    image.save(stream, "JPEG", exif=exif)
    media = (
        Media(id="turned", data=stream.getvalue()),
        Media(id="known", data=stream.getvalue(), width=300, height=200),
        Media(id="bad", data=b"<html>"),
        Media(id="gone", missing="withdrawn"),
    )
    sized = with_sizes(post(*media), None, None)
    assert [(m.width, m.height) for m in sized.media] == [
        (20, 30), (300, 200), (None, None), (None, None),
    ]  # fmt: skip
    untouched = post(*media[1:])
    assert with_sizes(untouched, None, None) is untouched
