"""ITA: visual words behind the text, and two views that agree."""

from __future__ import annotations

import dataclasses
import time

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Texts  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.ita import Ita, ItaConfig  # noqa: E402
from magpie.nn.crf import CRF  # noqa: E402
from magpie.schema import Annotations, Block, ContextText, Document, Entity  # noqa: E402

LABELS = LabelSpace(entity_types=("LOC", "PER"))
TEXTS = (
    ContextText(kind="caption", text="a dog near a city", source="blip2"),
    ContextText(kind="ocr", text="no more", source="tesseract"),
    ContextText(kind="note", text="black dog , red bar", source="vinvl-objects"),
    ContextText(kind="note", text="not for this method", source="pgim"),
)


def post(context: tuple[ContextText, ...] = TEXTS, name: str = "p") -> Document:
    block = Block.from_words(["look", "Rocky", "in", "Paris"])
    entities = (Entity(id="e0", span=block.word_span(1, 2), type="PER"),)
    return Document(
        id=name, blocks=(block,), context=context, annotations=Annotations(entities=entities)
    )


def tagger(**settings: object) -> Ita:
    torch.manual_seed(0)
    return Ita.build(ItaConfig(**{"text": "tiny-bert", **settings}), LABELS).eval()


def batch_of(method: Ita, *documents: Document) -> Batch:
    supplier = Supplier()
    examples = [method.prepare(d, supplier(d, method.needs())) for d in documents]
    targets = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, targets)


def behind(method: Ita, document: Document) -> str:
    batch = batch_of(method, document)
    ids = batch.inputs["input_ids"][0, int(batch.inputs["text_length"]) : -1]
    return str(method.text.tokenizer.decode(ids))


def test_objects_captions_and_ocr_stand_behind_the_text_in_this_order() -> None:
    expected = "black dog, red bar a dog near a city no more"
    assert behind(tagger(), post()).replace(" ,", ",") == expected
    assert behind(tagger(parts=("ocr", "captions")), post()) == "no more a dog near a city"


def test_missing_parts_are_passed_over() -> None:
    assert behind(tagger(), post(TEXTS[:1])) == "a dog near a city"
    assert behind(tagger(), post(())) == ""


def test_named_sources_leave_others_out() -> None:
    two = (*TEXTS, ContextText(kind="caption", text="we see a ring", source="other"))
    assert behind(tagger(parts=("captions",), captions=("other",)), post(two)) == "we see a ring"
    assert tagger(parts=("captions",), captions=("other",)).needs() == {
        Texts(sources=("other",), kinds=("caption",))
    }


def test_the_text_view_ignores_visual_words_to_the_bit() -> None:
    method = tagger(view="text")
    assert method.needs() == frozenset()
    full = method(batch_of(method, post())).scores["emissions"]
    bare = method(batch_of(method, post(()))).scores["emissions"]
    assert torch.equal(full, bare)
    other = tagger()
    other.load_state_dict(method.state_dict())
    assert not torch.equal(other(batch_of(other, post())).scores["emissions"], full)


def test_a_trained_method_predicts_with_either_view() -> None:
    method = tagger()
    config = method.config
    method.config = dataclasses.replace(config, view="text")
    bare = post(())
    supplier = Supplier()
    plain = method.predict([post()], [supplier(post(), method.needs())])
    assert plain == method.predict([bare], [supplier(bare, method.needs())])


@pytest.mark.parametrize("eos", ["separator", "literal"])
def test_the_inner_text_view_is_the_input_of_the_text_alone(eos: str) -> None:
    method = tagger(eos=eos)
    documents = [post(), post((), name="q")]
    alone = method.text_view(batch_of(method, *documents))
    plain = batch_of(tagger(view="text"), *documents)
    for name in ("input_ids", "attention_mask", "first"):
        assert torch.equal(alone.inputs[name], plain.inputs[name]), name
    assert torch.equal(alone.targets["tags"], plain.targets["tags"])


def test_the_losses_are_the_three_terms_with_their_weights() -> None:
    parts = {}
    for views in ((1.0, 1.0, 1.0), (0.5, 1.0, 0.5)):
        method = tagger(views=views)
        parts[views] = method(batch_of(method, post())).losses
    paper, code = parts.values()
    assert set(paper) == {"main", "text", "views"}
    torch.testing.assert_close(code["main"], 0.5 * paper["main"])
    torch.testing.assert_close(code["text"], paper["text"])
    torch.testing.assert_close(code["views"], 0.5 * paper["views"])
    assert paper["views"].item() > 0
    plain = tagger(views=None)
    assert set(plain(batch_of(plain, post())).losses) == {"main"}


def test_equal_views_cost_twice_the_weighted_likelihood() -> None:
    method = tagger(views=(0.5, 0.5, 0.5))
    batch = batch_of(method, post(()))
    output = method(batch)
    once = method.crf(output.scores["emissions"], batch.targets["tags"], method.chain_mask(batch))
    assert output.losses["views"].item() == 0.0
    torch.testing.assert_close(output.loss, once)


def test_no_gradient_of_the_divergence_reaches_the_emissions_with_context() -> None:
    method = tagger()
    batch = batch_of(method, post())
    alone = method.text_view(batch)
    rich = method.scores(batch)["emissions"].detach().requires_grad_()
    poor = method.scores(alone)["emissions"].detach().requires_grad_()
    method._divergence(rich, poor, method.chain_mask(alone), batch).backward()
    assert rich.grad is None
    assert poor.grad is not None
    assert poor.grad.abs().sum() > 0
    assert method.crf.transitions.grad is not None


def test_posts_without_visual_words_do_not_enter_the_divergence() -> None:
    method = tagger(compare="emissions").train()
    torch.manual_seed(1)
    # Dropout alone makes the two passes differ; that is no disagreement of views.
    assert method(batch_of(method, post(()))).losses["views"].item() == 0.0


def test_words_cut_from_the_chain_or_masked_behind_it_are_the_same() -> None:
    torch.manual_seed(0)
    crf = CRF(5)
    emissions, tags = torch.randn(1, 7, 5), torch.randint(0, 5, (1, 7))
    mask = torch.arange(7).unsqueeze(0) < 4
    torch.testing.assert_close(
        crf(emissions, tags, mask), crf(emissions[:, :4], tags[:, :4]), atol=1e-6, rtol=0
    )
    assert crf.decode(emissions, mask) == crf.decode(emissions[:, :4])


def test_word_dropout_sets_whole_words_to_zero_in_training_only() -> None:
    method = tagger(word_dropout=0.5)
    words = torch.ones(4, 50, 3)
    assert torch.equal(method._drop_words(words), words)
    method.train()
    torch.manual_seed(0)
    dropped = method._drop_words(words)
    assert set(dropped.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(dropped[..., 0], dropped[..., 2])
    assert 0.3 < dropped.mean().item() < 0.7


@pytest.mark.parametrize("settings", [{"parts": ()}, {"parts": ("ocr", "ocr")}, {"objects": ()}])
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ItaConfig(**settings)


@pytest.mark.slow
def test_the_probe() -> None:
    from magpie.training.probe import probe

    begun = time.process_time()
    result = probe("ita")
    assert result.true >= 0.90
    assert abs(result.shuffled - result.text_optimum) <= 0.05
    # Of the processor: on a busy machine the clock on the wall says little.
    assert time.process_time() - begun <= 180
