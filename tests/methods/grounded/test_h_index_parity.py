"""H-Index against the public code's numbers on a tiny configuration, from documents to scores."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor, nn  # noqa: E402
from transformers import BartConfig, BartForConditionalGeneration  # noqa: E402

from magpie.backbones import Seq2Seq  # noqa: E402
from magpie.features import Asset, Assets  # noqa: E402
from magpie.methods._h_index import add_markers, marker_pieces  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.grounded.h_index import HIndex, HIndexConfig  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.metrics import items_of, score  # noqa: E402
from magpie.metrics.counts import Counts  # noqa: E402
from magpie.schema import (  # noqa: E402
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Region,
)
from magpie.text.tags import decode_tags  # noqa: E402

from ..stored import Folder, norms_and_gradients, relative, shown  # noqa: E402

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("one_thread")]

BART = "backbones.seq2seq.model.model"
LABELS = LabelSpace(entity_types=("LOC", "ORG", "OTHER", "PER"))


class StandIn:
    """The stored tokenizer: ``a40+b41`` is pieces 40 and 41, markers as the manifest says."""

    is_fast = True

    def __init__(self, config: Mapping[str, Any], *, markers: bool) -> None:
        self.eos_token_id, self.unk_token_id = config["eos_id"], 3
        self.inner = config["marker_pieces"]
        self.places = {f"<p{index}>": index for index in range(config["vocab_pieces"])}
        if markers:
            self.places |= {f"<<{name}>>": place for name, place in config["markers"].items()}

    def __len__(self) -> int:
        return len(self.places)

    def get_vocab(self) -> dict[str, int]:
        return dict(self.places)

    def add_tokens(self, pieces: list[str], special_tokens: bool = False) -> None:
        for piece in pieces:
            self.places.setdefault(piece, len(self.places))

    def __call__(self, texts: Any, **options: Any) -> dict[str, Any]:
        several = [texts] if isinstance(texts, str) else texts
        found = [self._cut(text) for text in several]
        return {"input_ids": found[0] if isinstance(texts, str) else found}

    def _cut(self, text: str) -> list[int]:
        if text in self.places:
            return [self.places[text]]
        if text in self.inner:
            return list(self.inner[text])
        return [int(number) for number in re.findall(r"[a-z](\d+)", text)]


def bart(config: Mapping[str, Any], *, rows: int, markers: bool) -> Seq2Seq:
    """The stored BART without dropout, its token table of so many rows."""
    assert config["activation"] == "gelu"
    assert config["normalize_embedding"]
    assert config["position_offset"] == 2
    sizes = BartConfig(
        vocab_size=rows,
        d_model=config["d_model"],
        encoder_layers=config["encoder_layers"],
        decoder_layers=config["decoder_layers"],
        encoder_attention_heads=config["heads"],
        decoder_attention_heads=config["heads"],
        encoder_ffn_dim=config["ffn"],
        decoder_ffn_dim=config["ffn"],
        max_position_embeddings=config["max_position_embeddings"],
        activation_function="gelu",
        dropout=0.0,
        pad_token_id=config["pad_id"],
        bos_token_id=config["bos_id"],
        eos_token_id=config["eos_id"],
        decoder_start_token_id=config["eos_id"],
    )
    tokenizer: Any = StandIn(config, markers=markers)
    return Seq2Seq(BartForConditionalGeneration(sizes).eval(), tokenizer, "stored")


def our_name(public: str) -> str | None:
    """Ours; None for the head that the public code never calls."""
    if public.startswith("seq2seq_model.decoder.region_select."):
        return None
    if re.fullmatch(r"seq2seq_model\.(en|de)coder\.\w+\.embed_tokens\.weight", public):
        return f"{BART}.shared.weight"
    parts = {
        "seq2seq_model.encoder.bart_encoder.img_proj.": "region_projection.",
        "seq2seq_model.encoder.bart_encoder.": f"{BART}.encoder.",
        "seq2seq_model.decoder.decoder.": f"{BART}.decoder.",
        "seq2seq_model.decoder.encoder_mlp.": "pointer.map.",
    }
    prefix = next(part for part in parts if public.startswith(part))
    return parts[prefix] + public.removeprefix(prefix)


class Stored:
    """The folder, our method with its weights, and its documents with their assets."""

    def __init__(self, path: Path, *, fixed: bool) -> None:
        self.folder = Folder(path)
        self.theirs = self.folder.fixed if fixed else self.folder.outputs
        self.config = c = self.folder.config
        assert c["use_kl"]
        settings = HIndexConfig(
            seq2seq="stored",
            region_count=c["regions"],
            feature_width=c["feature_dim"],
            normalise=c["normalise_features"],
            dropout=0.0,
            region_dropout=0.0,
            region_weight=c["region_loss_weight"],
            output_length=c["max_len"],
            output_share=c["max_len_a"],
            legacy_encoder_mask=not fixed,
            legacy_padded_regions=True,
            legacy_types=True,
        )
        backbone = bart(c, rows=c["vocab_rows"], markers=True)
        self.method = HIndex(settings, LABELS, backbone)
        assert self.method.special == c["index_mapping"]
        self.names = {
            name: ours for name in self.folder.weights if (ours := our_name(name)) is not None
        }
        self.load()
        self.documents = [self.document(sample) for sample in self.folder.manifest["samples"]]

    def load(self) -> None:
        """Every public weight into its place, and none of ours without one."""
        own = dict(self.method.named_parameters())
        assert set(self.names.values()) == set(own)
        for public, ours in self.names.items():
            with torch.no_grad():
                own[ours].copy_(self.folder.weights[public])
        tables = [v for n, v in self.folder.weights.items() if n.endswith("embed_tokens.weight")]
        assert all(torch.equal(tables[0], table) for table in tables)

    def document(self, sample: Mapping[str, Any]) -> Document:
        """One tweet with its gold."""
        block = Block.from_words(sample["words"])
        boxes: dict[str, list[Region]] = {}
        for name, corners in sample["xml"]:
            boxes.setdefault(name, []).append(Region.of_box(Box(*corners, "m0")))
        entities = []
        for kind, start, end in decode_tags(sample["tags"]):
            words = " ".join(sample["words"][start:end])
            entities.append(
                Entity(
                    id=f"e{len(entities)}",
                    span=block.word_span(start, end),
                    type=kind,
                    grounding=Grounding.in_regions(*boxes.get(words, ())),
                )
            )
        return Document(
            id=sample["id"],
            blocks=(block,),
            media=(Media(uri="x.jpg"),),
            annotations=Annotations(entities=tuple(entities)),
        )

    def assets(self, document: Document) -> Assets:
        """The detector's rows, none of them cut off yet."""
        raw = {
            name: self.folder.inputs[f"raw.{document.id}.{name}"].numpy()
            for name in ("box_features", "bounding_boxes")
        }
        arrays = {"features": raw["box_features"], "boxes": raw["bounding_boxes"]}
        return {self.method.need: Asset(arrays)}

    def batch(self) -> Batch:
        """All tweets with their targets, by the road of training."""
        examples = [self.method.prepare(without_gold(d), self.assets(d)) for d in self.documents]
        targets = [self.method.targets(d, e) for d, e in zip(self.documents, examples, strict=True)]
        return self.method.collate(examples, targets)


@pytest.fixture(scope="module", params=[False, True], ids=["released", "fixed"])
def stored(request: pytest.FixtureRequest, parity_dir: Path) -> Stored:
    return Stored(parity_dir / "h-index", fixed=request.param)


def test_inputs_and_targets_are_rebuilt_from_the_raw_tweets(stored: Stored) -> None:
    batch, theirs = stored.batch(), stored.folder.inputs
    assert torch.equal(batch.inputs["input_ids"], theirs["src_tokens"])
    assert torch.equal(batch.inputs["attention_mask"].sum(1), theirs["src_seq_len"])
    assert relative(batch.inputs["regions"], theirs["image_feature"]) < 1e-6
    assert torch.equal(batch.inputs["region_mask"], theirs["image_feature"].sum(2) > 0)
    assert torch.equal(batch.targets["target"], theirs["tgt_tokens"])
    assert torch.equal(batch.targets["target_length"], theirs["tgt_seq_len"])
    flags = batch.targets["target"] == stored.method.grammar.grounded
    covered = theirs["cover_flag"].squeeze(2) == 1
    labels = theirs["region_label"]
    # Padding rows and fillers of tweets without an entity are zero throughout.
    wanted = labels[covered & (labels[:, :, :-1].sum(2) > 0)][:, :-1]
    assert len(wanted) == int(flags.sum())
    assert relative(batch.targets["region_target"][flags], wanted) < 1e-6


def run(stored: Stored) -> tuple[dict[str, Tensor], Batch, Any]:
    """Every stored activation of a pass with targets, its batch and output."""
    seen: dict[str, Tensor] = {}
    method, count = stored.method, stored.config["regions"]
    method.train()
    bart_model: Any = method.seq2seq.transformer

    def keep(module: nn.Module, name: str) -> Any:
        def hook(_: Any, __: Any, found: Any) -> None:
            seen.setdefault(name, found if isinstance(found, Tensor) else found[0])

        return module.register_forward_hook(hook)

    hooks = [
        keep(method.region_projection, "act.region_projection"),
        keep(bart_model.get_encoder().layers[0], "act.encoder_layer0"),
        keep(bart_model.get_decoder(), "act.decoder_output"),
    ]
    batch = stored.batch()
    output = method(batch)
    for hook in hooks:
        hook.remove()
    seen["act.encoder_output"] = memory = output.scores["memory"]
    seen["act.mlp_text"] = method.pointer.map(memory[:, count:])
    seen["act.mlp_region"] = method.pointer.map(memory[:, :count])
    seen["logits"] = output.scores["logits"]
    seen["region_scores.all_steps"] = output.scores["region_scores"]
    flags = batch.targets["target"][:, :-1] == method.grammar.grounded
    seen["region_scores.supervised"] = output.scores["region_scores"][flags]
    return seen, batch, output


def test_activations_scores_and_losses(stored: Stored) -> None:
    seen, batch, output = run(stored)
    length = stored.folder.inputs["tgt_seq_len"] - 1
    steps = torch.arange(int(length.max())) < length.unsqueeze(1)
    # The public decoder also reads the padding of targets, which no loss looks at.
    rows = dict.fromkeys(("act.decoder_output", "logits", "region_scores.all_steps"), steps)
    theirs = stored.theirs
    values = {}
    for name, ours in seen.items():
        a, b = ours, theirs[name]
        assert a.shape == b.shape, name
        if name in rows:
            a, b = a[steps], b[steps]
        if name == "logits":
            hidden = b < -1e20
            assert torch.equal(a < -1e20, hidden)
            assert torch.equal(a[hidden], b[hidden])
            a, b = a[~hidden], b[~hidden]
        values[name] = relative(a, b)
    text = batch.inputs["attention_mask"].bool()
    count = stored.config["regions"]
    words = seen["act.decoder_output"] @ output.scores["words"].transpose(
        1, 2
    )  # B,L,S: before masking
    both = steps.unsqueeze(2) & text.unsqueeze(1)
    values["word_scores.unmasked"] = relative(words[both], theirs["word_scores.unmasked"][both])
    unseen = {
        name
        for name in theirs
        if not name.startswith(("gradnorm.", "loss.", "greedy.")) and name not in values
    }
    assert not unseen
    assert count == output.scores["regions"].shape[1]
    shown("h-index activations and scores", values)
    assert max(values.values()) < 2e-5, values
    kl, total = output.losses["region"] / stored.config["region_loss_weight"], output.loss
    losses = {
        "loss.ce": output.losses["ce"],
        "loss.region_kl": kl,
        "loss.total": total,
        "loss.region_bce": binary(stored, batch),
    }
    differences = {name: relative(value, theirs[name]) for name, value in losses.items()}
    shown("h-index losses", differences)
    assert max(differences.values()) < 1e-5, differences


def binary(stored: Stored, batch: Batch) -> Tensor:
    """L_region of the other form, with the same weights."""
    method, kept = stored.method, stored.method.config
    method.config = HIndexConfig(**{**kept.to_dict(), "region_loss": "bce"})
    try:
        found: Tensor = method(batch).losses["region"] / kept.region_weight
        return found
    finally:
        method.config = kept


def test_gradient_norms(stored: Stored) -> None:
    _, _, output = run(stored)
    stored.method.zero_grad()
    output.loss.backward()
    renamed = {
        name.replace("gradnorm.", "grad_norm."): value for name, value in stored.theirs.items()
    }
    values = norms_and_gradients(renamed, "", stored.method, stored.names)
    assert len(values) == sum(name.startswith("gradnorm.") for name in stored.theirs)
    shown("h-index gradient norms", values)
    assert max(values.values()) < 1e-3, values


def test_greedy_indices_and_regions(stored: Stored) -> None:
    method = stored.method.eval()
    batch = stored.batch()
    batch.targets = {}
    with torch.no_grad():
        read = method(batch).scores
        indices, states = method.generate(read, batch)
        scored = method.score_states(states, read, batch)
    theirs = stored.theirs
    assert torch.equal(indices, theirs["greedy.indices"][:, 1:])
    first = (indices == method.grammar.end).int().argmax(1)
    steps = torch.arange(indices.shape[1]) <= first.unsqueeze(1)
    regions = scored["region_scores"].argmax(2)
    assert torch.equal(regions[steps], theirs["greedy.regions"][:, 1:][steps])
    real = theirs["greedy.step_logits"] > -1e20
    both = real & steps.unsqueeze(2)
    values = {
        "logits": relative(scored["logits"][both], theirs["greedy.step_logits"][both]),
        "regions": relative(
            scored["region_scores"][steps], theirs["greedy.step_region_scores"][steps]
        ),
    }
    shown("h-index greedy steps", values)
    assert max(values.values()) < 2e-5, values


def type_index(stored: Stored, kind: str) -> int:
    """The index of a type; of one that is none, what was written."""
    grammar = stored.method.grammar
    unknown = kind.startswith("#")
    return int(kind[1:]) if unknown else grammar.first_type + grammar.types.index(kind)


@pytest.mark.parametrize("early", [False, True], ids=["consuming", "emitting"])
def test_triples_and_scores(stored: Stored, early: bool) -> None:
    method, manifest = stored.method.eval(), stored.folder.manifest
    kept, count = method.config, stored.config["regions"]
    method.config = HIndexConfig(**{**kept.to_dict(), "legacy_region_step": early})
    fixed = not kept.legacy_encoder_mask
    parses = manifest["greedy_parse_fixed" if fixed else "greedy_parse"]
    name = "emitting_step (released metric)" if early else "consuming_step (project default)"
    odd = Counter[str]()
    try:
        assets = [stored.assets(document) for document in stored.documents]
        found = method.predict(stored.documents, assets)
        batch = stored.batch()
        with torch.no_grad():
            read = method(batch).scores
            indices, states = method.generate(read, batch)
            regions = method.score_states(states, read, batch)["region_scores"].argmax(2)
        triples = []
        for row, example in enumerate(batch.examples):
            items = {}
            parsed = method.parse(indices[row].tolist(), example)
            odd += parsed.diagnostics
            for item in parsed:
                step = method.region_step(item)
                region = count if step is None else int(regions[row, step])
                key = " ".join(
                    str(place + method.grammar.first_pointer) for place in item.positions
                )
                items[key] = [[region], [type_index(stored, item.type)]]
            triples.append(items)
    finally:
        method.config = kept
    assert triples == parses[name]["triples"]
    predicted = [d.with_annotations(a) for d, a in zip(stored.documents, found, strict=True)]
    report = score(
        map(items_of, stored.documents), map(items_of, predicted), "gmner-iou50@1", mode="gmner"
    )
    if odd:  # the release counts what points at no words in its own way
        return
    expected, main = parses[name]["scores"], report.main.micro
    mner = report.parts["mner"].micro
    assert isinstance(main, Counts)
    assert isinstance(mner, Counts)
    assert round(100 * main.score, 2) == expected["f"]
    assert round(100 * main.precision, 2) == expected["pre"]
    assert round(100 * main.recall, 2) == expected["rec"]
    assert main.correct == expected["uc"] + expected["nc"]
    assert mner.correct == expected["tc"]


def test_marker_initialisation_as_released(parity_dir: Path) -> None:
    folder = Folder(parity_dir / "h-index")
    c, before = folder.config, folder.inputs["embedding.before_markers"]
    after = folder.inputs["embedding.after_markers"]
    rows = [c["markers"][marker.strip("<>")] for marker in marker_pieces(LABELS)]
    for legacy in (True, False):
        backbone = bart(c, rows=len(before), markers=False)
        table: Any = backbone.transformer.get_input_embeddings()
        with torch.no_grad():
            table.weight.copy_(before)
        add_markers(backbone, marker_pieces(LABELS), legacy=legacy)
        ours = backbone.transformer.get_input_embeddings().weight
        assert isinstance(ours, Tensor)
        own = [backbone.tokenizer.get_vocab()[marker] for marker in marker_pieces(LABELS)]
        assert relative(ours[own], after[rows]) < 1e-6
        changed = {pieces[0] for pieces in c["marker_pieces"].values() if len(pieces) > 1}
        for row in range(len(before)):
            wanted = after[row] if legacy else before[row]
            torch.testing.assert_close(ours[row], wanted)
            assert torch.equal(after[row], before[row]) == (row not in changed)
