"""A corpus drawn from a seed, on which the picture is all that can tell; see ``posts``."""

from magpie.corpora.controlled.optimum import shuffle_pictures, text_optimum, without_pictures
from magpie.corpora.controlled.posts import (
    CAPTION_SOURCE,
    EVENTS,
    RELATIONS,
    TASKS,
    TYPES,
    ControlledConfig,
    ControlledTask,
    controlled,
)
from magpie.corpora.controlled.scene import (
    KINDS,
    SHAPES,
    Scene,
    SceneStyle,
    draw_quarters,
    draw_scene,
)

__all__ = [
    "CAPTION_SOURCE",
    "EVENTS",
    "KINDS",
    "RELATIONS",
    "SHAPES",
    "TASKS",
    "TYPES",
    "ControlledConfig",
    "ControlledTask",
    "Scene",
    "SceneStyle",
    "controlled",
    "draw_quarters",
    "draw_scene",
    "shuffle_pictures",
    "text_optimum",
    "without_pictures",
]
