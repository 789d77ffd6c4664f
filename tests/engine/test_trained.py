"""A checkpoint as the extractor's model."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from PIL import Image

from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.engine import Extractor
from magpie.engine.trained import Trained, checkpoint_folder
from magpie.errors import ModelError
from magpie.features.supply import Supplier
from magpie.methods.checkpoint import load_method, read_card, save_method
from magpie.methods.labels import LabelSpace
from magpie.methods.predicting import predict_documents
from magpie.methods.registry import method_class
from magpie.schema import Annotations, Block, Document, Entity, Span

DOCUMENTS = list(controlled("test", ControlledConfig(size=8)))


@pytest.fixture(scope="module")
def extractor(trained_run: Path) -> Extractor:
    return Extractor(trained_run, ground=False)


def found(document: Document) -> list[tuple[str, int, int, str]]:
    return [(e.span.block, e.span.start, e.span.end, e.type) for e in document.entities]


def test_a_run_and_its_checkpoint_are_both_names(trained_run: Path, tmp_path: Path) -> None:
    assert checkpoint_folder(trained_run) == trained_run / "best"
    assert checkpoint_folder(str(trained_run / "last")) == trained_run / "last"
    assert checkpoint_folder(tmp_path) is None
    with pytest.raises(ModelError, match="the model lacks"):
        Extractor(tmp_path)


def test_it_says_what_the_method_says(extractor: Extractor, trained_run: Path) -> None:
    method = load_method(trained_run / "best")
    expected = predict_documents(method, DOCUMENTS, Supplier())
    for document, answer, got in zip(DOCUMENTS, expected, extractor.stream(DOCUMENTS), strict=True):
        assert found(got) == found(document.with_annotations(answer))
        assert got.blocks == document.blocks
        assert got.status == "ok"
    assert any(answer.entities for answer in expected)


def test_provenance_is_the_method_and_the_checkpoints_digest(
    extractor: Extractor, trained_run: Path
) -> None:
    document = extractor("we saw Rocky today")
    assert document.annotations is not None
    provenance = document.annotations.provenance
    assert provenance is not None
    assert provenance == extractor.provenance
    assert provenance.method == "bert-crf"
    assert provenance.config_digest == read_card(trained_run / "best").digest[:16]
    scores = [entity.score for entity in document.entities]
    assert scores == [round(score, 4) for score in scores if score is not None]


def test_texts_longer_than_the_network_keep_their_offsets(
    extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = extractor._trained
    assert trained is not None
    lengths = []

    def predict(documents: Any, assets: Any) -> list[Annotations]:
        """Every word with a capital, as the network would see it."""
        answers = []
        for document in documents:
            (block,) = document.blocks
            counted = trained._method.piece_counts(document)
            lengths.append(sum(word[3] for word in counted) + 2)
            capitals = [word for word in counted if block.text[word[1]].isupper()]
            answers.append(
                Annotations(
                    entities=tuple(
                        Entity(id=f"e{n}", span=Span(block.id, word[1], word[2]), type="PER")
                        for n, word in enumerate(capitals)
                    )
                )
            )
        return answers

    monkeypatch.setattr(trained._method, "predict", predict)
    text = "we saw Rocky today ! again look , Jordan . " * 30
    document = extractor(text)
    assert max(lengths) <= 40 < sum(lengths)
    assert [document.text_of(entity) for entity in document.entities] == ["Rocky", "Jordan"] * 30
    assert [e.span.start for e in document.entities] == [
        place for n in range(30) for place in (43 * n + 7, 43 * n + 34)
    ]


def test_several_blocks_stay_apart(extractor: Extractor) -> None:
    blocks = tuple(
        Block(id=f"s{number}", text="we saw Rocky today " * count)
        for number, count in enumerate((1, 0, 20, 1))
    )
    document = extractor(Document(id="d", blocks=blocks))
    by_block = {entity.span.block for entity in document.entities}
    assert by_block == {"s0", "s2", "s3"}
    for entity in document.entities:
        text = next(block.text for block in blocks if block.id == entity.span.block)
        assert text[entity.span.start : entity.span.end].strip()


def test_bare_empty_and_strange_texts(extractor: Extractor) -> None:
    for text in ("", " ", "\u00a0", "x" * 3000, "\u0301", "a\n\nb"):
        document = extractor(text)
        assert document.status == "ok"
        assert document.blocks[0].text == text


def test_one_bad_document_fails_alone(
    extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = extractor._trained
    assert trained is not None
    real = trained._method.predict

    def predict(documents: Any, assets: Any) -> Any:
        if any(document.id == "bad" for document in documents):
            raise ZeroDivisionError("on purpose")
        return real(documents, assets)

    monkeypatch.setattr(trained._method, "predict", predict)
    texts = [
        Document(id=name, blocks=(Block(text="we saw Rocky today"),)) for name in ("a", "bad", "c")
    ]
    results = list(extractor.stream(texts))
    assert [(d.id, d.status) for d in results] == [("a", "ok"), ("bad", "failed"), ("c", "ok")]
    assert results[1].problems[0].message == "ZeroDivisionError: on purpose"
    assert found(results[0]) == found(results[2]) != []


# pictures


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multimodal method, untrained: its answers depend on the picture all the same."""
    import torch

    cls = method_class("mmner-model")
    torch.manual_seed(3)
    config = cls.Config(text="tiny-bert", vision="tiny-vit", width=32, heads=4, inner=32)
    method = cls.build(config, LabelSpace.of(DOCUMENTS))
    with torch.no_grad():
        method.head.weight.mul_(20)  # type: ignore[union-attr,operator]
    folder = tmp_path_factory.mktemp("looking") / "c"
    save_method(method, folder)
    return folder


def test_a_picture_counts_however_it_is_given(looking: Path, tmp_path: Path) -> None:
    extractor = Extractor(looking, ground=False, root=tmp_path)
    picture = Image.new("RGB", (80, 60), (200, 30, 30))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    (tmp_path / "p.png").write_bytes(buffer.getvalue())
    text = "we saw Rocky today and Jordan again , so good"
    answers = [
        [(e.span, e.type, e.score) for e in extractor(text, image).entities]
        for image in (None, picture, buffer.getvalue(), "p.png")
    ]
    assert answers[1] == answers[2] == answers[3]
    assert answers[0] != answers[1]
    document = extractor(text, picture)
    assert document.media[0].data is None  # given as an object, not kept


def test_an_absent_picture_is_told_of_once(looking: Path, tmp_path: Path) -> None:
    class Blind:
        name = "blind"

        def ground(self, request: Any) -> Any:
            raise AssertionError("nothing can be looked at")

    # The method reads pictures, and so does what looks for its entities: both miss this one.
    extractor = Extractor(looking, ground=Blind(), root=tmp_path)  # type: ignore[arg-type]
    (problem,) = extractor("we saw Rocky today", "gone.png").problems
    assert (problem.code, problem.where) == ("media-absent", "medium 'm0': gone.png")
    assert problem.mend
    (alone,) = Extractor(looking, ground=False, root=tmp_path)("we saw Rocky", "gone.png").problems
    assert (alone.code, alone.where) == ("media-absent", "medium 'm0'")


def test_grounding_still_looks_for_what_a_text_method_found(trained_run: Path) -> None:
    class Seen:
        name = "seen"

        def ground(self, request: Any) -> Any:
            self.entities = request.document.entities
            raise RuntimeError("looked")

    grounder = Seen()
    extractor = Extractor(trained_run, ground=grounder)  # type: ignore[arg-type]
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, format="PNG")
    document = extractor("we saw Rocky today", buffer.getvalue())
    assert grounder.entities == document.entities
    assert document.problems[0].message == "RuntimeError: looked"


# what it costs


def test_torch_comes_with_the_first_checkpoint_only(trained_run: Path) -> None:
    code = (
        "import sys\n"
        "import magpie.engine.extractor, magpie.engine.trained\n"
        "assert 'torch' not in sys.modules\n"
        "from magpie.engine import Extractor\n"
        f"Extractor({str(trained_run)!r}, ground=False)('we saw Rocky')\n"
        "assert 'torch' in sys.modules and 'onnxruntime' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_damaged_checkpoint_is_named(trained_run: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_run / "best", tmp_path / "c")
    path = tmp_path / "c" / "config.json"
    value = json.loads(path.read_text())
    value["config"]["max_length"] = 2
    path.write_text(json.dumps(value))
    with pytest.raises(Exception, match="max_length must be at least 3"):
        Trained(tmp_path / "c")
