"""M2E2 from a small archive of our own: merged sentences, pictures, events of both."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import load
from magpie.corpora.digests import digest_status
from magpie.corpora.m2e2_parts import article_of
from magpie.errors import FormatError, NotFoundError

Make = Callable[..., Path]

WORDS = ["Police", "arrest", "Ada", "in", "Turin", "."]


def place(words: list[str], start: int, end: int, **more: str) -> dict[str, Any]:
    return {"start": start, "end": end, "text": " ".join(words[start:end]), **more}


def event(kind: str, trigger: tuple[int, int], *arguments: tuple[str, int, int]) -> dict[str, Any]:
    return {
        "event_type": kind,
        "trigger": place(WORDS, *trigger),
        "arguments": [place(WORDS, start, end, role=role) for role, start, end in arguments],
    }


def sentence(identifier: str, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
    entities = [
        place(WORDS, 0, 1, **{"entity-type": "ORG"}),
        place(WORDS, 2, 3, **{"entity-type": "PER"}),
        place(WORDS, 4, 5, **{"entity-type": "GPE"}),
    ]
    article = article_of(identifier)
    return {
        "sentence_id": identifier,
        "sentence": " ".join(WORDS),
        "words": WORDS,
        "golden-entity-mentions": entities,
        "golden-event-mentions": list(events),
        "image": [f"{article}_0.jpg", f"{article}_1.jpg"],
        **more,
    }


ARREST = event("Justice:Arrest-Jail", (1, 2), ("Agent", 0, 1), ("Person", 2, 3))
MEET = event("Contact:Meet", (1, 2), ("Place", 4, 5))


def picture(kind: str, **roles: list[list[Any]]) -> dict[str, Any]:
    return {"event_type": kind, "role": roles}


PARTS: dict[str, Any] = {
    "text_only_event.json": [sentence("news_0", MEET), sentence("news_1"), sentence("other_0")],
    "text_multimedia_event.json": [sentence("news_0", ARREST), sentence("news_2", ARREST)],
    "image_only_event.json": {"other_0": picture("Life:Die", Victim=[["1", 5, 5, 9, 9]])},
    "image_multimedia_event.json": {
        "news_0": picture(
            "Justice:Arrest-Jail",
            Agent=[["0", 1, 2, 30, 40], ["1", 50, 2, 80, 40]],
            Person=[["1", 20, 20, 60, 60]],
        )
    },
    "crossmedia_coref.txt": (
        "news_0\tnews_0.jpg\tJustice:Arrest-Jail\nnews_2\tnews_0.jpg\tJustice:Arrest-Jail"
    ),
}


@pytest.fixture
def m2e2(tmp_path: Path) -> Make:
    """Writes the archive, its parts replaced by name, and returns the corpus root."""

    def write(**changes: Any) -> Path:
        folder = tmp_path / "data" / "m2e2"
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / "m2e2_annotations.zip", "w") as archive:
            for name, usual in PARTS.items():
                content = changes.get(name.partition(".")[0], usual)
                text = content if isinstance(content, str) else json.dumps(content)
                archive.writestr(f"m2e2_annotations/{name}", text)
        return tmp_path / "data"

    return write


def test_sentences_of_two_files_are_merged_by_id(m2e2: Make, notes: Any) -> None:
    documents = list(load("m2e2", "text", m2e2(), on_problem=notes))
    assert notes == []
    assert [d.id for d in documents] == ["news_0", "news_1", "other_0", "news_2"]
    first = documents[0]
    assert first.blocks[0].word_texts() == WORDS
    assert [(e.type, first.text_of(e)) for e in first.entities] == [
        ("ORG", "Police"),
        ("PER", "Ada"),
        ("GPE", "Turin"),
    ]
    assert first.annotations is not None
    meet, arrest = first.annotations.events
    assert (meet.type, arrest.type) == ("Contact:Meet", "Justice:Arrest-Jail")
    assert arrest.trigger is not None
    assert first.text_of(arrest.trigger) == "arrest"
    assert [(a.role, a.target) for a in arrest.arguments] == [("Agent", "e0"), ("Person", "e1")]
    assert [(m.id, m.uri, m.present) for m in first.media] == [
        ("m0", "news_0.jpg", False),
        ("m1", "news_1.jpg", False),
    ]
    assert [len(d.annotations.events) for d in documents if d.annotations] == [2, 0, 0, 1]


def test_sentences_of_one_id_and_other_words_are_two(m2e2: Make, notes: Any) -> None:
    other = sentence("news_0", words=[*WORDS, "!"])
    root = m2e2(text_multimedia_event=[other])
    ids = [d.id for d in load("m2e2", "text", root, on_problem=notes)]
    assert ids == ["news_0", "news_1", "other_0", "news_0#2"]
    assert notes.kinds == ["duplicate-id"]


def test_pictures_have_one_event_and_a_region_an_argument(m2e2: Make) -> None:
    first, second = load("m2e2", "image", m2e2())
    assert (first.id, second.id) == ("other_0", "news_0")
    assert first.blocks == ()
    assert second.annotations is not None
    (shown,) = second.annotations.events
    assert (shown.type, shown.trigger, shown.media) == ("Justice:Arrest-Jail", None, "m0")
    assert [(a.role, a.target) for a in shown.arguments] == [
        ("Agent", "r0"),
        ("Agent", "r1"),
        ("Person", "r2"),
    ]
    boxes = [region.box.xyxy for region in second.annotations.regions if region.box]
    assert boxes == [(1, 2, 30, 40), (50, 2, 80, 40), (20, 20, 60, 60)]
    assert second.media[0].uri == "news_0.jpg"


def test_articles_join_a_sentence_and_a_picture(m2e2: Make, notes: Any) -> None:
    (article,) = load("m2e2", "multimedia", m2e2(), on_problem=notes)
    assert notes == []
    assert article.id == "news"
    assert [block.id for block in article.blocks] == ["b0", "b1", "b2"]
    assert [medium.uri for medium in article.media] == ["news_0.jpg", "news_1.jpg"]
    assert article.annotations is not None
    first, second = article.annotations.events
    assert first.trigger is not None
    assert second.trigger is not None
    assert (first.media, first.trigger.block) == ("m0", "b0")
    assert (second.media, second.trigger.block) == ("m0", "b2")
    assert [a.target for a in first.arguments] == ["e0", "e1", "r0", "r1", "r2"]
    assert [a.target for a in second.arguments] == ["e6", "e7", "r0", "r1", "r2"]
    assert len(article.annotations.regions) == 3
    assert len(article.entities) == 9


def test_pairs_that_lead_nowhere_or_disagree(m2e2: Make, notes: Any) -> None:
    coref = (
        "news_0\tnews_0.jpg\tJustice:Arrest-Jail\n"
        "news_9\tnews_0.jpg\tLife:Die\n"
        "news_0\tnews_9.jpg\tJustice:Arrest-Jail\n"
        "news_0\tnews_0.jpg\n"
        "news_0\tnews_0.jpg\tSports:Win\n"
    )
    shown = {"news_0": picture("Life:Die", Victim=[["1", 1, 1, 2, 2]])}
    root = m2e2(crossmedia_coref=coref, image_multimedia_event=shown)
    (article,) = load("m2e2", "multimedia", root, on_problem=notes)
    assert sorted(notes.kinds) == [
        "link-dangling",
        "link-dangling",
        "type-mismatch",
        "unreadable",
        "unreadable",
    ]
    assert article.annotations is not None
    (kept,) = article.annotations.events
    assert kept.type == "Justice:Arrest-Jail"
    mismatch = next(note for note in notes if note.kind == "type-mismatch")
    assert mismatch.where.endswith("crossmedia_coref.txt:1")


def test_coarse_types(m2e2: Make) -> None:
    bare = sentence("bare_0", image=[])
    first, *_, last = load("m2e2", "text", m2e2(text_multimedia_event=[bare]), types="coarse")
    assert last.media == ()
    assert [entity.type for entity in first.entities] == ["ORG", "PER", "LOC"]


def test_pictures_folder(m2e2: Make, tmp_path: Path, notes: Any) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "news_0.jpg").write_bytes(b"jpg")
    documents = list(load("m2e2", "image", m2e2(), images=folder, on_problem=notes))
    assert [d.media[0].present for d in documents] == [False, True]
    assert notes.kinds == ["picture-missing"]


BAD_SENTENCES: dict[str, tuple[Any, str]] = {
    "no object": ("text", "format-record"),
    "no words": (sentence("x", words=[]), "format-record"),
    "word is no text": (sentence("x", words=["a", 1]), "format-record"),
    "trigger outside": (
        sentence("x", {**MEET, "trigger": {"start": 5, "end": 9, "text": "x"}}),
        "schema-span",
    ),
    "reversed": (
        sentence("x", {**MEET, "trigger": {"start": 3, "end": 3, "text": ""}}),
        "schema-span",
    ),
    "other type": (sentence("x", {**MEET, "event_type": "Sports:Win"}), "format-record"),
    "argument is no entity": (
        sentence("x", event("Contact:Meet", (1, 2), ("Place", 3, 5))),
        "schema-reference",
    ),
    "picture name is no text": (sentence("x", image=["a.jpg", 3]), "format-record"),
    "no list": (sentence("x", image="x.jpg"), "format-record"),
    "picture name is a path": (sentence("x", image=["../../x.jpg"]), "access-outside-root"),
}


@pytest.mark.parametrize("name", BAD_SENTENCES)
def test_a_bad_sentence_is_one_lost_record(name: str, m2e2: Make, notes: Any) -> None:
    bad, code = BAD_SENTENCES[name]
    root = m2e2(text_only_event=[sentence("a_0"), bad, sentence("a_1")], text_multimedia_event=[])
    documents = list(load("m2e2", "text", root, on_problem=notes))
    assert [d.id for d in documents] == ["a_0", "a_1"]
    assert notes.codes == [code]
    assert "text_only_event.json" in notes[0].where


def test_quoted_texts_are_compared_without_spaces(m2e2: Make, notes: Any) -> None:
    quoted = event("Contact:Meet", (1, 2), ("Place", 4, 5))
    quoted["trigger"]["text"] = " arr est"
    quoted["arguments"][0]["text"] = "Rome"
    root = m2e2(text_only_event=[sentence("a_0", quoted)], text_multimedia_event=[])
    (document,) = load("m2e2", "text", root, on_problem=notes)
    assert notes.kinds == ["name-mismatch"]
    assert "'Rome'" in notes[0].message
    assert document.annotations is not None
    assert len(document.annotations.events) == 1


def test_bad_boxes_and_bad_pictures(m2e2: Make, notes: Any) -> None:
    boxes = [["1", 9, 9, 5, 5], ["1", 1, 1], "box", ["1", 1, 1, 4, 4]]
    shown = {
        "a_0": picture("Life:Die", Victim=boxes),
        "a_1": {"event_type": "Life:Die"},
        "a_2": picture("Life:Die", Victim="box"),  # type: ignore[arg-type]
        "a_3": picture("Sports:Win"),
    }
    root = m2e2(image_only_event=shown, image_multimedia_event={})
    (document,) = load("m2e2", "image", root, on_problem=notes)
    assert Counter(notes.kinds) == {"box-skipped": 3, "unreadable": 3}
    assert document.annotations is not None
    (shown_event,) = document.annotations.events
    assert [a.target for a in shown_event.arguments] == ["r0"]


@pytest.mark.parametrize("split", ["text", "image", "multimedia"])
def test_cut_files_lose_only_what_is_cut(split: str, m2e2: Make, notes: Any) -> None:
    main = {"text": "text_only_event", "image": "image_only_event"}.get(split)
    if main is None:
        with pytest.raises(FormatError):
            list(load("m2e2", split, m2e2(crossmedia_coref="news_0\tne"), on_problem=notes))
        return
    whole = json.dumps(PARTS[f"{main}.json"])
    before = len(list(load("m2e2", split, m2e2())))
    root = m2e2(**{main: whole[: len(whole) - 20]})
    documents = list(load("m2e2", split, root, on_problem=notes))
    assert len(documents) == before - 1
    assert "format-json" in notes.codes


def test_wrong_roots_and_files(m2e2: Make, tmp_path: Path) -> None:
    root = m2e2()
    alone = tmp_path / "text_only_event.json"
    alone.write_text("[]")
    with pytest.raises(NotFoundError, match="five files"):
        load("m2e2", "text", alone)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="text_only_event"):
        load("m2e2", "text", tmp_path / "empty")
    assert len(list(load("m2e2", "text", root / "m2e2" / "m2e2_annotations.zip"))) == 4
    with pytest.raises(FormatError):
        list(
            load("m2e2", "text", m2e2(text_only_event="IMGID:1\nA\tO\n", text_multimedia_event=""))
        )


def test_articles_are_ids_without_their_number() -> None:
    assert article_of("VOA_2016.05_12") == "VOA_2016.05"
    assert article_of("plain") == "plain"


@pytest.mark.corpus
@pytest.mark.slow
def test_the_published_counts(data_dir: Path) -> None:
    text = list(load("m2e2", "text", data_dir))
    events = [e for d in text if d.annotations for e in d.annotations.events]
    assert (len(text), len(events)) == (6167, 1297)
    assert sum(len(e.arguments) for e in events) == 1966
    assert len({m.uri for d in text for m in d.media}) == 930
    lengths = Counter(
        len(d.blocks[0].text[e.trigger.start : e.trigger.end].split())
        for d in text
        if d.annotations
        for e in d.annotations.events
        if e.trigger
    )
    assert lengths == {1: 1279, 2: 15, 3: 3}
    image = list(load("m2e2", "image", data_dir))
    assert len(image) == 391
    assert sum(len(d.annotations.regions) for d in image if d.annotations) == 1429
    articles = list(load("m2e2", "multimedia", data_dir))
    pairs = [e for d in articles if d.annotations for e in d.annotations.events]
    assert (len(articles), len(pairs)) == (120, 309)
    assert all(pair.trigger is not None and pair.media is not None for pair in pairs)


@pytest.mark.corpus
def test_the_archive_itself_as_root_has_the_card_s_digest(data_dir: Path) -> None:
    archive = data_dir / "m2e2" / "m2e2_annotations.zip"
    sources = [next(iter(load("m2e2", "image", root))).source for root in (data_dir, archive)]
    assert [digest_status(source) for source in sources if source] == ["known", "known"]
