"""TIGER: the sentences it is trained to write, and its network."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from tokenizers import decoders  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import T5Config, T5ForConditionalGeneration  # noqa: E402

from magpie.backbones import Seq2Seq, load_seq2seq, load_text  # noqa: E402
from magpie.backbones.tiny_seq2seq import tiny_byte_tokenizer  # noqa: E402
from magpie.backbones.warm_start import bart_from_bert  # noqa: E402
from magpie.corpora import load  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Asset  # noqa: E402
from magpie.methods.base import Batch, Output  # noqa: E402
from magpie.methods.grounded.tiger import IGNORED, Tiger, TigerConfig  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.metrics import items_of, score  # noqa: E402

from .samples import picture_post, regions_of  # noqa: E402
from .tigers import (  # noqa: E402
    EXAMPLE,
    FINE,
    FIRST,
    LOVE,
    NOWHERE,
    SECOND,
    WIDTH,
    batch_of,
    decoded,
    fined,
    queried,
    target_text,
    tiger,
)

# what is written


def test_the_target_of_the_example_is_exact_and_reads_back() -> None:
    method = tiger()
    assert target_text(method, LOVE) == EXAMPLE
    (found,) = decoded(method, [LOVE], [EXAMPLE])
    told = [(LOVE.text_of(e), e.type, e.fine_type) for e in found.entities]
    assert told == [("Kevin Love", "PER", "athlete"), ("Cavs", "ORG", "sports_team")]
    assert [e.grounding.status for e in found.entities] == ["regions", "absent"]
    # The parser's own count stands with the annotations: nothing was malformed.
    assert found.provenance is not None
    assert found.provenance.method == "tiger"


def test_coarse_types_come_from_fmnergs_tree_else_from_the_corpus() -> None:
    assert tiger().grammar.parents == {
        "athlete": "person", "city": "location", "pirate": "PER", "sports_team": "organization",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"types": "coarse_fine"}, EXAMPLE),
        (
            {"types": "fine"},
            (
                "Kevin Love is a athlete, which is in the image [SSEP] "
                "Cavs is a sports_team, which is not in the image"
            ),
        ),
        (
            {"types": "coarse"},
            (
                "Kevin Love is a person, which is in the image [SSEP] "
                "Cavs is a organization, which is not in the image"
            ),
        ),
        (
            {"types": "fine", "image_clause": False},
            "Kevin Love is a athlete [SSEP] Cavs is a sports_team",
        ),
        (
            {"types": "coarse", "image_clause": False},
            "Kevin Love is a person [SSEP] Cavs is a organization",
        ),
    ],
)
def test_the_variants_of_a_sentence(settings: dict[str, object], expected: str) -> None:
    method = tiger(**settings)
    assert target_text(method, LOVE) == expected
    (found,) = decoded(method, [LOVE], [expected])
    fine = settings["types"] != "coarse"
    assert [(e.type, e.fine_type) for e in found.entities] == [
        ("PER", "athlete" if fine else None),
        ("ORG", "sports_team" if fine else None),
    ]
    seen = settings.get("image_clause", True)
    statuses = ["regions", "absent"] if seen else ["unknown", "unknown"]
    assert [e.grounding.status for e in found.entities] == statuses
    assert bool(method.needs()) == seen


def test_types_of_other_corpora_keep_their_label() -> None:
    labels = LabelSpace(entity_types=("MISC", "OTHER", "PER", "Waffe"))
    method = tiger(labels, types="coarse")
    assert method.type_labels == {
        "MISC": "MISC", "other": "OTHER", "person": "PER", "Waffe": "Waffe",
    }  # fmt: skip


def test_settings_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="needs fine types"):
        tiger(LabelSpace(entity_types=("PER",)))
    with pytest.raises(ConfigError, match="entity types"):
        tiger(LabelSpace(), types="coarse")
    with pytest.raises(ConfigError, match="'tiny-bart' has 512 positions"):
        Tiger(TigerConfig(source_length=500), FINE, load_seq2seq("tiny-bart"))
    for wrong in (
        {"source_length": 1}, {"target_length": 0}, {"dropout": 1.0}, {"region_weight": -1.0},
        {"region_count": 0}, {"feature_width": 0},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            TigerConfig(**wrong)


def test_the_queries_are_the_pieces_of_the_clause() -> None:
    post = fined(
        picture_post(
            "not in the image met Rocky in the image",
            ("athlete", 0, 4, [FIRST]), ("athlete", 5, 9, [SECOND]),
        )
    )  # fmt: skip
    method = tiger()
    assert method.phrase == tuple(method.spelling.ids("in the image"))
    pieces = [method.seq2seq.tokenizer.decode([piece]).strip() for piece in method.phrase]
    assert "".join(pieces) == "intheimage"
    # Names that say it themselves do no harm: each entity has one clause.
    targets = batch_of(method, [post]).targets
    assert queried(method, post) == [pieces, pieces]
    assert targets["queries"][0].sum(1).tolist() == pytest.approx([1.0, 1.0])
    assert targets["wanted"][0].argmax(1).tolist() == [0, 1]


def test_an_entity_that_no_candidate_covers() -> None:
    method = tiger()
    post = fined(picture_post("we met Rocky", ("athlete", 2, 3, [NOWHERE])))
    sentence = "Rocky is a person and a athlete, which is not in the image"
    assert target_text(method, post) == sentence
    targets = batch_of(method, [post, LOVE]).targets
    assert targets["wanted"].sum(2).tolist() == [[0.0], [1.0]]
    # In evaluation it stays in the picture: "not in the image" is no right answer.
    (found,) = decoded(method, [post], [sentence])
    assert found.entities[0].grounding.status == "absent"
    report = score([items_of(post)], [items_of(post.with_annotations(found))], "gmner-iou50@1")
    parts = {name: part.micro.score for name, part in report.parts.items()}
    assert parts == {"gmner": 0.0, "mner": 1.0, "eeg": 0.0}


def test_the_soft_target_is_that_of_h_index() -> None:
    # Boxes of overlap 0.8 and 0.6 with one gold box of 100 x 100: [.571429, .428571].
    asset = regions_of(WIDTH, ((0, 0, 80, 100), (0, 0, 60, 100), (0, 0, 50, 100)))
    post = fined(picture_post("we met Rocky", ("athlete", 2, 3, [(0, 0, 100, 100)])))
    wanted = batch_of(tiger(), [post], asset).targets["wanted"][0, 0]
    assert wanted.tolist() == pytest.approx([0.571429, 0.428571, 0, 0, 0], abs=1e-6)


def test_an_empty_post() -> None:
    method = tiger()
    post = picture_post("")
    assert target_text(method, post) == ""
    (found,) = decoded(method, [post], [""])
    assert found.entities == ()
    report = score([items_of(post)], [items_of(post.with_annotations(found))], "gmner-iou50@1")
    counts = report.main.micro
    assert (counts.gold, counts.predicted, counts.correct) == (0, 0, 0)


def test_a_target_that_is_too_long_loses_whole_sentences() -> None:
    one = "Kevin Love is a person and a athlete, which is in the image"
    method = tiger()
    length = len(method.spelling.ids(one)) + 1
    assert target_text(tiger(target_length=length), LOVE) == one
    assert target_text(tiger(target_length=length - 1), LOVE) == ""


def test_words_that_do_not_fit_and_their_entities_are_left_out() -> None:
    method = tiger(source_length=10, types="fine", image_clause=False)
    text = "we saw the city today with Rocky"
    post = fined(picture_post(text, ("athlete", 6, 7, []), ("city", 3, 4, [])))
    batch = batch_of(method, [post])
    assert batch.examples[0].notes["kept"] == 6
    ids = batch.inputs["input_ids"][0]
    assert ids.shape == (10,)
    assert method.spelling.read(ids.tolist()).strip() == "we saw the city today with"
    assert target_text(method, post) == "city is a city"
    counts = method.piece_counts(post)
    assert [count for *_, count in counts] == [1, 1, 1, 1, 1, 1, 6]


def test_special_pieces_in_a_post_are_text() -> None:
    method = tiger()
    post = picture_post("a </s> and <pad> here")
    ids = batch_of(method, [post]).inputs["input_ids"][0].tolist()
    assert ids.count(method.seq2seq.end_id) == 1
    assert method.spelling.read(ids).strip() == "a </s> and <pad> here"


def test_a_tokenizer_that_changes_case_and_blanks() -> None:
    """A BART with BERT's word pieces: sentences come back otherwise, entities do not."""
    generator = bart_from_bert(load_text("tiny-bert"), decoder_layers=1)
    # As published BERTs join their pieces.
    generator.tokenizer.backend_tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    method = tiger(seq2seq=generator)
    post = fined(
        picture_post(
            "U.S. met Kevin O'Love in the image", ("sports_team", 0, 1, [SECOND]),
            ("athlete", 2, 4, [FIRST]),
        )
    )  # fmt: skip
    batch = batch_of(method, [post])
    ids = batch.targets["labels"][0].tolist()
    plain = method.seq2seq.tokenizer.decode(ids, skip_special_tokens=True)
    assert "[SSEP]" not in plain
    assert "sports_team" not in plain
    text = method.spelling.read(ids)
    assert "is a organization and a sports_team, which is in the image [SSEP] kevin" in text
    read = method.seq2seq.tokenizer.decode
    asked = [row.nonzero()[:, 0].tolist() for row in batch.targets["queries"][0]]
    assert [read([ids[at] for at in places]) for places in asked] == ["in the image"] * 2
    scores = {
        "ids": torch.tensor([ids]),
        "log_probabilities": torch.zeros(1, len(ids)),
        "regions": torch.zeros(1, len(ids), 5),
    }
    (found,) = method.decode(Output(scores), batch)
    gold = post.annotations
    assert gold is not None
    assert [(e.span, e.fine_type) for e in found.entities] == [
        (e.span, e.fine_type) for e in gold.entities
    ]
    assert {e.grounding.status for e in found.entities} == {"regions"}
    method(batch).loss.backward()
    (found,) = method.decode(method(method.collate(batch.examples)), batch)


# the network


def of_width(width: int) -> Tiger:
    config = T5Config(
        vocab_size=400, d_model=width, d_kv=2, d_ff=4, num_layers=1, num_heads=1,
        decoder_start_token_id=0, tie_word_embeddings=True,
    )  # fmt: skip
    seq2seq = Seq2Seq(T5ForConditionalGeneration(config), tiny_byte_tokenizer("t5"), "four")
    return Tiger(TigerConfig(types="coarse", feature_width=3), FINE, seq2seq).eval()


def test_region_scores_are_scaled_products() -> None:
    method = of_width(4)
    d = torch.tensor([[[1.0, 2, 2, 1]]])
    v = torch.tensor([[[1.0, 0, 0, 1], [0, 1, 1, 0]]])
    z = method.region_scores(d, v)
    assert z[0, 0].tolist() == [1.0, 2.0]
    assert z[0, 0].softmax(0).tolist() == pytest.approx([0.268941, 0.731059], abs=1e-6)


def test_the_mean_of_scores_is_the_score_of_the_mean() -> None:
    method = of_width(4)
    d, v = torch.randn(1, 3, 4), torch.randn(1, 7, 4)
    mean = method.region_scores(d, v).mean(1)
    assert torch.allclose(mean, method.region_scores(d.mean(1, keepdim=True), v)[:, 0], atol=1e-6)


def region_loss(method: Tiger, z: Tensor, queries: Tensor, wanted: Tensor, mask: Tensor) -> float:
    batch = Batch([], {"region_mask": mask}, {"queries": queries, "wanted": wanted})
    return float(method._region_loss(z, batch))


def test_the_region_loss_of_averaged_scores() -> None:
    method = tiger()
    third = torch.full((1, 1, 3), 1 / 3)
    q = torch.tensor([[[4 / 7, 3 / 7, 0, 0]]])
    # Unequal at each of three positions, equal on average.
    z = torch.tensor([[[3.0, 0, 0, 3], [0, 3, 0, 0], [0, 0, 3, 0]]])
    there = torch.ones(1, 4, dtype=torch.long)
    assert region_loss(method, z, third, q, there) == pytest.approx(0.703386, abs=1e-6)
    # Two documents: [[1, 0], [0, 2]]; a row of zeros is no entity.
    z = torch.tensor([[[2.0, 0], [0, 0]], [[0, 4.0], [0, 0]]])
    queries = torch.tensor([[[0.5, 0.5], [0.5, 0.5]], [[0, 0], [0.5, 0.5]]])
    wanted = torch.tensor([[[0.75, 0.25], [0, 0]], [[0, 0], [0, 1.0]]])
    there = torch.ones(2, 2, dtype=torch.long)
    assert region_loss(method, z, queries, wanted, there) == pytest.approx(0.063927, abs=1e-6)
    assert region_loss(method, z, queries, wanted * 0, there) == 0.0


def test_legacy_padded_regions_take_part_in_the_loss() -> None:
    z, query = torch.zeros(1, 1, 4), torch.ones(1, 1, 1)
    wanted, mask = torch.tensor([[[0.5, 0.5, 0, 0]]]), torch.tensor([[1, 1, 0, 0]])
    assert region_loss(tiger(), z, query, wanted, mask) == pytest.approx(0.0, abs=1e-6)
    legacy = tiger(legacy_padded_regions=True)
    assert region_loss(legacy, z, query, wanted, mask) == pytest.approx(np.log(2), abs=1e-6)


def test_the_encoder_reads_text_then_regions_and_no_padding() -> None:
    method = tiger()
    batch = batch_of(method, [LOVE], gold=False)
    with torch.no_grad():
        memory, mask, v = method.encode(batch)
        text, regions = method.config.source_length, method.config.region_count
        assert memory.shape == (1, text + regions, 32)
        assert v.shape == (1, regions, 32)
        own = int(batch.inputs["attention_mask"].sum())
        assert mask[0].tolist() == [1] * own + [0] * (text - own) + [1, 1, 1, 0, 0]
        changed = {name: value.clone() for name, value in batch.inputs.items()}
        changed["regions"][0, 3:] = 9.0
        changed["input_ids"][0, own:] = 7
        other, _, _ = method.encode(Batch([], changed))
        seen = mask[0].bool()
        assert torch.equal(memory[0, seen], other[0, seen])
        changed["regions"][0, 2] += 1.0
        other, _, _ = method.encode(Batch([], changed))
        assert not torch.allclose(memory[0, :own], other[0, :own])


def test_features_are_divided_by_the_norm_of_all() -> None:
    asset = regions_of(WIDTH)
    given = torch.tensor(asset.arrays["features"])
    found = batch_of(tiger(region_count=2), [LOVE], asset).inputs["regions"][0]
    assert torch.allclose(found, given[:2] / given.norm(), atol=1e-6)
    raw = batch_of(tiger(normalise=False), [LOVE], asset).inputs["regions"][0]
    assert torch.equal(raw[:3], given)


def test_losses_of_a_batch() -> None:
    method = tiger(region_weight=0.5)
    batch = batch_of(method, [LOVE, fined(picture_post("no one here"))])
    with torch.no_grad():
        output = method(batch)
        whole = tiger()(batch)
    labels = batch.targets["labels"]
    log_p = output.scores["logits"].log_softmax(2)
    own = labels != IGNORED
    by_hand = -log_p[own].gather(1, labels[own].unsqueeze(1)).mean()
    assert float(output.losses["words"]) == pytest.approx(float(by_hand), rel=1e-5)
    half = float(whole.losses["regions"]) / 2
    assert float(output.losses["regions"]) == pytest.approx(half, rel=1e-5)
    assert output.scores["regions"].shape == (2, labels.shape[1], 5)


# the corpus


@pytest.mark.corpus
def test_gold_of_the_test_split(data_dir: Path) -> None:
    gold = [items_of(document) for document in load("fmnerg", "test", root=data_dir)]
    # 2543 entities; dictionaries of (text, fine type) collapse them to 2529.
    plain = score(gold, gold, "gmner-iou50@1", level="fine_type").main.micro
    collapsed = score(gold, gold, "gmner-iou50@1", level="fine_type", mode="fmnerg")
    assert (plain.gold, plain.correct) == (2543, 2543)
    assert collapsed.main.micro.gold == 2529


@pytest.mark.corpus
@pytest.mark.slow
def test_every_gold_entity_of_the_corpus_can_be_said(data_dir: Path) -> None:
    documents = list(load("fmnerg", "dev", root=data_dir))
    method = tiger(
        LabelSpace.of(documents), source_length=200, target_length=2000, keep_repeats=True
    )
    said: Counter[str] = Counter()
    for document in documents:
        example = method.prepare(
            document.with_annotations(None), dict.fromkeys(method.needs(), Asset.absent("none"))
        )
        assert example.notes["kept"] == len(example.notes["words"])
        text = method.spelling.read(method.targets(document, example)["labels"].tolist())
        parsed = method.grammar.parse(text)
        assert not parsed.diagnostics, parsed.diagnostics
        said.update(item.type for item in parsed)
    expected = Counter(e.fine_type for d in documents for e in d.entities)
    assert said == expected
    assert said.total() == 2450
