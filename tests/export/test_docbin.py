"""spaCy DocBin: tokens spell the text, spans sit where they should, changed docs come back."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.export import docbin, export, read
from magpie.schema import Annotations, Block, Document, Entity, Span

from . import samples

spacy = pytest.importorskip("spacy", reason="spaCy comes with the export extra")
from spacy.tokens import Doc, DocBin  # noqa: E402
from spacy.tokens import Span as SpacySpan  # noqa: E402

BLANK = spacy.blank("xx")


@pytest.fixture
def pipeline() -> Any:
    return BLANK


def with_entities(text: str, *spans: tuple[int, int], words: Any = None) -> Document:
    return Document(
        id="d",
        blocks=(Block(text=text, words=words),),
        annotations=Annotations(
            entities=tuple(
                Entity(id=f"e{n}", span=Span("b0", a, b), type="T", fine_type=f"f{n}")
                for n, (a, b) in enumerate(spans)
            )
        ),
    )


# tokens


@pytest.mark.parametrize("document", samples.all_documents(), ids=lambda d: d.id[:20])
def test_tokens_spell_the_text(document: Document, pipeline: Any) -> None:
    assert docbin.to_doc(document, pipeline).text == document.text


def test_own_words_stay_the_tokens(pipeline: Any) -> None:
    words = ["Ca", "n't", "U.S.", "@", "you", ":)"]
    document = Document(id="d", blocks=(Block.from_words(words),))
    assert [token.text for token in docbin.to_doc(document, pipeline)] == words


def test_blanks_beyond_one_become_tokens(pipeline: Any) -> None:
    doc = docbin.to_doc(with_entities("a  b\n c ", words=((0, 1), (3, 4), (6, 7))), pipeline)
    assert [(t.text, t.whitespace_) for t in doc] == [
        ("a", " "),
        (" ", ""),
        ("b", ""),
        ("\n ", ""),
        ("c", " "),
    ]


@given(
    text=st.text(alphabet="a e\u0301\n👩\u200d🚀ب艾.", max_size=12),
    numbers=st.lists(st.tuples(st.integers(0, 11), st.integers(1, 12)), max_size=4),
    own=st.booleans(),
)
def test_any_spans_of_any_text_come_back(
    text: str, numbers: list[tuple[int, int]], own: bool
) -> None:
    spans = [(a, b) for a, b in numbers if a < b <= len(text)]
    words = tuple((i, i + 1) for i in range(0, len(text), 2)) if own else None
    document = with_entities(text, *spans, words=words)
    assert docbin.from_doc(docbin.to_doc(document, BLANK)) == document


# alignment

#: "Adas" is one token; the entity is its first three characters
INSIDE = with_entities("see Adas hat", (4, 7), (9, 12))


@pytest.mark.parametrize(
    ("alignment", "found", "losses"),
    [
        ("split", ["Ada", "hat"], {}),
        ("strict", ["hat"], {"entities: no token boundary there": 1}),
        ("contract", ["hat"], {"entities: no token boundary there": 1}),
        ("expand", ["Adas", "hat"], {"entities: moved to token boundaries": 1}),
    ],
)
def test_alignment(
    alignment: str, found: list[str], losses: dict[str, int], tmp_path: Path
) -> None:
    report = export([INSIDE], "spacy", tmp_path / "x.spacy", alignment=alignment)
    assert {kind: loss.count for kind, loss in report.losses.items()} == losses
    (back,) = read("spacy", tmp_path / "x.spacy")
    assert [back.text_of(entity) for entity in back.entities] == found
    assert back.text == INSIDE.text


def test_impossible_options(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="alignment must be"):
        export([INSIDE], "spacy", tmp_path / "x", alignment="loose")
    with pytest.raises(ConfigError, match="no language 'qqq'"):
        export([INSIDE], "spacy", tmp_path / "x", language="qqq")
    assert list(tmp_path.iterdir()) == []


# what stands where


def test_what_spacy_sees(tmp_path: Path) -> None:
    document = with_entities("New York is big", (4, 8), (0, 8), (12, 15))
    export([document, samples.unannotated()], "spacy", tmp_path / "x.spacy")
    doc, bare = DocBin().from_disk(tmp_path / "x.spacy").get_docs(pipeline_vocab())
    # of two that overlap, the longer one
    assert [(e.text, e.label_, e.id_) for e in doc.ents] == [
        ("New York", "T", "e1"),
        ("big", "T", "e2"),
    ]
    assert [e.id_ for e in doc.spans["entities"]] == ["e0", "e1", "e2"]
    assert [(e.label_, e.id_) for e in doc.spans["fine_types"]] == [
        ("f0", "e0"),
        ("f1", "e1"),
        ("f2", "e2"),
    ]
    assert doc.has_annotation("ENT_IOB")
    assert not bare.has_annotation("ENT_IOB")


def pipeline_vocab() -> Any:
    from spacy.vocab import Vocab

    return Vocab()


def test_registered_attributes(pipeline: Any) -> None:
    docbin.register()
    docbin.register()
    doc = docbin.to_doc(samples.pictures(), pipeline)
    ada, turin = doc.ents
    assert (ada._.fine_type, ada._.score) == ("author", 0.5)
    assert ada._.grounding["status"] == "regions"
    assert (turin._.fine_type, turin._.score, turin._.grounding) == (
        None,
        None,
        {"status": "absent"},
    )
    assert doc._.magpie["id"] == "pictures"
    assert pipeline.make_doc("other")._.magpie is None


# docs that were changed, or come from elsewhere


def test_changes_made_in_spacy_come_back(pipeline: Any) -> None:
    doc = docbin.to_doc(samples.pictures(), pipeline)
    first, second = doc.spans["entities"]
    moved = SpacySpan(doc, 1, 3, label="NEW", span_id=second.id_)
    added = SpacySpan(doc, 1, 2, label="VERB")
    doc.spans["entities"] = [first, moved, added]
    back = docbin.from_doc(doc)
    assert [(e.id, back.text_of(e), e.type) for e in back.entities] == [
        ("e0", "Ada", "PER"),
        ("e1", "lives in", "NEW"),
        ("e2", "lives", "VERB"),
    ]
    assert back.entities[0] == samples.pictures().entities[0]
    assert back.entities[1].grounding.status == "absent"
    assert back.annotations is not None
    assert len(back.annotations.relations) == 3


def test_docs_of_other_origin(tmp_path: Path, pipeline: Any) -> None:
    doc = pipeline.make_doc("Ada met Bob")
    doc.set_ents(
        [SpacySpan(doc, 0, 1, "PER", span_id="Q7"), SpacySpan(doc, 2, 3, "PER", span_id="Q7")]
    )
    untouched = Doc(pipeline.vocab, words=["nobody", "looked"])
    DocBin(docs=[doc, untouched]).to_disk(tmp_path / "theirs.spacy")
    one, two = read("spacy", tmp_path / "theirs.spacy")
    assert (one.id, two.id) == ("theirs-1", "theirs-2")
    assert [(e.id, one.text_of(e)) for e in one.entities] == [("Q7", "Ada"), ("e0", "Bob")]
    assert one.annotations is not None
    assert two.annotations is None
    assert two.text == "nobody looked "


def test_damaged_json_is_one_bad_record(tmp_path: Path, pipeline: Any) -> None:
    good = docbin.to_doc(samples.plain(), pipeline)
    cut, other = (docbin.to_doc(samples.pictures(), pipeline) for _ in range(2))
    cut.user_data["magpie"] = cut.user_data["magpie"][:-4]
    other.user_data["magpie"] = good.user_data["magpie"]
    DocBin(store_user_data=True, docs=[cut, other, good]).to_disk(tmp_path / "x.spacy")
    problems: list[MagpieError] = []
    (back,) = read("spacy", tmp_path / "x.spacy", on_problem=problems.append)
    assert back == samples.plain()
    assert [problem.code for problem in problems] == ["format-json", "format-record"]
    assert "x.spacy: document 1" in problems[0].where
    assert "cover 8 characters of 18" in problems[1].message
    with pytest.raises(FormatError):
        list(read("spacy", tmp_path / "x.spacy"))


@pytest.mark.parametrize(
    "stored",
    ["[]", "7", "{}", '{"id": "x"}', '{"blocks": 3}', '{"blocks": [{"text": "Ada"}]}', "null"],
)
def test_other_json_in_the_user_data(stored: str, pipeline: Any) -> None:
    doc = pipeline.make_doc("Ada")
    doc.user_data["magpie"] = stored
    with pytest.raises(FormatError, match=r"is damaged|blocks cover"):
        docbin.from_doc(doc)


def test_spans_across_blocks_are_refused(pipeline: Any) -> None:
    doc = docbin.to_doc(samples.everything(), pipeline)
    doc.spans["entities"] = [SpacySpan(doc, 0, len(doc), label="ALL")]
    with pytest.raises(FormatError, match="crosses two blocks"):
        docbin.from_doc(doc)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docbin, "MAX_BYTES", 1 << 20)
    (tmp_path / "bomb.spacy").write_bytes(zlib.compress(b"\0" * (40 << 20)))
    with pytest.raises(FormatError, match="once decompressed") as caught:
        list(read("spacy", tmp_path / "bomb.spacy"))
    assert caught.value.code == "format-too-long"


@pytest.mark.parametrize(
    "content",
    [b"", b"text", zlib.compress(b"\xc1"), zlib.compress(b"\x80"), zlib.compress(b"\x01")],
)
def test_other_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.spacy").write_bytes(content)
    with pytest.raises(FormatError, match="expected a spaCy DocBin"):
        list(read("spacy", tmp_path / "x.spacy"))
