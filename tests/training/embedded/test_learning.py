"""A tiny random student runs the whole recipe: fit, teach, export, decode."""

from __future__ import annotations

import random

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")
pytest.importorskip("onnx", reason="export needs the extra 'train'")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers  # noqa: E402

from magpie.engine.embedded.decode import Chain  # noqa: E402
from magpie.engine.embedded.features import SPEC, Featuriser  # noqa: E402
from magpie.training.embedded.batches import (  # noqa: E402
    Soft,
    batches,
    inputs_of,
    items_of,
    targets_of,
)
from magpie.training.embedded.data import Post  # noqa: E402
from magpie.training.embedded.distil import label  # noqa: E402
from magpie.training.embedded.evaluate import bootstrap, score  # noqa: E402
from magpie.training.embedded.export import export  # noqa: E402
from magpie.training.embedded.finetune import fit, predict_tags  # noqa: E402
from magpie.training.embedded.network import EncoderSize, Tagger  # noqa: E402
from magpie.training.embedded.runtime import Runtime  # noqa: E402
from magpie.training.embedded.settings import LABELS, Fit  # noqa: E402

FINE = [("politician", "person"), ("city", "location"), ("company", "organization")]
NAMES = {
    "PER": ["ann", "bob", "carla"],
    "LOC": ["rome", "oslo", "lima"],
    "ORG": ["acme", "initech"],
}
FILL = ["the", "a", "is", "in", "at", "went", "saw", "with", "today", "and", "then", "from", "#"]


@pytest.fixture(scope="module")
def tokenizer():
    words = ["[PAD]", "[url]", *(f"[{i}]" for i in range(98)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [*FILL, *(name for names in NAMES.values() for name in names)]
    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))  # noqa: S106
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


@pytest.fixture(scope="module")
def posts():
    rng = random.Random(0)
    fine = {"PER": "politician", "LOC": "city", "ORG": "company"}
    made = []
    for number in range(60):
        words, tags, fines = [], [], []
        for _ in range(rng.randint(4, 8)):
            if rng.random() < 0.35:
                kind = rng.choice(sorted(NAMES))
                words.append(rng.choice(NAMES[kind]).title())
                tags.append(f"B-{kind}")
                fines.append(f"B-{fine[kind]}")
            else:
                words.append(rng.choice(FILL))
                tags.append("O")
                fines.append("O")
        made.append(Post(str(number), words, tags, fines))
    return made


@pytest.fixture(scope="module")
def featurise(tokenizer):
    return Featuriser(tokenizer, max_pieces=32)


@pytest.fixture(scope="module")
def items(posts, featurise):
    return items_of(posts, "twitter", featurise, {name: i for i, (name, _) in enumerate(FINE)})


def tiny(tokenizer):
    torch.manual_seed(0)
    size = EncoderSize(
        vocabulary=tokenizer.get_vocab_size(), width=32, layers=2, heads=4, inner=64, positions=64
    )
    return Tagger(len(FINE), size=size, dropout=0.0, head_dropout=0.0)


def test_batches_hold_every_item_once(items):
    seen = [id(item) for batch in batches(items, 7, random.Random(1)) for item in batch]
    assert sorted(seen) == sorted(id(item) for item in items)


def test_targets_of_gold_and_of_a_teacher(items):
    item = items[0]
    w = item.width
    gold = targets_of([item], w, 3)
    assert gold.tags.unary[0].argmax(1).tolist() == [LABELS.index(t) for t in item.tags]
    assert gold.tags.pairwise.sum().item() == w - 1
    soft = Soft(
        np.full((w, 9), 1 / 9, np.float16),
        np.full((w - 1, 9, 9), 1 / 81, np.float16),
        np.full((w, 3), 1 / 3, np.float16),
    )
    item.soft = soft
    taught = targets_of([item], w + 2, 3)
    item.soft = None
    assert taught.fine.max() == -1
    assert taught.soft_fine is not None
    torch.testing.assert_close(taught.tags.unary[0, :w].sum(1), torch.ones(w), atol=1e-2, rtol=0)
    assert not taught.tags.unary[0, w:].any()


def test_scores_and_interval():
    gold = [["B-PER", "O"], ["I-LOC", "O"]]
    found = score(gold, [["B-PER", "O"], ["O", "B-LOC"]])
    assert found.f1 == found.precision == found.recall == 50.0
    assert found.by_type["PER"] == 100.0
    low, high = bootstrap(gold, gold)
    assert low == high == 100.0


@pytest.mark.slow
def test_the_whole_recipe_on_a_tiny_student(
    tokenizer, items, posts, featurise, tmp_path, one_thread
):
    student = tiny(tokenizer)
    gold = [item.tags for item in items]
    chance = score(gold, predict_tags(student, items)).f1
    settings = Fit(epochs=12, rate=2e-3, feature_rate=1, head_rate=2, chain_rate=5, batch=8)
    result = fit(student, {"twitter": items}, {"train": items}, settings)
    assert result.mean_f1 > max(90.0, chance + 30)
    assert score(gold, predict_tags(student, items)).f1 == pytest.approx(result.mean_f1)

    taught = tiny(tokenizer)
    taught_items = items_of(posts, "twitter", featurise, {n: i for i, (n, _) in enumerate(FINE)})
    soft = label([student, student], taught_items)
    learnt = fit(
        taught,
        {},
        {"train": items},
        Fit(
            epochs=12,
            rate=2e-3,
            feature_rate=1,
            head_rate=2,
            chain_rate=5,
            batch=8,
            soft_per_epoch=60,
        ),
        soft=soft,
    )
    assert learnt.mean_f1 > 80

    config = export(
        student,
        tmp_path,
        calibration=items,
        dev={"train": items},
        fine_dev=items,
        fine_types=FINE,
        tokenizer=tokenizer.to_str(),
        training={"posts": {"made": len(items)}},
        max_pieces=32,
    )
    assert config["spec"] == SPEC
    chain = Chain(*(np.array(config[n]) for n in ("start", "transitions", "end")))
    plain = Runtime(tmp_path / "model-float.onnx", chain)
    int8 = Runtime(tmp_path / "model.onnx", chain)
    for (mine, fine), theirs in zip(plain.scores(items), torch_scores(student, items), strict=True):
        np.testing.assert_allclose(mine, theirs[0], atol=1e-4)
        np.testing.assert_allclose(fine, theirs[1], atol=1e-4)
    assert score(gold, int8.tags(items)).f1 > result.mean_f1 - 5
    # Ranges are fixed at export: a text scores the same alone and among others.
    alone = int8.scores(items[:1])[0][0]
    np.testing.assert_allclose(alone, int8.scores(items)[0][0], atol=1e-4)


@torch.no_grad()
def torch_scores(tagger, items):
    tagger.eval()
    for item in items:
        inputs, _ = inputs_of([item])
        emissions, fine = tagger(inputs)
        yield emissions[0, :, 0].numpy(), fine[0].numpy()
