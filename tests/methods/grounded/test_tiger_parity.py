"""TIGER against the public code's numbers on a tiny configuration, released and corrected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402
from transformers import T5Config, T5ForConditionalGeneration  # noqa: E402

from magpie.backbones import Seq2Seq  # noqa: E402
from magpie.backbones.tiny_seq2seq import tiny_byte_tokenizer  # noqa: E402
from magpie.methods._tiger import released_phrases  # noqa: E402
from magpie.methods.base import Batch, Output  # noqa: E402
from magpie.methods.generation.phrases import find_phrase  # noqa: E402
from magpie.methods.grounded.tiger import IGNORED, Tiger, TigerConfig  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402

from ..stored import Folder, relative, shown  # noqa: E402

pytestmark = pytest.mark.parity

#: a 36-way classifier that the class has and never calls
UNUSED = "classifier.weight"
PROJECTION = "encoder.visual_feat_embedding.0."
T5 = "backbones.seq2seq.model."


def our_name(public: str) -> str:
    """The name of a public parameter here; unknown ones fail."""
    if public.startswith(PROJECTION):
        return f"project.{public.removeprefix(PROJECTION)}"
    assert public.split(".", maxsplit=1)[0] in ("shared", "encoder", "decoder", "lm_head"), public
    return T5 + public


class Stored(Folder):
    """The folder, our method with its weights, and its batch."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        c = self.config
        assert c["dropout"] == 0
        assert c["loss_weights"] == [1, 1]
        sizes = T5Config(
            vocab_size=c["vocabulary"],
            d_model=c["d_model"],
            d_kv=c["d_kv"],
            d_ff=c["d_ff"],
            num_layers=c["encoder_blocks"],
            num_decoder_layers=c["decoder_blocks"],
            num_heads=c["heads"],
            relative_attention_num_buckets=c["relative_buckets"],
            relative_attention_max_distance=c["relative_max_distance"],
            feed_forward_proj=c["feed_forward"],
            tie_word_embeddings=c["tied_embeddings"],
            layer_norm_epsilon=c["layer_norm_eps"],
            decoder_start_token_id=c["start_id"],
            pad_token_id=c["pad_id"],
            eos_token_id=c["eos_id"],
            dropout_rate=0.0,
        )
        self.phrase = tuple(c["ids"]["in_the_image"])
        self.negation = c["ids"]["not"]
        self.method = self._method(Seq2Seq(T5ForConditionalGeneration(sizes), _tokenizer(), "s"))

    def _method(self, seq2seq: Seq2Seq) -> Tiger:
        config = TigerConfig(
            source_length=self.inputs["source_ids"].shape[1],
            target_length=self.outputs["greedy.ids"].shape[1] - 1,
            types="coarse",
            region_count=self.config["regions"],
            feature_width=self.config["feature_dim"],
            legacy_padded_regions=True,  # "active in both"
        )
        method = Tiger(config, LabelSpace(entity_types=("LOC", "PER")), seq2seq)
        assert method.seq2seq.end_id == self.config["eos_id"]
        weights = {our_name(n): value for n, value in self.weights.items() if n != UNUSED}
        # A load that leaves neither a public nor one of our parameters over.
        method.load_state_dict(weights)
        return method

    def phrases(self, ids: list[int], *, released: bool) -> list[tuple[int, ...]]:
        if released:
            return released_phrases(ids, self.phrase, self.negation, drops=True, arms=True)
        return find_phrase(ids, self.phrase, self.negation)

    def marked(self, rows: list[list[tuple[int, ...]]], length: int) -> Tensor:
        marks = torch.zeros(len(rows), length, dtype=torch.long)
        for mark, phrases in zip(marks, rows, strict=True):
            mark[[place for phrase in phrases for place in phrase]] = 1
        return marks

    def batch(self, *, released: bool) -> Batch:
        i = self.inputs
        ids = i["target_ids"]
        labels = ids.masked_fill(i["target_mask"] == 0, IGNORED)
        found = [self.phrases(row, released=released) for row in ids.tolist()]
        wanted = i["img_label"]  # B,E,R
        queries = torch.zeros(*wanted.shape[:2], ids.shape[1])
        for row, phrases in enumerate(found):
            covered = wanted[row].sum(1).nonzero()[:, 0].tolist()
            for entity, phrase in zip(covered, phrases, strict=True):
                queries[row, entity, list(phrase)] = 1 / len(phrase)
        return Batch(
            [],
            {
                "input_ids": i["source_ids"],
                "attention_mask": i["source_mask"],
                "regions": i["vis_feats"],
                "region_mask": i["vis_attention_mask"].long(),
            },
            {"labels": labels, "queries": queries, "wanted": wanted},
        )


def _tokenizer() -> Any:
    return tiny_byte_tokenizer("t5")


@pytest.fixture(scope="module")
def stored(parity_dir: Path) -> Stored:
    return Stored(parity_dir / "tiger")


BOTH = pytest.mark.parametrize("released", [True, False], ids=["released", "fixed"])


def theirs(stored: Stored, released: bool) -> dict[str, Tensor]:
    return stored.outputs if released else stored.fixed


def test_the_tied_tables_are_stored_equal(stored: Stored) -> None:
    shared = stored.weights["shared.weight"]
    for name in ("encoder.embed_tokens", "decoder.embed_tokens", "lm_head"):
        assert torch.equal(stored.weights[f"{name}.weight"], shared)


@BOTH
def test_the_positions_of_the_region_loss(stored: Stored, released: bool) -> None:
    want = theirs(stored, released)["selected_positions"]
    ids = stored.inputs["target_ids"]
    found = [stored.phrases(row, released=released) for row in ids.tolist()]
    assert torch.equal(stored.marked(found, ids.shape[1]), want)


def test_the_two_finders_differ_on_these_inputs(stored: Stored) -> None:
    a, b = (values["selected_positions"] for values in (stored.outputs, stored.fixed))
    assert not torch.equal(a, b)


@BOTH
def test_activations_scores_losses_and_gradients(stored: Stored, released: bool) -> None:
    method, want = stored.method.train(), theirs(stored, released)
    batch = stored.batch(released=released)
    seen: dict[str, Tensor] = {}
    t5 = method.seq2seq.transformer
    hooks = []
    for name, module in {
        "act.encoder_block0": t5.encoder.block[0],
        "act.encoder_output": t5.encoder.final_layer_norm,
        "act.decoder_output": t5.decoder.final_layer_norm,
        "act.region_embedding": method.project,
    }.items():

        def keep(_: Any, __: Any, found: Any, name: str = name) -> None:
            seen[name] = found[0] if isinstance(found, tuple) else found

        hooks.append(module.register_forward_hook(keep))
    method.zero_grad(set_to_none=True)
    output = method(batch)
    output.loss.backward()
    for hook in hooks:
        hook.remove()
    seen |= {
        "logits": output.scores["logits"],
        "region_scores.all_steps": output.scores["regions"],
        "loss.lm": output.losses["words"],
        "loss.kl": output.losses["regions"],
        "loss.total": output.loss,
    }
    spots = want["selected_positions"].bool()
    seen["region_scores.selected"] = output.scores["regions"][spots]
    parameters = dict(method.named_parameters())
    for name in want:
        if name.startswith("gradnorm."):
            gradient = parameters[our_name(name.removeprefix("gradnorm."))].grad
            assert gradient is not None
            seen[name] = gradient.norm()
    left = {n for n in want if not n.startswith("greedy.")} - {"selected_positions"}
    assert left == set(seen)
    differences = {name: relative(seen[name], want[name]) for name in sorted(left)}
    kind = "released" if released else "fixed"
    for prefix in ("act.", "logits", "region_scores.", "loss.", "gradnorm."):
        group = {n: v for n, v in differences.items() if n.startswith(prefix)}
        shown(f"tiger {kind} {prefix}", group)
    tolerance = stored.manifest["tolerance"]
    for name, difference in differences.items():
        key = "gradient_norms_rtol" if name.startswith("gradnorm.") else "rtol"
        assert difference < tolerance[key], (name, difference)


def test_greedy_decoding_and_its_regions(stored: Stored) -> None:
    method, want = stored.method.eval(), stored.outputs
    batch = stored.batch(released=True)
    with torch.no_grad():
        output: Output = method(Batch([], batch.inputs))
    # The stored ids begin with the start piece; row t of the scores chose piece t.
    assert torch.equal(output.scores["ids"], want["greedy.ids"][:, 1:])
    assert bool((want["greedy.region_scores"][:, 0] == 0).all())
    z = output.scores["regions"]
    own = (output.scores["ids"] != stored.config["pad_id"]).unsqueeze(2)
    difference = relative(z * own, want["greedy.region_scores"][:, 1:] * own)
    shown("tiger greedy", {"region_scores": difference})
    assert difference < stored.manifest["tolerance"]["rtol"]
    # Their scan for inference and the rule agree here, and so do the regions.
    ids = output.scores["ids"].tolist()
    scans = [
        released_phrases(row, stored.phrase, stored.negation, drops=False, arms=True) for row in ids
    ]
    rule = [stored.phrases(row, released=False) for row in ids]
    assert scans == rule
    marks = want["greedy.positions"][:, 1:]
    assert torch.equal(stored.marked(rule, marks.shape[1]), marks)
    regions = [
        int(z[row, list(phrase)].mean(0).argmax())
        for row, phrases in enumerate(rule)
        for phrase in phrases
    ]
    assert regions == want["greedy.region_per_in_the_image"].tolist()


def test_a_leftover_name_is_an_error() -> None:
    with pytest.raises(AssertionError):
        our_name("classifier.weight")
