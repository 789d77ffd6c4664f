"""The files that ship keep the scores their model card states."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

import magpie.engine.embedded
from magpie.engine.embedded.decode import Chain, chunks, viterbi
from magpie.engine.embedded.features import SPEC, Featuriser, pad

FOLDER = Path(magpie.engine.embedded.__file__).parent


@pytest.fixture(scope="module")
def config():
    return json.loads((FOLDER / "config.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def session():
    import onnxruntime

    return onnxruntime.InferenceSession(
        str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"]
    )


@pytest.fixture(scope="module")
def featurise(config):
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    return Featuriser(tokenizer, max_pieces=config["max_pieces"])


def tag(texts, session, featurise, config):
    chain = Chain(*(np.array(config[name]) for name in ("start", "transitions", "end")))
    if config["constrain_bio"]:
        chain = chain.constrained(config["labels"])
    found = {}
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for begin in range(0, len(order), 32):
        rows = order[begin : begin + 32]
        arrays, mask = pad([featurise(texts[i]) for i in rows])
        emissions, _ = session.run(["emissions", "fine_logits"], arrays)
        for row, path in zip(rows, viterbi(emissions, mask, chain), strict=True):
            found[row] = chunks([config["labels"][i] for i in path])
    return [found[i] for i in range(len(texts))]


def test_it_fits_this_release_and_its_size_limit(config):
    assert config["spec"] == SPEC
    assert (FOLDER / "model.onnx").stat().st_size < 25_000_000
    assert len(config["fine_types"]) == 51


def test_a_plain_sentence(session, featurise, config):
    words = ["Barack", "Obama", "met", "Angela", "Merkel", "in", "Berlin", "!"]
    (found,) = tag([words], session, featurise, config)
    assert [(c.type, words[c.start : c.end]) for c in found] == [
        ("PER", ["Barack", "Obama"]),
        ("PER", ["Angela", "Merkel"]),
        ("LOC", ["Berlin"]),
    ]


def test_a_text_scores_the_same_alone_and_among_others(session, featurise):
    texts = [featurise(t.split()) for t in ("Ann is in Oslo", "a far longer text about # NBA " * 4)]
    together, _ = session.run(None, pad(texts)[0])
    alone, _ = session.run(None, pad(texts[:1])[0])
    np.testing.assert_allclose(together[0, :4], alone[0], atol=1e-3)


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.parametrize(
    ("ref", "stated"), [("twitter2017@umt", 83.56), ("twitter2015@umt", 74.92)]
)
def test_the_stated_scores(ref, stated, session, featurise, config, data_dir):
    from magpie.training.embedded.data import read_posts

    posts = read_posts(ref, "test", data_dir)
    predicted = tag([post.words for post in posts], session, featurise, config)
    right = wanted = had = 0
    for post, mine in zip(posts, predicted, strict=True):
        gold = set(chunks(post.tags))
        right += len(gold & set(mine))
        wanted += len(gold)
        had += len(set(mine))
    # Other processors round int8 products differently in the last place.
    assert 200 * right / (wanted + had) == pytest.approx(stated, abs=0.3)
