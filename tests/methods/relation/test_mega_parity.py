"""MEGA against the public code's numbers on a tiny configuration."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

from magpie.features.node_alignment import (  # noqa: E402
    align,
    landmark_vectors,
    node_identities,
    structural_alignment,
)
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.marking import mark_pair  # noqa: E402
from magpie.methods.relation.mega import Mega, MegaConfig  # noqa: E402

from ..stored import Folder, bert, check_gradients, shown  # noqa: E402

pytestmark = pytest.mark.parity

#: public name -> ours; None is never used
NAMES: dict[str, str | None] = {
    r"sentence_encoder\.bert\.(?:pooler\..+|embeddings\.position_ids)": None,
    r"sentence_encoder\.bert\.(.+)": r"backbones.text.model.\1",
    r"sentence_encoder\.linear_pic\.(.+)": r"object_map.\1",
    r"sentence_encoder\.linear_hidden\.(.+)": r"text_map.\1",
    r"sentence_encoder\.linear_q\.(.+)": r"query.\1",
    r"sentence_encoder\.linear_k\.(.+)": r"key.\1",
    r"sentence_encoder\.linear_v\.(.+)": r"value.\1",
    r"sentence_encoder\.linear_final1\.(.+)": r"join.\1",
    r"sentence_encoder\.linear_final\.(.+)": r"final.\1",
    r"sentence_encoder\.linear(?:_merge)?\.(?:weight|bias)": None,
    r"fc\.(.+)": r"classifier.\1",
}
GRAPH = re.compile(r"graph(\d+)/edges")


def our_name(public: str) -> str | None:
    """Where a public weight goes; None for those that nothing reads."""
    for pattern, ours in NAMES.items():
        if match := re.fullmatch(pattern, public):
            return None if ours is None else match.expand(ours)
    raise AssertionError(f"no place for {public}")


class Stored:
    """The folder, our method with its weights, and its batch."""

    def __init__(self, folder: Folder, **options: Any) -> None:
        self.folder, c = folder, folder.config
        text = bert({**c["text"], "ffn": c["text"]["intermediate"]})
        # The stored embedding has the markers' rows already, wherever they are.
        text.transformer.resize_token_embeddings(len(text.tokenizer) + 4, mean_resizing=False)
        config = MegaConfig(
            max_length=c["max_length"],
            region_width=c["object_features"],
            object_count=c["objects"],
            hops=c["structural"]["hops"],
            alpha=c["structural"]["alpha"],
            nearest=c["structural"]["nearest_objects"],
            dropout=0.0,
            **options,
        )
        labels = LabelSpace(relation_types=tuple(f"r{n}" for n in range(c["labels"])))
        self.method = Mega(config, labels, text)
        text.transformer.resize_token_embeddings(c["text"]["vocab"], mean_resizing=False)
        assert self.method.text_map.out_features == c["pair_width"]
        self.names = {
            public: ours for public in folder.weights if (ours := our_name(public)) is not None
        }
        state = {ours: folder.weights[public] for public, ours in self.names.items()}
        # What the text encoder has beside: its pooler, which neither code reads.
        own = self.method.state_dict()
        pooler = {n: v for n, v in own.items() if ".pooler." in n}
        self.method.load_state_dict({**pooler, **state})
        assert set(own) == set(state) | set(pooler)
        self.method.eval()

    def batch(self) -> Batch:
        i = self.folder.inputs
        inputs = {
            "input_ids": i["token"],
            "attention_mask": i["att_mask"],
            "ends": torch.cat([i["pos1"], i["pos2"]], 1),
            "owner": torch.arange(len(i["token"])),
            "objects": i["pic"],
            "there": i["pic"].abs().sum(2) > 0,
            "alignment": i["rel"],
        }
        return Batch([], inputs, {"relations": i["label"]})


def _kept(calls: dict[str, Tensor], name: str, inner: Any, *given: Any) -> Any:
    calls[name] = inner(*given)
    return calls[name]


def activations(method: Mega, batch: Batch, patch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """Everything the folder stores of a pass, under its names."""
    calls: dict[str, Tensor] = {}
    for name in ("semantic", "structural", "object_sum"):
        patch.setattr(method, name, functools.partial(_kept, calls, name, getattr(method, name)))
    parts = {
        "bert_hidden": method.text,
        "text_lifted": method.text_map,
        "object_lifted": method.object_map,
        "rep": method.final,
    }
    hooks = [
        part.register_forward_hook(lambda _, __, found, n=name: calls.update({n: found}))
        for name, part in parts.items()
    ]
    with torch.no_grad():
        output = method(batch)
    for hook in hooks:
        hook.remove()
    patch.undo()
    logits = output.scores["logits"]
    return {
        **calls,
        "entity_pair": method.pair_states(calls["bert_hidden"], batch),
        "loss": output.loss,
        "logits": logits,
        "prob": logits.softmax(1),
        "pred": logits.argmax(1),
    }


def compare(group: str, ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Every stored tensor of the pass: whole numbers exactly, others by the stated tolerance."""
    stored = {n: v for n, v in theirs.items() if not n.startswith(("grad", "graph"))}
    assert set(stored) == set(ours)
    values = {}
    for name, value in stored.items():
        if value.dtype in (torch.int32, torch.int64):
            assert torch.equal(ours[name].long(), value.long()), name
            continue
        assert ours[name].shape == value.shape, name
        values[name] = float((ours[name] - value).abs().max())
        assert torch.allclose(ours[name], value, rtol=1e-4, atol=1e-4), (name, values[name])
    shown(group, values)
    shown(f"{group}, answers", {n: values[n] for n in ("logits", "loss", "prob")})


@pytest.fixture(scope="module")
def folder(parity_dir: Path) -> Folder:
    return Folder(parity_dir / "mega")


def test_the_public_code(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(folder, legacy_reshape=True, legacy_no_expand=True)
    batch = stored.batch()
    compare("mega public", activations(stored.method, batch, monkeypatch), folder.outputs)
    check_gradients(
        stored.method, stored.batch(), stored.names, folder.outputs, "mega public gradients"
    )


def test_the_transposed_alignment(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(folder)
    ours = activations(stored.method, stored.batch(), monkeypatch)
    compare("mega fixed", ours, folder.fixed)
    check_gradients(
        stored.method, stored.batch(), stored.names, folder.fixed, "mega fixed gradients"
    )
    assert not torch.allclose(ours["structural"], folder.outputs["structural"], atol=1e-3)


def test_graphs(folder: Folder) -> None:
    """Features, products of the vectors, and R, in double precision."""
    c = folder.config
    s = c["structural"]
    numbers = [match[1] for name in folder.inputs if (match := GRAPH.fullmatch(name))]
    assert numbers
    values = {}
    for number in numbers:
        edges = [(int(a), int(b)) for a, b in folder.inputs[f"graph{number}/edges"]]
        words = int(folder.inputs[f"graph{number}/n_words"])
        nodes = words + c["objects"]
        f = node_identities(edges, nodes, hops=s["hops"], alpha=s["alpha"])
        y = landmark_vectors(f, range(nodes))
        units = y / np.linalg.norm(y, axis=1, keepdims=True)
        every, _ = align(y, words, nearest=s["nearest_objects"])
        kept = structural_alignment(
            edges,
            words,
            c["objects"],
            hops=s["hops"],
            alpha=s["alpha"],
            nearest=s["nearest_objects"],
            landmarks=nodes,
        )
        found = {
            "features": f,
            "gram": units @ units.T,
            "similarity_all": every,
            "alignment": kept,
        }
        for name, ours in found.items():
            theirs = folder.outputs[f"graph{number}/{name}"].numpy()
            assert ours.shape == theirs.shape, name
            apart = np.abs(ours - theirs)
            if name in ("similarity_all", "alignment"):
                # Nodes in the same place are exactly 0 apart here; there the root of a rounding
                # error, up to the root of 1e-15, is left between them.
                same = ours == 1.0
                assert apart[same].max(initial=0.0) < 1e-7
                apart = np.where(same, 0.0, apart)
            values[f"{number}/{name}"] = float(apart.max())
    shown("mega graphs", values)
    assert max(values.values()) < 1e-8, values


def test_the_marked_sentences(folder: Folder) -> None:
    """Sentences of the manifest give its pieces and positions, whichever mention comes first."""
    vocabulary = {piece: n for n, piece in enumerate(folder.manifest["vocabulary"])}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]")  # noqa: S106
    unused = {"<s>": 0, "</s>": 1, "<o>": 2, "</o>": 3}
    markers = {mark: vocabulary[f"[unused{number}]"] for mark, number in unused.items()}
    limit = folder.config["max_length"]
    turned = 0
    for row, instance in enumerate(folder.manifest["instances"]):
        words = tokenizer(instance["tokens"], is_split_into_words=False, add_special_tokens=False)[
            "input_ids"
        ]
        head, tail = (tuple(instance[role]["pos"]) for role in ("head", "tail"))
        turned += tail < head
        marked = mark_pair(
            words, head, tail, markers, (vocabulary["[CLS]"], vocabulary["[SEP]"]), 1000
        )
        ids = folder.inputs["token"][row].tolist()
        # The public code cuts at the end, mention or not; ours would leave out other words first.
        length = int(folder.inputs["att_mask"][row].sum())
        assert marked.ids[:length] == ids[:length]
        assert not any(ids[length:])
        for place, name in ((marked.head, "pos1"), (marked.tail, "pos2")):
            assert min(place, limit - 1) == int(folder.inputs[name][row])
        assert ids[int(folder.inputs["pos1"][row])] == markers["<s>"]
        kept = mark_pair(
            words, head, tail, markers, (vocabulary["[CLS]"], vocabulary["[SEP]"]), limit
        )
        assert kept.ids[kept.tail] == markers["<o>"]
    assert turned


def test_a_leftover_name_is_an_error() -> None:
    with pytest.raises(AssertionError):
        our_name("sentence_encoder.linear_other.weight")
