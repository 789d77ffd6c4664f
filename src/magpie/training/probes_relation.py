"""Tiny settings under which relation methods are probed, by method.

Two mentions a post, and a drawing that tells how they relate. Methods that read captions get those
of the controlled corpus, which the probe moves and takes away with the pictures.
"""

from __future__ import annotations

from typing import Any

from magpie.training.loop import LoopConfig
from magpie.training.optimisers import OptimiserConfig
from magpie.training.probe_plan import Probe

__all__ = ["RELATION", "SHAP_CA"]

RELATION: dict[str, Probe] = {}

# Without eyes: it must reach what the text alone allows, and stay there whatever is shown.
RELATION["bert-re"] = Probe(
    task="mre",
    config={"text": "tiny-bert"},
    train=800,
    loop=LoopConfig(epochs=8, batch=16, optimiser=OptimiserConfig(rate=1e-3, warmup=0.05)),
)

# Captions are read beside the picture; none was generated, so that branch is the post's words.
# At higher rates some seeds never leave the text: 5e-4 learned from every seed that was tried.
RELATION["camim"] = Probe(
    task="mre",
    config={
        "text": "tiny-bert",
        "vision": "tiny-resnet",
        "freeze_vision": True,
        "captions": ("controlled",),
        "max_caption_len": 16,
        "text_length": 24,
        "max_length": 40,
        "objects": "whole",
        "generated_objects": "whole",
        "object_count": 1,
        "phrases": (),
        "scores": "",
        "dropout": 0.0,
        "module_dropout": 0.0,
    },
    train=800,
    test=200,
    loop=LoopConfig(epochs=12, batch=16, optimiser=OptimiserConfig(rate=5e-4, warmup=0.1)),
)

# No picture is generated and no score is known: both streams of the post's own picture count half.
RELATION["tmr-re"] = Probe(
    task="mre",
    config={
        "text": "tiny-bert",
        "vision": "tiny-resnet",
        "objects": "whole",
        "generated_objects": "whole",
        "object_count": 1,
        "max_length": 48,
        "phrases": (),
        "mask_padding": True,
        "dropout": 0.0,
    },
    train=800,
    test=200,
    loop=LoopConfig(epochs=12, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05)),
)

# One frame of each colour around the whole picture: the controlled corpus has no other boxes.
RELATION["focal-mre"] = Probe(
    task="mre",
    config={
        "text": "tiny-bert",
        "vision": "tiny-clip",
        "grounded": "whole",
        "grounded_count": 1,
        "detector": "whole",
        "detector_count": 1,
        "max_length": 40,
        "dropout": 0.0,
    },
    train=1200,
    test=200,
    loop=LoopConfig(epochs=16, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05)),
)

# Without captions: what a pair is can only be seen in the object, which is the glyph. Two layers of
# random weights learn shapes slowly from four patches, so cut-outs have 16 here.
RELATION["moreformer"] = Probe(
    task="object-relation",
    config={
        "text": "tiny-bert",
        "vision": "tiny-clip",
        "fusion_layers": 1,
        "object_side": 32,
        "use_cap": False,
        "depth": "tiny-depth",
        "depth_scale": -0.4,
        "depth_shift": 1.0,
        "place_dropout": 0.0,
    },
    train=800,
    loop=LoopConfig(epochs=8, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05)),
)

# Descriptions are the controlled captions; sixteen players a game, so orders are drawn.
SHAP_CA: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-vit",
    "context": ("controlled",),
    "max_length": 64,
    "context_length": 16,
    "project_width": 32,
    "dropout": 0.0,
    "fusion_dropout": 0.0,
    "new_rate": None,
}
RELATION["shap-ca-re"] = Probe(
    task="mre",
    config=SHAP_CA,
    train=480,
    test=400,
    loop=LoopConfig(epochs=8, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05)),
)

# The whole picture is the only visual node; gates begin open, and the topics' sums over words are
# weighed down to the size of the other terms.
RELATION["ise-mre"] = Probe(
    task="mre",
    config={
        "text": "tiny-bert",
        "vision": "tiny-resnet",
        "objects": "",
        "node_text": "context",
        "with_text": True,
        "phrase_pooling": "mean",
        "max_length": 32,
        "width": 32,
        "dropout": 0.0,
        "kept_first": 2.0,
        "topics": 4,
        "topic_words": 4,
        "word_vocabulary": 40,
        "visual_vocabulary": 8,
        "topic_hidden": (16,),
        "topic_dropout": 0.0,
        "eta1": 0.2,
        "eta2": 0.01,
        "encoder_rate": None,
    },
    train=800,
    test=200,
    loop=LoopConfig(epochs=12, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05)),
)

# Objects are thumbnails of the whole picture and its two largest patches; the text's graph is that
# of its noun chunks. All numbers of a thumbnail are positive, so a higher rate throws them about.
RELATION["mega"] = Probe(
    task="mre",
    config={
        "text": "tiny-bert",
        "regions": "blobs",
        "region_width": 768,
        "object_count": 3,
        "scene": "blobs",
        "parser": "chunks",
        "max_length": 48,
        "mask_padding": True,
        "dropout": 0.0,
    },
    train=1000,
    test=200,
    loop=LoopConfig(epochs=24, batch=16, optimiser=OptimiserConfig(rate=8e-4, warmup=0.05)),
)
