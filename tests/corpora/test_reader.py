"""Reading a column corpus: values, options, and each kind of bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from magpie.corpora import is_orphan, load
from magpie.errors import ConfigError, FormatError, NotFoundError, SchemaError
from magpie.text.tags import ORPHAN

from .conftest import TWEETS, Notes, undigested

Write = Callable[..., Path]


def test_document_of_a_post(twitter2015: Write) -> None:
    first, second = load("twitter2015", "test", twitter2015())
    assert (first.id, second.id) == ("11", "12")
    assert second.text == "Ada Byron visits Turin"
    assert second.blocks[0].word_texts() == ["Ada", "Byron", "visits", "Turin"]
    entities = [(second.text_of(e), e.id, e.type, e.grounding.status) for e in second.entities]
    assert entities == [("Ada Byron", "e0", "PER", "unknown"), ("Turin", "e1", "LOC", "unknown")]
    assert second.source is not None
    assert (second.source.corpus, second.source.split) == ("twitter2015@umt", "test")
    assert (second.source.file, second.source.line) == ("twitter2015/test.txt", 6)
    assert second.annotations is not None
    assert second.annotations.provenance is not None
    assert second.annotations.provenance.method == "corpus"


def test_orphans_are_marked_or_dropped(twitter2015: Write, notes: Notes) -> None:
    root = twitter2015()
    first = next(load("twitter2015", "test", root, on_problem=notes))
    assert [is_orphan(entity) for entity in first.entities] == [True]
    assert first.entities[0].provenance is not None
    assert first.entities[0].provenance.evidence == (ORPHAN,)
    assert [(a.kind, a.record) for a in notes] == [("orphan-tag", "11")]
    assert notes[0].where.endswith("twitter2015/test.txt:4")
    first = next(load("twitter2015", "test", root, orphans="drop"))
    assert first.entities == ()
    assert first.annotations is not None


def test_coarse_types_join_misc_and_other(tmp_path: Path) -> None:
    file = tmp_path / "test.txt"
    file.write_text("IMGID:1\nOscar\tB-MISC\n", encoding="utf-8")
    own = next(load("twitter2017", "test", file))
    coarse = next(load("twitter2017", "test", file, types="coarse"))
    assert [own.entities[0].type, coarse.entities[0].type] == ["MISC", "OTHER"]


def test_posts_without_ids_are_numbered(tmp_path: Path) -> None:
    file = tmp_path / "emerging.dev.conll"
    file.write_text("a\tO\n\t\nb\tB-person\n", encoding="utf-8")
    documents = list(load("wnut17", "valid", file, types="coarse"))
    assert [(d.id, d.media) for d in documents] == [("dev-1", ()), ("dev-2", ())]
    assert documents[1].entities[0].type == "PER"


def test_record_of_empty_words_is_an_empty_document(tmp_path: Path, notes: Notes) -> None:
    file = tmp_path / "btc.dev"
    file.write_text("a\tO\n\n\tO\n\nb\tO\n", encoding="utf-8")
    documents = list(load("broad-twitter", "dev", file, on_problem=notes))
    assert [d.text for d in documents] == ["a", "", "b"]
    assert notes.kinds == ["empty-word"]


@pytest.mark.parametrize("option", [{"types": "fine"}, {"orphans": "keep"}])
def test_impossible_options(twitter2015: Write, option: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="must be one of"):
        load("twitter2015", "test", twitter2015(), **option)  # type: ignore[arg-type]


def test_missing_things_are_named_at_the_call(twitter2015: Write, tmp_path: Path) -> None:
    root = twitter2015()
    with pytest.raises(NotFoundError, match=r"twitter2015/train\.txt"):
        load("twitter2015", "train", root)
    with pytest.raises(NotFoundError, match="no split 'tset'") as caught:
        load("twitter2015", "tset", root)
    assert "train, dev, test" in caught.value.mend
    with pytest.raises(NotFoundError, match="pictures folder"):
        load("twitter2015", "test", root, images=tmp_path / "nowhere")


# Bad input


def test_truncated_file_loses_the_cut_record_only(twitter2015: Write, notes: Notes) -> None:
    root = twitter2015(TWEETS[: TWEETS.index("visits") + 3])
    documents = list(load("twitter2015", "test", root, on_problem=notes))
    assert [d.id for d in documents] == ["11"]
    assert notes.codes == ["format-record"]
    assert "cut off" in notes[-1].error.mend  # type: ignore[union-attr]
    assert notes[-1].where.endswith(":9")
    assert notes[-1].record == "12"


def test_without_a_handler_a_lost_record_raises(twitter2015: Write) -> None:
    root = twitter2015(TWEETS[: TWEETS.index("visits") + 3])
    with pytest.raises(FormatError, match="expected 2 columns") as caught:
        list(load("twitter2015", "test", root))
    assert caught.value.where.endswith("test.txt:9")


@pytest.mark.parametrize("content", ["", "\n\n \n"])
def test_zero_byte_file(twitter2015: Write, content: str) -> None:
    with pytest.raises(FormatError, match="no record") as caught:
        list(load("twitter2015", "test", twitter2015(content)))
    assert caught.value.mend


def test_wrong_encoding(twitter2015: Write, notes: Notes) -> None:
    data = TWEETS.replace("Rain", "Fr\u00fchling").encode("latin-1")
    root = twitter2015(data)
    documents = list(load("twitter2015", "test", root, on_problem=notes))
    assert [d.id for d in documents] == ["12"]
    assert notes.codes == ["format-encoding"]
    assert notes[0].where.endswith(":2")


def test_crlf_reads_the_same(twitter2015: Write) -> None:
    plain = undigested(load("twitter2015", "test", twitter2015()))
    windows = undigested(load("twitter2015", "test", twitter2015(TWEETS.replace("\n", "\r\n"))))
    assert windows == plain


def test_tabs_as_spaces_read_the_same(twitter2015: Write, notes: Notes) -> None:
    plain = undigested(load("twitter2015", "test", twitter2015()))
    root = twitter2015(TWEETS.replace("\t", "   "))
    assert undigested(load("twitter2015", "test", root, on_problem=notes)) == plain
    assert notes.kinds.count("separator") == 7
    assert notes.codes == []


def test_duplicate_ids_stay_apart(twitter2015: Write, notes: Notes) -> None:
    root = twitter2015((TWEETS + "\n") * 2)
    documents = list(load("twitter2015", "test", root, on_problem=notes))
    assert [d.id for d in documents] == ["11", "12", "11#2", "12#2"]
    assert [d.media[0].uri for d in documents] == ["11.jpg", "12.jpg"] * 2
    assert notes.kinds.count("duplicate-id") == 2


def test_file_of_another_corpus_is_refused_with_its_name(twitter2015: Write, notes: Notes) -> None:
    posts = "".join(f"IMGID:{n}\nOscar\tB-MISC\n\n" for n in range(60))
    with pytest.raises(FormatError, match="none of the first 25 records") as caught:
        list(load("twitter2015", "test", twitter2015(posts), on_problem=notes))
    assert caught.value.code == "format-unknown"
    assert "twitter2017@umt" in caught.value.mend
    assert caught.value.where.endswith("test.txt:2")


@pytest.mark.parametrize(
    "content", ["Rain\tO\nTurin\tB-LOC\n", '{"id": "1", "text": "a"}\n', "PK\x03\x04\x00\n"]
)
def test_file_of_another_format_is_refused(twitter2015: Write, content: str, notes: Notes) -> None:
    with pytest.raises(FormatError) as caught:
        list(load("twitter2015", "test", twitter2015(content), on_problem=notes))
    assert caught.value.code == "format-unknown"


def test_post_of_the_other_release_is_set_aside(twitter2015: Write, notes: Notes) -> None:
    root = twitter2015(TWEETS + "\nIMGID:13\nOscar\tB-MISC\n")
    documents = list(load("twitter2015", "test", root, on_problem=notes))
    assert [d.id for d in documents] == ["11", "12"]
    assert notes.codes == ["format-tags"]


def test_nul_and_lone_surrogates_lose_their_record(twitter2015: Write, notes: Notes) -> None:
    root = twitter2015(TWEETS + "\nIMGID:13\na\0b\tO\n")
    assert len(list(load("twitter2015", "test", root, on_problem=notes))) == 2
    assert notes.codes == ["schema-text"]
    assert notes[-1].where.endswith("test.txt:12")
    with pytest.raises(SchemaError):
        list(load("twitter2015", "test", root))
    surrogate = b"\nIMGID:13\n\xed\xa0\x80\tO\n"
    root = twitter2015(TWEETS.encode() + surrogate)
    assert len(list(load("twitter2015", "test", root, on_problem=notes))) == 2
    assert notes.codes[-1] == "format-encoding"


@pytest.mark.slow
def test_line_of_70_megabytes(twitter2015: Write, notes: Notes) -> None:
    huge = b"IMGID:13\n" + b"x" * 70_000_000 + b"\tO\nb\tO\n\nIMGID:14\nc\tO\n"
    root = twitter2015(TWEETS.encode() + b"\n" + huge)
    del huge
    documents = list(load("twitter2015", "test", root, on_problem=notes))
    assert [d.id for d in documents] == ["11", "12", "14"]
    assert notes.codes == ["format-too-long"]
    assert notes[-1].where.endswith(":13")


def test_path_as_picture_id_is_set_aside(twitter2015: Write, notes: Notes) -> None:
    root = twitter2015(TWEETS + "\nIMGID:../../secret\na\tO\n")
    assert len(list(load("twitter2015", "test", root, on_problem=notes))) == 2
    assert notes.codes == ["access-outside-root"]
