"""Extractor: offsets of any text, order, failures as statuses, pictures through a grounder."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from magpie.engine import Extractor
from magpie.engine.extractor import METHOD
from magpie.engine.grounding import GroundingRequest, GroundingResult
from magpie.errors import ConfigError, FormatError, ModelError, SchemaError
from magpie.schema import Block, Box, ContextText, Document, Grounding, Media, Region

TEXT = "Marie Curie moved from Warsaw to Paris."


def _found(document: Document) -> set[tuple[str, str]]:
    return {(document.text_of(entity), entity.type) for entity in document.entities}


def _png(size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "navy").save(buffer, format="PNG")
    return buffer.getvalue()


class Corner:
    """A grounder that shows each entity in the corner of every picture it is given."""

    name = "corner"

    def __init__(self) -> None:
        self.requests: list[GroundingRequest] = []

    def ground(self, request: GroundingRequest) -> GroundingResult:
        self.requests.append(request)
        regions = [
            Region.of_box(Box(0, 0, image.width / 2, image.height / 2, identifier))
            for identifier, image in request.images.items()
        ]
        grounding = Grounding.in_regions(*regions)
        return GroundingResult(groundings=(grounding,) * len(request.document.entities))


class Broken:
    """A grounder with a defect."""

    name = "broken"

    def ground(self, request: GroundingRequest) -> GroundingResult:
        raise ZeroDivisionError("division by zero")


def test_entities_with_ids_scores_and_provenance(extractor: Extractor) -> None:
    document = extractor(TEXT)
    assert document.status == "ok"
    assert document.text == TEXT
    assert _found(document) == {("Marie Curie", "PER"), ("Warsaw", "LOC"), ("Paris", "LOC")}
    assert [entity.id for entity in document.entities] == ["e0", "e1", "e2"]
    assert document.entities[0].span.start == 0
    assert document.entities[0].span.end == 11
    assert document.annotations is not None
    provenance = document.annotations.provenance
    assert provenance is not None
    assert provenance.method == METHOD
    assert provenance.version.startswith("0.")
    assert len(provenance.config_digest) == 16


def test_empty_text_is_fine(extractor: Extractor) -> None:
    for text in ("", " \n\t "):
        document = extractor(text)
        assert document.status == "ok"
        assert document.annotations is not None
        assert document.entities == ()


@pytest.mark.parametrize(
    "text",
    [
        "🚀🚀 Marie Curie flew to Paris 🇫🇷 with 👩‍👩‍👧",
        "مرحبا Marie Curie in Paris שלום",
        "Zoe\u0308 met Marie Curie, in Paris \u0301\u0302",
        "\u202eMarie Curie\u202c and Paris",
        "\ufeffMarie Curie\u00a0visited\u2003Paris",
        "Marie Curie\r\nvisited\r\nParis",
    ],
)
def test_offsets_are_code_points_of_the_given_text(extractor: Extractor, text: str) -> None:
    document = extractor(text)
    assert document.text == text
    for name in ("Marie Curie", "Paris"):
        spans = [(entity.span.start, entity.span.end) for entity in document.entities]
        assert (text.index(name), text.index(name) + len(name)) in spans


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
def test_any_text_gives_valid_ordered_spans(extractor: Extractor, text: str) -> None:
    document = extractor(text)
    assert document.status == "ok"
    end = 0
    for entity in document.entities:
        assert end <= entity.span.start < entity.span.end <= len(text)
        assert document.text_of(entity).strip() == document.text_of(entity)
        end = entity.span.end
    assert Document.from_json(document.to_json()) == document


def test_words_of_the_corpus_are_kept(extractor: Extractor) -> None:
    block = Block.from_words(["Marie", "Curie", "loved", "Paris", "."])
    document = extractor(Document(id="x", blocks=(block,)))
    assert _found(document) == {("Marie Curie", "PER"), ("Paris", "LOC")}
    # As one word the corpus joins what a splitter would cut.
    joined = Block(text="Marie Curie loved Paris", words=((0, 11), (12, 17), (18, 23)))
    for entity in extractor(Document(id="x", blocks=(joined,))).entities:
        assert (entity.span.start, entity.span.end) in {(0, 11), (12, 17), (18, 23), (0, 17)}


def test_several_blocks_number_their_entities_on(extractor: Extractor) -> None:
    blocks = (Block(id="a", text="Marie Curie arrived."), Block(id="b", text="She saw Paris."))
    document = extractor(Document(id="x", blocks=blocks))
    assert [(e.id, e.span.block, document.text_of(e)) for e in document.entities] == [
        ("e0", "a", "Marie Curie"),
        ("e1", "b", "Paris"),
    ]


def test_old_annotations_and_problems_go(extractor: Extractor) -> None:
    first = extractor("Berlin is far from Tokyo")
    again = extractor(first)
    assert again == first


def test_bad_texts_raise(extractor: Extractor, model: str) -> None:
    with pytest.raises(SchemaError, match="NUL") as nul:
        extractor("a\0b")
    assert nul.value.code == "schema-text"
    with pytest.raises(SchemaError, match="lone surrogate"):
        extractor("a\ud83d")
    short = Extractor(model, ground=False, max_chars=10)
    with pytest.raises(FormatError, match="12 characters, at most 10") as long:
        short("a" * 12)
    assert long.value.code == "format-too-long"
    with pytest.raises(SchemaError, match="an image must be"):
        extractor("a", image=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{"threads": 0}, {"bucket": 0}, {"max_chars": 0}, {"threads": True}]
)
def test_impossible_options(model: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        Extractor(model, **options)


def test_unknown_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        Extractor(tmp_path / "nothing")


def test_stream_keeps_order_and_equals_single_calls(extractor: Extractor) -> None:
    texts = [
        f"{'so ' * (index % 7)}Marie Curie met {index} friends in Paris" for index in range(70)
    ]
    documents = [Document(id=str(i), blocks=(Block(text=t),)) for i, t in enumerate(texts)]
    for batch_size in (1, 7, 32, 1000):
        found = list(extractor.stream(documents, batch_size))
        assert [document.id for document in found] == [document.id for document in documents]
        if batch_size == 7:
            assert found == [extractor(document) for document in documents]


def test_stream_turns_failures_into_statuses(extractor: Extractor) -> None:
    given_records: list[Document | dict[str, Any]] = [
        {"id": "good", "text": TEXT},
        {"id": "nul", "text": "a\0b"},
        {"text": "no id"},
        {"id": "surrogate", "text": "\ud800"},
        {"id": "long", "text": "x" * 100_001},
        {"id": 7, "text": ""},
        Document(id="unread", blocks=(), status="failed"),
    ]
    found = list(extractor.stream(given_records, batch_size=3))
    assert [document.status for document in found] == [
        "ok", "failed", "failed", "failed", "failed", "ok", "failed",
    ]  # fmt: skip
    assert [document.id for document in found] == [
        "good", "nul", "?", "surrogate", "long", "7", "unread",
    ]  # fmt: skip
    codes = [document.problems[0].code for document in found if document.problems]
    assert codes == ["schema-text", "format-record", "schema-text", "format-too-long"]
    assert all(d.annotations is None for d in found if d.status == "failed")


def test_stream_reads_only_a_little_ahead(extractor: Extractor) -> None:
    read = 0

    def endless() -> Iterator[Document]:
        nonlocal read
        while True:
            read += 1
            yield Document(id=str(read), blocks=(Block(text="Paris"),))

    stream = extractor.stream(endless(), batch_size=4)
    for _ in range(10):
        next(stream)
    assert read <= 10 + 4 * (extractor.threads + 2)
    stream.close()  # type: ignore[attr-defined]


def test_stream_checks_its_option_at_once(extractor: Extractor) -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        extractor.stream([], batch_size=0)


def test_errors_of_the_users_iterable_come_through(extractor: Extractor) -> None:
    def failing() -> Iterator[Document]:
        yield Document(id="0", blocks=(Block(text="Paris"),))
        raise OSError("disk on fire")

    with pytest.raises(OSError, match="disk on fire"):
        list(extractor.stream(failing()))


def test_pictures_reach_the_grounder(model: str, tmp_path: Path) -> None:
    grounder = Corner()
    extractor = Extractor(model, ground=grounder)
    path = tmp_path / "a.png"
    path.write_bytes(_png((20, 10)))
    pillow = Image.new("RGB", (8, 6))
    document = extractor(TEXT, image=[path, _png(), pillow])
    assert document.status == "ok"
    assert [medium.id for medium in document.media] == ["m0", "m1", "m2"]
    assert [(medium.width, medium.height) for medium in document.media] == [
        (20, 10), (40, 30), (8, 6),
    ]  # fmt: skip
    assert [box.xyxy for box in document.entities[0].boxes] == [
        (0, 0, 10, 5), (0, 0, 20, 15), (0, 0, 4, 3),
    ]  # fmt: skip
    assert document.media[0].uri == str(path)
    assert document.media[1].data is not None
    assert document.media[2].missing is not None
    assert grounder.requests[0].complete


def test_opened_pillow_picture_keeps_its_file(model: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png())
    with Image.open(path) as opened:
        document = Extractor(model, ground=Corner())(TEXT, image=opened)
    assert document.media[0].uri == str(path)
    assert document.media[0].present
    assert document.entities[0].grounding.status == "regions"


def test_pictures_come_after_those_of_the_document(model: str) -> None:
    given_document = Document.from_text(TEXT, images=(_png(),))
    document = Extractor(model, ground=Corner())(given_document, image=_png())
    assert [medium.id for medium in document.media] == ["m0", "m1"]


def test_a_bad_picture_leaves_the_text_good(model: str, tmp_path: Path) -> None:
    extractor = Extractor(model, ground=Corner())
    document = extractor(TEXT, image=[tmp_path / "none.png", b"no picture", _png()])
    assert document.status == "partial"
    assert [problem.code for problem in document.problems] == ["media-absent", "media-unreadable"]
    assert _found(document) == {("Marie Curie", "PER"), ("Warsaw", "LOC"), ("Paris", "LOC")}
    alone = extractor(TEXT, image=b"no picture")
    assert {entity.grounding.status for entity in alone.entities} == {"unknown"}


def test_addresses_are_not_fetched(model: str) -> None:
    document = Extractor(model, ground=Corner())(TEXT, image="https://example.org/a.jpg")
    assert [problem.code for problem in document.problems] == ["access-remote"]


def test_paths_stay_below_the_root(model: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for place in (tmp_path, tmp_path / "in"):
        (place / "a.png").write_bytes(_png())
    extractor = Extractor(model, ground=Corner(), root=tmp_path / "in")
    inside, outside = extractor.stream(
        [
            {"id": "1", "text": TEXT, "image": "a.png"},
            {"id": "2", "text": TEXT, "image": "../a.png"},
        ]
    )
    assert inside.entities[0].grounding.status == "regions"
    assert [problem.code for problem in outside.problems] == ["access-outside-root"]
    assert outside.status == "partial"


def test_no_grounding_without_being_asked(extractor: Extractor) -> None:
    document = extractor(TEXT, image=b"never decoded")
    assert document.status == "ok"
    assert {entity.grounding.status for entity in document.entities} == {"unknown"}


def test_media_known_to_be_missing_are_no_problem(model: str) -> None:
    media = (Media(id="m0", uri="gone.jpg", missing="deleted by its author"),)
    given_document = Document(id="x", blocks=(Block(text=TEXT),), media=media)
    assert Extractor(model, ground=Corner())(given_document).status == "ok"


def test_a_defect_in_a_grounder_spares_the_batch(model: str) -> None:
    documents = [Document.from_text(TEXT, id=str(i), images=(_png(),)) for i in range(3)]
    found = list(Extractor(model, ground=Broken()).stream(documents))
    assert [document.status for document in found] == ["partial"] * 3
    assert found[0].problems[0].code == "internal"
    assert "ZeroDivisionError: division by zero" in found[0].problems[0].message
    assert len(found[0].entities) == 3


def test_caption_becomes_context(model: str) -> None:
    grounder = Corner()
    Extractor(model, ground=grounder)(TEXT, image=_png(), caption="a blue square")
    (note,) = grounder.requests[0].document.context
    assert (note.kind, note.text) == ("caption", "a blue square")


def test_lettering_of_an_earlier_run_is_not_doubled(model: str) -> None:
    own = ContextText(kind="ocr", text="EXIT", source="rapidocr", media="m0")
    users = ContextText(kind="ocr", text="typed by hand", source="me", media="m0")
    given_document = dataclasses.replace(
        Document.from_text(TEXT, images=(_png(),)), context=(own, users)
    )
    looked = Extractor(model, ground=Corner())(given_document)
    assert looked.context == (users,)
    # Nobody reads it again without looking, so it stays.
    assert Extractor(model, ground=False)(given_document).context == (own, users)
