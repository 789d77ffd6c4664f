"""TMR's relation head: what it reads, and what its options change."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import nn  # noqa: E402

from magpie.backbones.divergence import load_estimator  # noqa: E402
from magpie.corpora.controlled import ControlledConfig, controlled  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Asset  # noqa: E402
from magpie.features.divergence import DivergenceScores  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.tmr_re import TmrRe, TmrReConfig  # noqa: E402
from magpie.schema import ContextText, Document  # noqa: E402
from magpie.training.examples import Examples  # noqa: E402

POSTS = list(controlled("test", ControlledConfig(task="mre", size=8, told=0.5)))
SMALL = {
    "text": "tiny-bert",
    "vision": "tiny-resnet",
    "objects": "blobs",
    "generated_objects": "whole",
    "object_count": 2,
    "max_length": 24,
    "dropout": 0.0,
    "text_dropout": 0.0,
}


def made(**options: Any) -> TmrRe:
    torch.manual_seed(0)
    return TmrRe.build(TmrReConfig(**{**SMALL, **options}), LabelSpace.of(POSTS))


def with_generated(document: Document, other: Document) -> Document:
    """The document beside another's picture, as if it had been generated."""
    medium = dataclasses.replace(other.media[0], id="generated")
    return dataclasses.replace(document, media=(*document.media, medium))


def batch_of(method: TmrRe, documents: list[Document], **suppliers: Any) -> Batch:
    supplier = Supplier(**suppliers)
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, aims)


def test_sizes_of_the_published_model() -> None:
    """Numbers of the parameters at D = 768, without building the encoders."""
    width, types = 768, 23

    def count(*layers: tuple[int, int]) -> int:
        return sum(a * b + b for a, b in layers)

    assert count((2048, width)) == 1_573_632
    assert count(*[(width, width)] * 6) == 3_543_552
    assert count((width, 2 * width)) == 1_181_184
    assert count((width, width)) == 590_592
    assert count((6 * width, 2 * width)) == 7_079_424
    assert count((2 * width, types)) == 35_351
    # The same layers of the method, at its own small width.
    method = made()
    d, channels = method.text.width, method.vision.width
    for part, expected in (
        (method.project, count((channels, d))),
        (method.fusion, count(*[(d, d)] * 6)),
        (method.phrase_map, count((d, 2 * d))),
        (method.picture_map, count((d, d))),
        (method.final, count((6 * d, 2 * d))),
        (method.classifier, count((2 * d, len(method.labels.relation_types)))),
    ):
        assert sum(p.numel() for p in part.parameters()) == expected


def test_defaults_are_the_published_ones() -> None:
    config = TmrReConfig()
    assert (config.text, config.vision) == ("bert-base-uncased", "resnet-50")
    assert (config.max_length, config.phrase_length, config.object_count) == (128, 6, 3)
    assert config.dropout == 0.5
    assert not any(
        getattr(config, f.name) for f in dataclasses.fields(config) if "legacy" in f.name
    )


def test_shapes() -> None:
    method = made().eval()
    documents = [with_generated(POSTS[0], POSTS[1]), POSTS[1]]
    batch = batch_of(method, documents)
    i = batch.inputs
    assert i["pictures"].shape == (2, 2, 3, 64, 64)
    assert i["objects"].shape == (2, 2, 2, 3, 64, 64)
    assert i["seen"].tolist() == [[True, True], [True, False]]
    patches, regions = method.picture_rows(batch)
    width = method.text.width
    assert patches.shape == (2, 2, method.vision.cells, width)
    assert regions.shape == (2, 2, 2, width)
    states = method.padded_states(i["input_ids"], i["attention_mask"])
    assert states.shape == (2, 24, width)
    seen: list[torch.Size] = []
    method.final.register_forward_hook(lambda _, given, __: seen.append(given[0].shape))
    assert method.representation(batch).shape == (2, 2 * width)
    assert seen == [(2, 6 * width)]
    assert method(batch).scores["logits"].shape == (2, len(method.labels.relation_types))


def test_objects_are_summed_before_they_are_projected() -> None:
    method = made().eval()
    batch = batch_of(method, [POSTS[0]])
    _, regions = method.picture_rows(batch)
    cells = method.cells(batch.inputs["objects"][:, 0].flatten(0, 1))
    assert torch.allclose(regions[0, 0], method.project(cells.sum(1)), atol=1e-4)


def test_either_picture_has_a_say_and_a_hidden_one_has_none() -> None:
    method = made().eval()
    own, other, third = (with_generated(POSTS[0], POSTS[n]) for n in (1, 2, 3))
    bare = POSTS[0]
    with torch.no_grad():
        one, two, alone, again = (
            method(batch_of(method, [d])).scores["logits"] for d in (own, other, bare, own)
        )
        batch = batch_of(method, [bare])
        states = method.padded_states(batch.inputs["input_ids"], batch.inputs["attention_mask"])
        _, hidden = method.fused(states, method.phrase_states(batch), batch)
    assert torch.equal(one, again)
    assert not torch.allclose(one, two, atol=1e-6)
    assert not torch.allclose(one, alone, atol=1e-6)
    assert not hidden.any()
    assert third.media[1].id == "generated"


def test_a_missing_picture_may_be_a_black_one() -> None:
    method = made(missing="zeros").eval()
    batch = batch_of(method, [POSTS[0]])
    states = method.padded_states(batch.inputs["input_ids"], batch.inputs["attention_mask"])
    _, black = method.fused(states, method.phrase_states(batch), batch)
    assert black.any()


def test_scores_decide_between_the_streams() -> None:
    """With strong = 1 phrases reach the picture part no more."""
    method = made(strong=1.0).eval()
    batch = batch_of(method, [POSTS[0]])
    assert batch.inputs["scores"].tolist() == [[[1.0, 0.0], [1.0, 0.0]]]
    states = method.padded_states(batch.inputs["input_ids"], batch.inputs["attention_mask"])
    phrases = method.phrase_states(batch)
    one, _ = method.fused(states, phrases, batch)
    two, _ = method.fused(states, phrases + 1.0, batch)
    assert torch.equal(one, two)
    given = Asset({"scores": torch.tensor([[0.25, 0.75], [0.5, 0.5]]).numpy()})
    supplied = batch_of(method, [POSTS[0]], suppliers={DivergenceScores: lambda *_: given})
    assert supplied.inputs["scores"].tolist() == [[[0.25, 0.75], [0.5, 0.5]]]


def test_scores_of_an_estimator_in_a_folder(tmp_path: Path) -> None:
    """For both pictures; the generated one lies in the folder that the method names."""
    load_estimator("tiny-vilt").save(tmp_path / "estimator")
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    post = dataclasses.replace(
        POSTS[0], media=(dataclasses.replace(POSTS[0].media[0], uri="seen/one.jpg"),)
    )
    (drawn / "one.png").write_bytes(POSTS[1].media[0].data)
    method = made(scores=f"estimator:{tmp_path / 'estimator'}", generated_folder=str(drawn))
    scores = batch_of(method, [post]).inputs["scores"][0]
    assert torch.allclose(scores.sum(1), torch.ones(2))
    assert len({round(float(each), 5) for each in (*scores[:, 0], 0.5)}) == 3


def test_phrases_of_the_context_or_the_mentions() -> None:
    method = made(phrases=("mine",))
    text = ContextText(kind="note", text="big red dog show", source="mine")
    said = dataclasses.replace(POSTS[0], context=(text,))
    tokenizer = method.text.tokenizer
    ids = batch_of(method, [said]).inputs["phrase_ids"][0]
    assert tokenizer.convert_ids_to_tokens(ids.tolist())[:4] == ["big", "red", "dog", "show"]
    assert len(ids) == 6
    mentions = " ".join(
        POSTS[0].blocks[0].text[e.span.start : e.span.end] for e in POSTS[0].entities
    )
    expected = tokenizer(mentions, add_special_tokens=False)["input_ids"][:6]
    found = batch_of(made(phrases=()), [POSTS[0]]).inputs
    assert found["phrase_ids"][0].tolist()[: len(expected)] == expected
    assert found["phrase_mask"][0].sum() == len(expected)


def test_padding_of_the_phrases() -> None:
    fixed, visible = made(), made(legacy_all_visible=True)
    ids, mask = fixed.phrase_pieces(["dog"])
    assert mask == [1, 0, 0, 0, 0, 0]
    assert ids[1:] == [fixed.text.pad_id] * 5
    assert visible.phrase_pieces(["dog"]) == (ids, [1] * 6)
    assert fixed.phrase_pieces([]) == ([fixed.text.pad_id] * 6, [1, 0, 0, 0, 0, 0])


def test_whole_words_looked_up_as_they_are_written() -> None:
    fixed, lookup = made(), made(legacy_phrase_lookup=True)
    known, unknown = (lookup.text.tokenizer.convert_tokens_to_ids(p) for p in ("dog", "[UNK]"))
    assert lookup.phrase_pieces(["Dog", "dog", "doghouse"])[0][:3] == [unknown, known, unknown]
    ids = fixed.phrase_pieces(["Dog", "dog", "doghouse"])[0]
    assert ids[:2] == [known, known]
    assert unknown not in ids


def test_colours_of_whole_pictures() -> None:
    fixed, legacy = made(), made(legacy_bgr=True)
    own, theirs = (batch_of(m, [POSTS[0]]).inputs for m in (fixed, legacy))
    colours = fixed.vision.pixels.normalisation
    mean, std = (torch.tensor(c).view(3, 1, 1) for c in (colours.mean, colours.std))
    rgb = (own["pictures"][0, 0] * std + mean) * 255
    assert torch.allclose(theirs["pictures"][0, 0], rgb.flip(0), atol=1e-2)
    assert theirs["pictures"].max() > 100
    assert torch.equal(own["objects"], theirs["objects"])


def test_documents_drawn_with_replacement() -> None:
    posts = list(controlled("train", ControlledConfig(task="mre", size=200)))
    every, some = (
        Examples(made(legacy_bootstrap=flag), posts, Supplier()).documents for flag in (False, True)
    )
    assert every == posts
    share = len({d.id for d in some}) / len(posts)
    assert len(some) == len(posts)
    assert 0.55 < share < 0.71
    again = Examples(made(legacy_bootstrap=True), posts, Supplier()).documents
    assert [d.id for d in again] == [d.id for d in some]


def test_masked_padding_needs_no_fixed_length() -> None:
    """With masks neither the padding of a text nor that of phrases is looked at."""
    method = made(mask_padding=True).eval()
    short = batch_of(method, [POSTS[0]])
    padded = batch_of(method, [POSTS[0]])
    padded.inputs["input_ids"] = nn.functional.pad(padded.inputs["input_ids"], (0, 5))
    padded.inputs["attention_mask"] = nn.functional.pad(padded.inputs["attention_mask"], (0, 5))
    with torch.no_grad():
        one, two = (method(b).scores["logits"] for b in (short, padded))
    assert torch.allclose(one, two, atol=1e-5)


def test_all_that_is_used_learns() -> None:
    method = made()
    method(batch_of(method, [with_generated(POSTS[0], POSTS[1]), POSTS[1]])).loss.backward()
    still = {n for n, p in method.named_parameters() if p.grad is None}
    assert all("pooler" in name for name in still), still
    assert method.vision.transformer.embedder.embedder.convolution.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"object_count": 0}, "object_count"),
        ({"phrase_length": 0}, "phrase_length"),
        ({"strong": 1.5}, "strong"),
        ({"dropout": 1.0}, "dropout"),
        ({"max_length": 4}, "max_length"),
    ],
)
def test_impossible_settings(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TmrReConfig(**options)
