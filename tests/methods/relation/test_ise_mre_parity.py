"""ISE's parts against the public code's numbers, part by part: as a whole it does not run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from magpie.nn.bottleneck import GaussianBottleneck, divergence_from_standard  # noqa: E402
from magpie.nn.graph_attention import GraphAttention  # noqa: E402
from magpie.nn.screening import (  # noqa: E402
    FeatureMask,
    PairEdges,
    PerspectiveEdges,
    join_graphs,
    public_cross_edges,
)
from magpie.nn.topics import TopicModel, weigh_words  # noqa: E402

from ..stored import Folder, relative, shown  # noqa: E402

pytestmark = pytest.mark.parity

#: public name -> ours; None is never used in what runs
NAMES: dict[str, str | None] = {
    r"fuse\.ln\.0\.(.+)": r"similar.\1",
    r"cross_GAT_layers\.linear\.(.+)": r"cross.linear.\1",
    r"cross_GAT_layers\.a": "cross.attention",
    r"adjust_layers\.(\d+)\.linear\.(.+)": r"refiner.\1.linear.\2",
    r"adjust_layers\.(\d+)\.a": r"refiner.\1.attention",
    r"graph_learner\.linear_sims1\.(.+)": r"learner.first.\1",
    r"graph_learner\.linear_sims2\.(.+)": r"learner.second.\1",
    r"graph_learner\.feat_mask": "mask.mask",
    r"mlp_learner\.lin\.(.+)": r"pairs.score.\1",
    r"fc_mu\.(.+)": r"bottleneck.mean.\1",
    r"fc_logvar\.(.+)": r"bottleneck.deviation.\1",
    r"classifier1\.(.+)": r"auxiliary.\1",
    r"topic_model\.inf_net\.adapt_bert\.(.+)": r"topics.adapt.\1",
    r"topic_model\.inf_net\.input_layer\.(.+)": r"topics.layers.0.\1",
    r"topic_model\.inf_net\.hiddens\.l_(\d+)\.0\.(.+)": r"topics.layers.\1+1.\2",
    r"topic_model\.inf_net\.f_mu\.(.+)": r"topics.mean.\1",
    r"topic_model\.inf_net\.f_sigma\.(.+)": r"topics.log_variance.\1",
    r"topic_model\.inf_net\.f_mu_batchnorm\.(.+)": r"topics.mean_norm.\1",
    r"topic_model\.inf_net\.f_sigma_batchnorm\.(.+)": r"topics.log_variance_norm.\1",
    r"topic_model\.beta_batchnorm\.(.+)": r"topics.beta_norm.\1",
    r"topic_model\.alpha_batchnorm\.(.+)": r"topics.gamma_norm.\1",
    r"topic_model\.beta": "topics.beta",
    r"topic_model\.alpha": "topics.gamma",
    r"topic_model\.prior_mean": "topics.prior_mean",
    r"topic_model\.prior_variance": "topics.prior_log_variance",
    r"(text_linear|vision_linear|v_abj_attr_linear|text_rela_linear|vision_rela_linear)\..+": None,
    r"classifier2\..+": None,
}


def our_name(public: str) -> str | None:
    """Where a public weight goes; None for those that nothing reads."""
    for pattern, ours in NAMES.items():
        if match := re.fullmatch(pattern, public):
            if ours is None:
                return None
            found = match.expand(ours)
            return re.sub(r"(\d+)\+1", lambda m: str(int(m[1]) + 1), found)
    raise AssertionError(f"no place for {public}")


class Parts(nn.Module):
    """Every part that runs, with the stored weights."""

    def __init__(self, folder: Folder, *, legacy: bool, mixture: bool = False) -> None:
        super().__init__()
        c = folder.config
        width, slope = c["width"], c["attention_slope"] if legacy else 0.2

        def attention() -> GraphAttention:
            return GraphAttention(width, width, slope=slope, legacy_axis=legacy)

        self.similar = nn.Linear(width, width)
        self.cross = attention()
        self.refiner = nn.ModuleList(attention() for _ in range(c["refine_layers"]))
        epsilon = float(re.search(r"epsilon ([\d.]+)", c["edge_learner"])[1])  # type: ignore[index]
        self.learner = PerspectiveEdges(width, c["perspectives"], epsilon)
        self.mask = FeatureMask(width)
        said = re.search(
            r"temperature ([\d.]+); kept above ([\d.]+) .+ above ([\d.]+)", c["prob_edge_learner"]
        )
        assert said is not None
        self.temperature, self.drawn_above, pairs_above = (
            float(number) for number in said.groups()
        )
        self.pairs = PairEdges(width, pairs_above, self.temperature)
        self.bottleneck = GaussianBottleneck(3 * width)
        self.auxiliary = nn.Linear(3 * width, c["labels"])
        self.topics = TopicModel(
            c["text_vocabulary"],
            c["visual_vocabulary"],
            width,
            topics=c["topics"],
            hidden=c["topic_hidden"],
            dropout=0.0,
            mixture=mixture,
        )
        state = {}
        for public, value in folder.weights.items():
            if (ours := our_name(public)) is None:
                assert public.split(".")[0] in folder.manifest["unused_weights"]
                continue
            taken = value.T if ours.endswith("attention") else value
            state[ours] = taken.log() if ours.endswith("prior_log_variance") else taken
        self.load_state_dict(state)
        self.eval()

    def refine(self, folder: Folder, stored: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """The loop of mask, learner and attention; the last layer and all differences."""
        i = folder.inputs
        states, real = nodes_of(folder)
        loops = torch.eye(states.shape[1])
        heard = stored["refine.edge_mask"]
        differences = {}
        for number, layer in enumerate(self.refiner):
            states = self.mask(states, i["draw_feature_noise"][number])
            name = f"refine.layer{number}"
            differences[f"{name}.filtered_nodes"] = far(states, stored[f"{name}.filtered_nodes"])
            values = (self.learner(states, real) + loops) * heard
            differences[f"{name}.adjacency"] = far(values, stored[f"{name}.adjacency"])
            found = layer(states, values > 0.5)
            if not layer.legacy_axis:
                alone = ~(values > 0.5).any(2, keepdim=True)
                mean = functional.elu(layer.linear(states).mean(1, keepdim=True))
                found = torch.where(alone, mean, found)
            states = found
            differences[f"{name}.out"] = far(states, stored[f"{name}.out"])
        return states, differences


def far(ours: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference, relative above 1."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float(((ours.detach() - theirs).abs() / theirs.abs().clamp(min=1)).max())


def nodes_of(folder: Folder) -> tuple[Tensor, Tensor]:
    i = folder.inputs
    nodes = torch.cat([i["text_nodes"], i["visual_nodes"]], 1)
    return nodes, torch.cat([i["text_node_mask"], i["visual_node_mask"]], 1) > 0


def summary(folder: Folder, states: Tensor) -> Tensor:
    """a, with both ends looked up by the numbers of words."""
    places = folder.inputs["head_tail_positions"].unsqueeze(2).expand(-1, -1, states.shape[2])
    ends = states.gather(1, places).unflatten(1, (2, 2)).amax(2)
    return torch.cat([ends.flatten(1), states.mean(1)], 1)


def check(what: str, differences: dict[str, float], folder: Folder) -> None:
    shown(what, differences)
    assert differences
    assert max(differences.values()) <= folder.manifest["tolerance"]["abs"], differences


@pytest.fixture(scope="module")
def folder(parity_dir: Path) -> Folder:
    return Folder(parity_dir / "ise-mre")


def test_the_graph_across_text_and_picture(folder: Folder) -> None:
    parts, i, o = Parts(folder, legacy=True), folder.inputs, folder.outputs
    maps = parts.similar(i["text_nodes"]), parts.similar(i["visual_nodes"])
    real = i["text_node_mask"] > 0, i["visual_node_mask"] > 0
    alike = torch.sigmoid(torch.relu(maps[0]) @ torch.relu(maps[1]).transpose(1, 2))
    differences = {"cross.similarity": far(alike, o["cross.similarity"])}
    thresholds = {
        "cross_default": folder.config["cross_threshold"],
        "cross_half": float(o["cross_half.threshold"]),
    }
    for name, threshold in thresholds.items():
        across = public_cross_edges(*maps, *real, threshold)
        joined = join_graphs(i["text_adjacency"], i["visual_adjacency"], across)
        differences[name] = far(joined, o[f"{name}.adjacency"])
    check("cross-modal graph", differences, folder)


def test_attention_as_published_and_over_the_right_axis(folder: Folder) -> None:
    i = folder.inputs
    differences = {}
    for legacy, stored in ((True, folder.outputs), (False, folder.fixed)):
        found = Parts(folder, legacy=legacy).cross(i["gat_nodes"], i["gat_adjacency"] > 0.5)
        differences[f"gat.out, legacy {legacy}"] = far(found, stored["gat.out"])
    layer = Parts(folder, legacy=True).cross
    states = layer.linear(i["gat_nodes"]).unsqueeze(1)
    differences["gat.raw_scores"] = far(
        layer.scores(states).squeeze(1), folder.outputs["gat.raw_scores"]
    )
    check("attention", differences, folder)


def test_the_filter_and_three_edge_learners(folder: Folder) -> None:
    parts, i, o = Parts(folder, legacy=True), folder.inputs, folder.outputs
    nodes, real = nodes_of(folder)
    filtered = parts.mask(nodes, i["draw_feature_noise"][0])
    cut = parts.learner(filtered, real)
    drawn = PerspectiveEdges(
        folder.config["width"], folder.config["perspectives"], parts.drawn_above, parts.temperature
    )
    drawn.load_state_dict(parts.learner.state_dict())
    differences = {
        "filter.nodes": far(filtered, o["filter.nodes"]),
        "edges_epsilon": far(cut, o["edges_epsilon.adjacency"]),
        "edges_prob_multi": far(
            drawn(nodes, None, i["draw_edges"]), o["edges_prob_multi.adjacency"]
        ),
        "edges_prob_mlp": far(
            parts.pairs(nodes, real, i["draw_edges"]), o["edges_prob_mlp.adjacency"]
        ),
    }
    check("filter and edge learners", differences, folder)


def test_refinement_and_bottleneck(folder: Folder) -> None:
    draw = folder.inputs["draw_bottleneck"]
    differences: dict[str, float] = {}
    for legacy, stored in ((True, folder.outputs), (False, folder.fixed)):
        parts = Parts(folder, legacy=legacy)
        states, found = parts.refine(folder, stored)
        a = summary(folder, states)
        compressed = parts.bottleneck(a, draw)
        found["mu"] = far(compressed.mean, stored["bottleneck.mu"])
        found["sigma"] = far(compressed.deviation, stored["bottleneck.sigma"])
        found["z"] = far(compressed.z, stored["bottleneck.z"])
        unit = "bits" if legacy else "nats"
        divergence = divergence_from_standard(
            compressed.mean, compressed.deviation, bits=legacy
        ).mean()
        found["kl"] = far(divergence, stored[f"bottleneck.kl_{unit}"])
        if legacy:
            found["a"] = far(a, stored["bottleneck.a"])
            found["logits"] = far(parts.auxiliary(compressed.z), stored["bottleneck.logits"])
        differences.update({f"{name}, legacy {legacy}": value for name, value in found.items()})
    check("refinement and bottleneck", differences, folder)


@pytest.mark.parametrize(
    ("name", "mixture", "training"),
    [("topic_eval", False, False), ("topic_lda_eval", True, False), ("topic_train", False, True)],
)
def test_topics(folder: Folder, name: str, mixture: bool, training: bool) -> None:
    i, o = folder.inputs, folder.outputs
    model = Parts(folder, legacy=True, mixture=mixture).topics.train(training)
    found = model(i["text_counts"], i["graph_vector"], i["draw_topics"])
    terms = model.losses(found, i["text_counts"], i["visual_counts"])
    ours: dict[str, Any] = {
        "posterior_mean": found.mean,
        "posterior_log_variance": found.log_variance,
        "text_word_distribution": found.words,
        "visual_word_distribution": found.visual,
        "kl": terms[0],
        "text_reconstruction": terms[1],
        "visual_reconstruction": terms[2],
        "loss": sum(terms).sum(),  # type: ignore[union-attr]
    }
    if f"{name}.theta" in o:
        ours["theta"] = found.theta
    check(name, {key: far(value, o[f"{name}.{key}"]) for key, value in ours.items()}, folder)


def test_topic_words_beside_the_vector(folder: Folder) -> None:
    words, query = folder.inputs["topic_words"], folder.inputs["topic_query"]
    scores = (words * query.unsqueeze(1)).sum(2)
    differences = {
        f"integration.out, sigmoid {sigmoid}": far(
            weigh_words(words, scores, sigmoid=sigmoid)[1], stored["integration.out"]
        )
        for sigmoid, stored in ((True, folder.outputs), (False, folder.fixed))
    }
    check("topic words", differences, folder)


def test_the_whole_loss_and_its_gradients(folder: Folder) -> None:
    parts, i, o, c = Parts(folder, legacy=True), folder.inputs, folder.outputs, folder.config
    states, _ = parts.refine(folder, o)
    compressed = parts.bottleneck(summary(folder, states), i["draw_bottleneck"])
    bits = divergence_from_standard(compressed.mean, compressed.deviation, bits=True).mean()
    label = functional.cross_entropy(parts.auxiliary(compressed.z), i["labels"])
    gib = label + c["beta"] * bits
    topics = parts.topics(i["text_counts"], i["graph_vector"], i["draw_topics"])
    kl, words, pictures = parts.topics.losses(topics, i["text_counts"], i["visual_counts"])
    lamo = (c["topic_kl_weight"] * kl + words + pictures).sum()
    task = functional.cross_entropy(i["task_logits"], i["labels"])
    loss = task + c["eta1"] * gib + c["eta2"] * lamo
    check(
        "loss",
        {"total.gib": far(gib, o["total.gib"]), "total.loss": far(loss, o["total.loss"])},
        folder,
    )
    loss.backward()
    named = dict(parts.named_parameters())
    differences = {}
    for key, norm in o.items():
        if key.startswith("grad_norm."):
            name = our_name(key.removeprefix("grad_norm."))
            assert name is not None
            gradient = named[name].grad
            assert gradient is not None, key
            if name.endswith("prior_log_variance"):
                # The public code learns the variance itself.
                gradient = gradient / parts.topics.prior_variance.detach()
            differences[key] = relative(gradient.norm(), norm)
        elif key.startswith("grad_is_none."):
            name = our_name(key.removeprefix("grad_is_none."))
            assert name is not None
            assert named[name].grad is None
    shown("gradients", differences)
    assert max(differences.values()) <= folder.manifest["tolerance"]["grad_norm_rel"], differences
