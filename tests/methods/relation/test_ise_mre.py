"""ISE: its numbers, what is kept and dropped, both vocabularies, and the public code's habits."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402

from magpie.corpora.controlled import ControlledConfig, controlled, without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods._ise_network import Graphs, ScreeningNetwork  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.ise_mre import IseMre, IseMreConfig  # noqa: E402
from magpie.schema import (  # noqa: E402
    Annotations,
    Block,
    ContextText,
    Document,
    Entity,
    Relation,
    Span,
)
from magpie.training.examples import Examples  # noqa: E402
from magpie.training.loop import LoopConfig, Trainer  # noqa: E402
from magpie.training.optimisers import OptimiserConfig, moving  # noqa: E402
from magpie.training.recipe import read_recipe  # noqa: E402

TINY: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-resnet",
    "objects": "whole",
    "object_count": 1,
    "width": 16,
    "topics": 3,
    "topic_words": 4,
    "word_vocabulary": 30,
    "visual_vocabulary": 5,
    "topic_hidden": (8,),
    "max_length": 32,
}
POSTS = list(controlled("train", ControlledConfig(task="mre", size=8, told=0.5, seed=2)))
LABELS = LabelSpace.of(POSTS)


def made(*, studied: bool = True, **settings: Any) -> IseMre:
    torch.manual_seed(0)
    method = IseMre.build(IseMreConfig(**{**TINY, **settings}), LABELS)
    if studied:
        method.study(POSTS, Supplier())
    return method.eval()


def batch_of(method: IseMre, documents: list[Document], *, gold: bool = True) -> Batch:
    supplier = Supplier()
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, aims if gold else ())


def scored(method: IseMre, batch: Batch) -> dict[str, Tensor]:
    with torch.no_grad():
        return method(batch).scores


def random_graphs(nodes: int = 5, width: int = 8) -> Graphs:
    torch.manual_seed(3)
    labels = torch.zeros(2, nodes, nodes, dtype=torch.long)
    labels[:, 0, 2] = labels[:, 2, 0] = 1
    labels[:, 1, 3] = labels[:, 3, 1] = 2
    real = torch.ones(2, nodes, dtype=torch.bool)
    real[1, -1] = False
    return Graphs(torch.randn(2, nodes, width), real, labels, torch.randn(2, 2, width), 3)


def test_sizes() -> None:
    method = made()
    assert method.classifier.in_features == 3 * 16 + 32 + 64
    assert method.auxiliary.in_features == 48
    found = scored(method, batch_of(method, POSTS))
    assert found["logits"].shape == (8, len(LABELS.relation_types))
    assert found["theta"].shape == (8, 3)
    assert torch.allclose(found["theta"].sum(1), torch.ones(8))
    assert found["text_topic_words"].shape == (8, 4)
    assert (found["divergence"] > 0).all()
    with_text = made(with_text=True)
    assert with_text.classifier.in_features == method.classifier.in_features + 32


def test_published_sizes() -> None:
    network = ScreeningNetwork(768)
    assert network.bottleneck.mean.in_features == 2304
    assert sum(p.numel() for p in network.bottleneck.mean.parameters()) == 5_310_720
    summary = torch.zeros(1, 2304)
    assert network.compress(summary).z.shape == (1, 2304)
    c = IseMreConfig()
    assert (c.eta1, c.eta2, c.beta, c.temperature, c.threshold) == (0.8, 0.7, 0.01, 0.1, 0.25)
    assert (c.topics, c.topic_words, c.hops, c.layers, c.word_vocabulary) == (10, 10, 2, 2, 2000)


def test_the_whole_loss_has_its_number() -> None:
    method = made()
    logits = torch.zeros(1, len(LABELS.relation_types))
    # Cross-entropy of the auxiliary scores is 1.1 by making the gold score so much higher.
    free = len(LABELS.relation_types) - 1
    logits[0, 0] = torch.log(torch.tensor(free / (torch.e**1.1 - 1)))
    batch = Batch([], {}, {"relations": torch.zeros(1, dtype=torch.long)})
    scores = {
        "auxiliary": logits,
        "divergence": torch.tensor([2.0]),
        "topic_cost": torch.tensor([3.0]),
    }
    terms = method.extra_losses(scores, batch)
    assert 0.9 + float(sum(terms.values())) == pytest.approx(3.896, abs=1e-5)
    assert float(terms["bottleneck"]) == pytest.approx(0.88, abs=1e-5)


def test_the_gradient_reaches_both_gates() -> None:
    method = made().train()
    method(batch_of(method, POSTS)).loss.backward()
    for gate in (method.network.node_gate, method.network.edge_gate):
        assert gate is not None
        assert gate.first.weight.grad is not None
        assert gate.first.weight.grad.abs().sum() > 0


def test_without_the_gates_gradient_their_networks_stand_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = made().train()
    refine = method.network.refine

    def detached(graphs, encoded, chances, pair_chances, nodes, pairs):  # type: ignore[no-untyped-def]
        return refine(graphs, encoded, chances, pair_chances, nodes.detach(), pairs.detach())

    monkeypatch.setattr(method.network, "refine", detached)
    method(batch_of(method, POSTS)).loss.backward()
    for gate in (method.network.node_gate, method.network.edge_gate):
        assert gate is not None
        assert gate.first.weight.grad is None


def test_head_and_tail_are_never_dropped() -> None:
    network = ScreeningNetwork(8).eval()
    graphs = random_graphs()
    shut = torch.zeros(2, 5), torch.zeros(2, 5, 5)
    found = network.refine(graphs, network.encode(graphs), *shut, *shut)
    assert found.nodes.tolist() == [[1, 1, 0, 0, 0]] * 2
    assert torch.equal(found.edges[0], torch.diag(torch.tensor([1.0, 1.0, 0, 0, 0])))
    assert not found.refined[:, 2:].any()


def test_dropping_a_node_is_deleting_it() -> None:
    network = ScreeningNetwork(8).eval()
    graphs = random_graphs()
    encoded = network.encode(graphs)
    gates = torch.ones(2, 5)
    gates[:, 3] = 0
    chances = torch.full((2, 5), 0.5), torch.full((2, 5, 5), 0.5)
    dropped = network.refine(graphs, encoded, *chances, gates, torch.ones(2, 5, 5))
    kept = [0, 1, 2, 4]
    smaller = Graphs(
        graphs.nodes[:, kept],
        graphs.real[:, kept],
        graphs.labels[:, kept][:, :, kept],
        graphs.vectors,
        3,
    )
    less = [part[:, kept] for part in (chances[0], gates)]
    pairs = torch.ones(2, 4, 4)
    deleted = network.refine(smaller, encoded[:, kept], less[0], pairs, less[1], pairs)
    assert torch.allclose(dropped.summary, deleted.summary, atol=1e-6)
    assert torch.allclose(dropped.refined[:, kept], deleted.refined, atol=1e-6)


def test_gates_are_one_draw_for_both_directions_and_padding_is_shut() -> None:
    network = ScreeningNetwork(8).train()
    found = network(random_graphs())
    assert torch.equal(found.edges, found.edges.transpose(1, 2))
    assert found.nodes[1, -1] == 0
    assert not found.edges[1, -1].any()
    network.eval()
    again = network(random_graphs())
    assert ((again.nodes == 0) | (again.nodes == 1)).all()
    assert torch.equal(again.summary, network(random_graphs()).summary)


def test_padding_changes_nothing() -> None:
    method = made()
    alone = scored(method, batch_of(method, POSTS[:1]))
    longer = dataclasses.replace(
        POSTS[1], context=(*POSTS[1].context, ContextText(kind="caption", text="x", source="y"))
    )
    together = scored(method, batch_of(method, [POSTS[0], longer, *POSTS[2:]]))
    assert torch.allclose(alone["logits"][0], together["logits"][0], atol=1e-5)


def test_evaluation_is_deterministic_and_training_is_not() -> None:
    method = made()
    batch = batch_of(method, POSTS)
    assert torch.equal(scored(method, batch)["logits"], scored(method, batch)["logits"])
    method.train()
    assert not torch.equal(scored(method, batch)["logits"], scored(method, batch)["logits"])
    public = made(legacy_drawn_topics=True)
    costs = [scored(public, batch)["topic_cost"] for _ in range(2)]
    assert not torch.equal(*costs)


def test_vocabularies_are_counted_on_training_posts_once() -> None:
    method = made()
    known = method.vocabularies.known
    assert {"rocky", "apple"} & set(known)
    assert not {"and", "the", "at"} & set(known)
    assert int(method.vocabularies.visual_count) == 5
    other = list(controlled("other", ControlledConfig(task="mre", size=8, seed=9)))
    method.study(other, Supplier())
    assert method.vocabularies.known == known
    twin = made(studied=False)
    assert twin.vocabularies.known == []
    twin.load_state_dict(method.state_dict())
    assert twin.vocabularies.known == known
    assert twin.vocabularies.number(known[0]) == 0


def test_training_counts_the_vocabularies_by_itself() -> None:
    method = made(studied=False)
    Trainer(method, Examples(method, POSTS, Supplier()), LoopConfig(epochs=1, batch=8))
    assert bool(method.vocabularies.counted)


def test_words_that_are_lent_are_of_the_vocabulary() -> None:
    method = made(word_vocabulary=60)
    found = scored(method, batch_of(method, POSTS))
    count = len(method.vocabularies.known)
    assert count < 60
    assert (found["text_topic_words"] < count).all()
    assert (found["text_topic_words"] >= 0).all()
    # Before anything was counted no word can be lent, and nothing breaks.
    bare = made(studied=False)
    assert (scored(bare, batch_of(bare, POSTS))["text_topic_words"] == -1).all()


def test_the_first_stage_trains_topics_alone() -> None:
    method = made()
    method.begin("topics")
    with moving(method, ["topics"]):
        output = method.train()(batch_of(method, POSTS))
        assert set(output.losses) == {"topics"}
        output.loss.backward()
    assert method.topics.beta.grad is not None
    assert method.text_map.weight.grad is None
    method.begin("")
    output = method(batch_of(method, POSTS))
    assert set(output.losses) == {"main", "bottleneck", "divergence", "topics"}
    assert [group.name for group in method.groups()] == ["main", "topics", "encoders"]
    assert method.groups()[-1].rate == 2e-5


def test_the_evidence_names_what_was_kept() -> None:
    method = made()
    supplier = Supplier()
    documents = [without_gold(d, method.given) for d in POSTS[:2]]
    found = method.predict(documents, [supplier(d, method.needs()) for d in documents])
    provenance = found[0].provenance
    assert provenance is not None
    lines = provenance.evidence
    kept = next(line for line in lines if line.startswith("e0 -> e1: kept: "))
    head, tail = (POSTS[0].text_of(entity) for entity in POSTS[0].entities)
    assert head in kept
    assert tail in kept
    assert any(line.startswith("e0 -> e1: topic: ") for line in lines)
    assert documents[0].with_annotations(found[0]).annotations is found[0]


def test_pictures_may_be_absent_or_never_read() -> None:
    method = made()
    assert torch.isfinite(scored(method, batch_of(method, without_pictures(POSTS)))["logits"]).all()
    blind = made(vision="", told=("controlled",))
    assert blind.vision is None
    batch = batch_of(blind, POSTS)
    assert batch.inputs["visual_words"].shape[1] > 0
    assert "visual_topic_words" not in scored(blind, batch)


def test_told_things_and_their_words_enter() -> None:
    method = made(vision="", told=("controlled",))
    batch = batch_of(method, POSTS)
    other = batch_of(method, without_pictures(POSTS))
    assert batch.inputs["visual_real"].any()
    assert not other.inputs["visual_real"].any()
    assert not torch.allclose(
        scored(method, batch)["logits"], scored(method, other)["logits"], atol=1e-4
    )


def test_nodes_in_their_sentence_differ_from_nodes_alone() -> None:
    batch = batch_of(made(), POSTS)
    method = made(node_text="context", phrase_pooling="mean")
    states = method.sentences(batch)
    assert states is not None
    vectors = method.text_nodes(batch, states)
    first, last = batch.inputs["text_spans"][0, 0].tolist()
    assert torch.allclose(vectors[0, 0], method.text_map(states[0, first:last].mean(0)), atol=1e-5)
    assert made().sentences(batch) is None


def test_everything_is_linked_by_the_public_similarity_only() -> None:
    for public in (False, True):
        method = made(legacy_cross_edges=public)
        batch = batch_of(method, POSTS)
        graphs = method.graphs(batch, None, method.looked_at(batch))
        across = graphs.labels[:, : graphs.text, graphs.text :] > 0
        assert bool(across.all()) is public


def test_the_public_refinement_cuts_nothing_and_draws_in_evaluation() -> None:
    method = made(legacy_refine=True)
    batch = batch_of(method, POSTS)
    one, other = scored(method, batch), scored(method, batch)
    assert not torch.equal(one["logits"], other["logits"])
    real = one["nodes"].bool()
    both = real.unsqueeze(1) & real.unsqueeze(2)
    assert torch.equal(one["edges"].bool(), both)
    method.train()(batch).loss.backward()
    learner = method.network.edge_learner
    assert learner is not None
    assert all(p.grad is None for p in learner.parameters())


@pytest.mark.parametrize(
    "option",
    [
        "legacy_attention",
        "legacy_text_rows",
        "legacy_ends",
        "legacy_sigmoid_topic",
        "legacy_cross_edges",
        "legacy_refine",
    ],
)
def test_every_public_habit_changes_the_scores(option: str) -> None:
    ours, theirs = made(), made(**{option: True})
    theirs.load_state_dict(ours.state_dict(), strict=False)
    batch = batch_of(ours, POSTS)
    one, other = (scored(method, batch)["auxiliary"] for method in (ours, theirs))
    if option == "legacy_sigmoid_topic":
        one, other = (scored(method, batch)["logits"] for method in (ours, theirs))
    assert not torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("node_text", ["alone", "context"])
def test_attributes_and_relations_may_be_nodes(node_text: Literal["alone", "context"]) -> None:
    text = "a small red square lies beside Rocky and Jordan"
    spans = [
        Span("b0", text.index(name), text.index(name) + len(name)) for name in ("Rocky", "Jordan")
    ]
    post = Document(
        id="d",
        blocks=(Block(text=text),),
        annotations=Annotations(
            entities=tuple(Entity(id=f"e{n}", span=s, type="x") for n, s in enumerate(spans)),
            relations=(Relation(id="f0", head="e0", tail="e1", type=LABELS.relation_types[0]),),
        ),
    )
    counts = {}
    for kinds in ("compact", "explicit"):
        method = made(node_kinds=kinds, node_text=node_text, text_nodes=12)
        batch = batch_of(method, [post])
        (graph,) = batch.examples[0].notes["graphs"]
        counts[kinds] = len(graph.nodes)
        # A node that stands nowhere in the sentence is what it is called, not nothing.
        with torch.no_grad():
            nodes = method.text_nodes(batch, method.sentences(batch)) - method.text_map.bias
        assert bool((nodes[0, : len(graph.nodes)].abs().sum(1) > 0).all())
        assert scored(method, batch)["logits"].isfinite().all()
    assert counts["explicit"] > counts["compact"]


def test_public_units() -> None:
    ours, theirs = made(), made(legacy_units=True)
    theirs.load_state_dict(ours.state_dict())
    batch = batch_of(ours, POSTS)
    with torch.no_grad():
        one, other = ours(batch).losses, theirs(batch).losses
    assert float(other["topics"] / one["topics"]) == pytest.approx(8, rel=1e-4)
    assert float(one["divergence"] / other["divergence"]) == pytest.approx(0.6931, abs=1e-3)


def test_text_rows_hear_nobody() -> None:
    graphs = random_graphs()
    for public in (False, True):
        network = ScreeningNetwork(8, legacy_text_rows=public).eval()
        heard = network._heard(graphs)
        assert bool(heard[:, :3].any()) is not public
        assert heard[0, 3:].all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"text_nodes": 1}, "text_nodes >= 2"),
        ({"temperature": 0.0}, "temperature > 0"),
        ({"eta1": -1.0}, "weights >= 0"),
        ({"width": 0}, "width must be at least 1"),
        ({"object_count": 0}, "object_count"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        IseMreConfig(**{**TINY, **wrong})


def test_a_single_pair_can_be_trained_on() -> None:
    method = made()
    settings = LoopConfig(epochs=1, batch=1, optimiser=OptimiserConfig(rate=1e-3))
    (step,) = Trainer(method, Examples(method, POSTS[:1], Supplier()), settings).steps()
    assert step.loss == pytest.approx(sum(step.losses.values()), rel=1e-4)


def test_the_recipe_of_the_public_script() -> None:
    recipe = read_recipe("relation/ise-mre_mnre")
    first, second = recipe.stages
    assert (first.name, first.train, first.loop.epochs) == ("topics", ("topics",), 1)
    assert (second.train, second.loop.epochs, second.loop.batch) == ((), 30, 16)
    optimiser = second.loop.optimiser
    assert (optimiser.rate, optimiser.decay, optimiser.warmup) == (2e-4, 0.01, 0.01)
    assert (optimiser.name, optimiser.decay_all, optimiser.clip) == ("adam", True, 0.0)
    assert recipe.seeds == (1234,)
    settings = recipe.config.to_dict()
    assert (settings["eta1"], settings["eta2"], settings["encoder_rate"]) == (0.8, 0.7, 2e-5)
    for name in ("ise-mre_mnre_minilm", "ise-mre_mnre1_minilm"):
        small = read_recipe(f"relation/{name}")
        # Without the pictures' names neither boxes nor graphs are found.
        assert small.data.pictures == "optional"
        assert small.config.to_dict()["vision"] == ""


@pytest.mark.corpus
def test_published_graphs_become_numbered_nodes(data_dir: Path) -> None:
    from magpie.training.data import read_documents
    from magpie.training.recipe import DataConfig

    data = DataConfig(corpus="mnre@1", root=str(data_dir))
    documents = read_documents("mnre@1:dev", data, limit=8)
    method = IseMre.build(
        IseMreConfig(**{**TINY, "vision": "", "scene": "mega-scene", "placed": True}),
        LabelSpace.of(documents),
    )
    supplier = Supplier(corpora=data_dir)
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    assert any(example.inputs["visual_edges"].any() for example in examples)
    numbers = examples[0].inputs["visual_number"]
    assert numbers.tolist() == list(range(1, 11))
