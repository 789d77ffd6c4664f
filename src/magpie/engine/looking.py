"""The grounders by name: who says where entities show. Importing this loads none of them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from magpie.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from magpie.engine.grounding.interface import Grounder
    from magpie.engine.grounding.method import MethodGrounder
    from magpie.vision import ImageLimits

__all__ = ["GROUNDERS", "Ground", "Looking", "looking"]

#: name -> who looks; beside these, the folder of a checkpoint is one
GROUNDERS: dict[str, str] = {
    "auto": "the model itself where it grounds, else local",
    "model": "the model itself; nobody where it does not ground",
    "local": "lettering, faces and people, found on this machine",
    "none": "nobody: every grounding stays unknown",
}

Ground: TypeAlias = "bool | str | os.PathLike[str] | Grounder"


@dataclass(frozen=True, slots=True)
class Looking:
    """Who looks for entities in pictures.

    ``kind`` is a name of :data:`GROUNDERS`; ``method`` is a trained method, ``object`` whatever
    was handed in. Those two come with their ``grounder``.
    """

    kind: Literal["auto", "model", "local", "none", "method", "object"]
    grounder: Grounder | MethodGrounder | None = None

    @property
    def by_model(self) -> bool:
        """Whether the boxes of a model that grounds count."""
        return self.kind in ("auto", "model")

    @property
    def apart(self) -> bool:
        """Whether somebody looks beside a model that does not ground."""
        return self.kind not in ("model", "none")


def looking(
    ground: Ground,
    *,
    root: str | os.PathLike[str] | None = None,
    limits: ImageLimits | None = None,
    regions: Mapping[str, str | os.PathLike[str]] | None = None,
) -> Looking:
    """Who is meant; a checkpoint is loaded, LocalGrounder is not.

    Args:
        ground: True for auto, False for none, a name of :data:`GROUNDERS`, the folder of a
            checkpoint or a run, or an object with the interface of a grounder.
        root, limits, regions: for a checkpoint, see :class:`MethodGrounder`.

    Raises:
        NotFoundError: no such name, and no checkpoint there.
        ConfigError: the checkpoint cannot ground the entities of another model.
    """
    if isinstance(ground, bool):
        return Looking("auto" if ground else "none")
    if not isinstance(ground, str | os.PathLike):
        from magpie.engine.grounding.method import MethodGrounder

        if isinstance(ground, MethodGrounder):
            return Looking("method", ground)
        if not hasattr(ground, "ground"):
            raise ConfigError(
                f"a grounder has a method ground(request), {type(ground).__name__} has none"
            )
        return Looking("object", ground)
    match ground:
        case "auto" | "model" | "local" | "none":
            return Looking(ground)
    from magpie.engine.grounding.method import MethodGrounder
    from magpie.engine.trained import checkpoint_folder

    folder = checkpoint_folder(ground)
    if folder is None:
        near = difflib.get_close_matches(os.fspath(ground), GROUNDERS, n=1)
        mend = f"Did you mean {near[0]}? " if near else ""
        raise NotFoundError(
            "no grounder of this name, and no checkpoint there",
            where=os.fspath(ground),
            mend=f"{mend}There are {', '.join(GROUNDERS)}, or the folder of a trained method.",
        )
    return Looking("method", MethodGrounder(folder, root=root, limits=limits, regions=regions))
