"""The parts of ``ideas`` in UMGF, HVPNeT and MKGformer: exact at their limits."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402

from magpie.corpora.controlled import ControlledConfig, controlled, without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, Method, without_gold  # noqa: E402
from magpie.methods.components.ideas import IdeasConfig  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.bert_crf import BertCrf, BertCrfConfig  # noqa: E402
from magpie.methods.ner.hvpnet import HvpnetConfig  # noqa: E402
from magpie.schema import Annotations, Block, Document  # noqa: E402

from .components.samples import hvpnet, mkgformer, umgf  # noqa: E402

LABELS = LabelSpace(entity_types=("LOC", "ORG", "OTHER", "PER"))
NAMES = str(Path(__file__).parent / "components" / "names.tsv")
SHARED: dict[str, Any] = {"text": "tiny-bert", "dropout": 0.0}


MAKERS = {"umgf": umgf, "hvpnet": hvpnet, "mkgformer": mkgformer}
ALL = pytest.mark.parametrize("name", sorted(MAKERS))


def made(name: str, **ideas: Any) -> Any:
    """With every weight moved, so that biases and norms matter."""
    torch.manual_seed(0)
    method = MAKERS[name](**ideas)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, parameter in sorted(method.named_parameters()):
            if "ideas" not in key:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return method.eval()


def like(name: str, host: Method, **ideas: Any) -> Any:
    """With the host's weights; its own where the host has none."""
    method = made(name, **ideas)
    method.load_state_dict(host.state_dict(), strict=False)
    return method


def posts(size: int = 4) -> list[Document]:
    return list(controlled("train", ControlledConfig(size=size, seed=1)))


def of_words(*words: str) -> Document:
    return dataclasses.replace(
        posts()[0], blocks=(Block.from_words(list(words)),), annotations=Annotations()
    )


def batch_of(method: Method, documents: list[Document], *, gold: bool = True) -> Batch:
    supplier = Supplier()
    rows = [method.prepare(without_gold(d), supplier(d, method.needs())) for d in documents]
    if not gold:
        return method.collate(rows)
    return method.collate(
        rows, [method.targets(d, r) for d, r in zip(documents, rows, strict=True)]
    )


def emissions(method: Method, documents: list[Document]) -> Tensor:
    with torch.no_grad():
        return method(batch_of(method, documents, gold=False)).scores["emissions"]


def bert_crf_of(method: Any) -> BertCrf:
    """BERT-CRF with the method's encoder, text head and chain."""
    plain = BertCrf.build(BertCrfConfig(**SHARED, tag_order="umgf"), LABELS).eval()
    plain.text.load_state_dict(method.text.state_dict())
    plain.classifier.load_state_dict(method.text_head.state_dict())
    plain.crf.load_state_dict(method.crf.state_dict())
    return plain


@ALL
@pytest.mark.parametrize("part", ["missing_image", "umt_compat"])
def test_without_a_picture_everything_is_bert_crf(name: str, part: str) -> None:
    method = made(name, **{part: True}, aux_text_loss=0.0)
    plain = bert_crf_of(method)
    documents = list(without_pictures(posts()))
    ours, theirs = batch_of(method, documents), batch_of(plain, documents)
    mine, other = method(ours), plain(theirs)
    assert torch.equal(mine.scores["emissions"], other.scores["emissions"])
    assert torch.equal(mine.losses["main"], other.losses["main"])
    assert [a.entities for a in method.decode(mine, ours)] == [
        a.entities for a in plain.decode(other, theirs)
    ]
    mine.losses["main"].backward()
    other.losses["main"].backward()
    grown = dict(method.text.named_parameters())
    for key, parameter in plain.text.named_parameters():
        if parameter.grad is not None:
            assert torch.equal(grown[key].grad, parameter.grad), key
    for key, parameter in method.named_parameters():
        if not key.startswith(("backbones.text.", "text_head.", "crf.")):
            assert parameter.grad is None or not parameter.grad.any(), key


@ALL
def test_a_post_without_a_picture_among_others_is_bert_crf(name: str) -> None:
    method = made(name, missing_image=True)
    plain = bert_crf_of(method)
    documents = [posts()[0], *without_pictures(posts()[1:2])]
    found = emissions(method, documents)
    expected = emissions(plain, documents)
    length = int(batch_of(plain, documents).inputs["attention_mask"][1].sum())
    assert torch.equal(found[1, :length], expected[1, :length])
    assert (found[0] - expected[0]).abs().max() > 1e-3


@ALL
def test_pixels_of_a_hidden_picture_may_be_anything(name: str) -> None:
    method = made(name, missing_image=True, drop_image=0.0)
    batch = batch_of(method, posts())
    batch.inputs["has_image"][1] = False
    for key in ("objects", "pictures", "grounded", "detector"):
        if key in batch.inputs:
            batch.inputs[key][1] = math.nan
    output = method(batch)
    assert torch.isfinite(output.scores["emissions"]).all()
    output.loss.backward()
    for key, parameter in method.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), key


@ALL
@pytest.mark.parametrize(
    "ideas",
    [
        {"image_kind": "stats", "kind_strength": 0.0},
        {"dictionary": NAMES, "bias_emissions": False, "kappa": 0.0},
        {"dictionary": NAMES, "bias_emissions": False, "kappa": 0.0, "dictionary_features": True},
        {"umt_compat": True, "learn_reliability": False},
    ],
)
def test_parts_at_their_zero_are_neutral(name: str, ideas: dict[str, Any]) -> None:
    documents = [of_words("ask", "Siri", "today"), *posts()]
    host = made(name)
    method = like(name, host, **ideas)
    torch.testing.assert_close(emissions(method, documents), emissions(host, documents))


@ALL
def test_a_picture_of_the_wrong_kind_says_nothing(name: str) -> None:
    """k = 0: any other picture would do, and where the words are BERT's, none would."""
    method = made(name, image_kind="stats", kind_strength=1.0)
    batch = batch_of(method, posts(), gold=False)
    (key,) = {"objects", "pictures", "grounded"} & set(batch.inputs)
    pixels = batch.inputs[key]

    def found(bad: float, pixels: Tensor) -> Tensor:
        batch.inputs["p_bad"] = torch.full((4,), bad)
        batch.inputs[key] = pixels
        with torch.no_grad():
            scores = method(batch).scores
        assert scores["kind_weight"].tolist() == [1.0 - bad] * 4
        return scores["emissions"]

    shown, closed = found(0.0, pixels), found(1.0, pixels)
    assert (shown - closed).abs().max() > 1e-4
    assert (shown - found(0.0, pixels.flip(0))).abs().max() > 1e-4
    torch.testing.assert_close(closed, found(1.0, pixels.flip(0)), atol=1e-6, rtol=0)
    if name != "umgf":
        alone = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])
        torch.testing.assert_close(closed, method.head(alone).detach(), atol=1e-4, rtol=1e-4)


@ALL
def test_a_sure_word_does_not_look(name: str) -> None:
    ideas = {"eps": 0.0, "bias_emissions": False, "umt_compat": True, "learn_reliability": False}
    method = made(name, dictionary=NAMES, **ideas)
    document = of_words("ask", "Siri", "today")
    batch = batch_of(method, [document], gold=False)
    scores = method(batch).scores
    first = batch.inputs["first"][0].tolist()
    weight = scores["image_weight"][0]
    assert weight[first[1]] == 0.0
    assert weight[first[0]] == weight[first[2]] == 1.0
    assert torch.equal(scores["emissions"][0, first[1]], scores["text"][0, first[1]])
    assert not torch.equal(scores["emissions"][0, first[0]], scores["text"][0, first[0]])


def test_relevant_words_gain_in_mkgformers_prefix() -> None:
    host = made("mkgformer")
    same = like("mkgformer", host, attn_boost="relevance", gamma=0.0)
    assert torch.equal(emissions(same, posts()), emissions(host, posts()))
    more = like("mkgformer", host, attn_boost="relevance", gamma=20.0)
    assert (emissions(more, posts()) - emissions(host, posts())).abs().max() > 1e-5


@ALL
def test_all_parts_together_train_and_are_kept(name: str, tmp_path: Path) -> None:
    from magpie.methods.checkpoint import load_method, save_method

    method = made(
        name,
        dictionary=NAMES,
        dictionary_features=True,
        missing_image=True,
        image_kind="linear",
        kind_joint=True,
        umt_compat=True,
        compat_loss=0.1,
        compat_sure=0.0,
        **({"attn_boost": "relevance"} if name == "mkgformer" else {}),
    ).train()
    batch = batch_of(method, [of_words("ask", "Siri", "today"), *posts()])
    output = method(batch)
    assert {"main", "text", "compat"} <= set(output.losses)
    output.loss.backward()
    for part in (method.text_head, method.ideas.kinds, method.ideas.reliability):
        assert part.weight.grad.isfinite().all()
        assert part.weight.grad.any()
    own = {id(p) for p in method.new_parameters()}
    grouped = [id(p) for group in method.groups() for p in group.parameters]
    assert own <= set(grouped)
    assert len(grouped) == len(set(grouped))
    method.eval()
    save_method(method, tmp_path / "saved")
    again = load_method(tmp_path / "saved")
    assert torch.equal(emissions(again, posts()), emissions(method, posts()))


def test_parts_without_a_place_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs visual=true"):
        HvpnetConfig(visual=False, ideas=IdeasConfig(missing_image=True))
    with pytest.raises(ConfigError, match="missing='text'"):
        HvpnetConfig(missing="zeros", ideas=IdeasConfig(umt_compat=True))
