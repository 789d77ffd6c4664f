"""The matcher's numbers: ``matcher.json``, which ``magpie.training.grounding`` writes."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from magpie._io import parse_json
from magpie.engine.grounding.features import TYPES, Scene
from magpie.engine.grounding.people import FACE_FEATURES
from magpie.errors import ModelError

__all__ = ["VERSION", "Coefficients", "load_coefficients"]

#: Of the layout of ``matcher.json``.
VERSION = 1

Numbers = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """What the matcher multiplies with.

    Args:
        visible: logistic weights over :func:`~magpie.engine.grounding.features.describe`: is the
            entity in the picture?
        usual: as ``visible``: given that it is, does its type's usual place hold it?
        usual_place: type -> (x1, y1, x2, y2), fractions of the picture.
        face: logistic weights over :data:`~magpie.engine.grounding.people.FACE_FEATURES`.
        body: how far a person extends around a face, in widths of the face.
        person_right: how often a box grown from a face covers the person with an IoU above 0.5.
        whole_right: how often a person found as a whole does.
        lettering_right: type -> the same for the box of lettering that spells the mention.
        title_right: type -> the same where the lettering is a title or logo.
        title_bonus: type -> what large lettering that says nothing but the mention adds to the
            log odds that the entity shows, beyond what its name in a caption adds.
        prior: the scene where nobody looked for people or lettering.
        missed_person: probability that somebody shows although no face was found.
        digest: of the whole file, for provenance.
    """

    visible: Numbers
    usual: Numbers
    usual_place: dict[str, tuple[float, float, float, float]]
    face: Numbers
    body: Numbers
    person_right: float
    whole_right: float
    lettering_right: Numbers
    title_right: Numbers
    title_bonus: Numbers
    prior: Scene
    missed_person: float
    digest: str = ""

    def probability(
        self, weights: Mapping[str, float], features: Mapping[str, float], *, extra: float = 0.0
    ) -> float:
        """Logistic function of the weighted sum and ``extra``; without a weight, 0 is taken."""
        value = extra + sum(weights.get(name, 0.0) * features[name] for name in sorted(features))
        return 1.0 / (1.0 + math.exp(-value))

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, digest: str = "") -> Coefficients:
        """From the parsed file.

        Raises:
            ModelError: another version, or a number that is missing.
        """
        if value.get("version") != VERSION:
            raise ModelError(
                f"matcher version {value.get('version')!r}, this release reads {VERSION}",
                code="model-damaged",
                mend="Fit it again with: python -m magpie.training.grounding fit",
            )
        try:
            measured, assumed = value["measured"], value["assumed"]
            places = {kind: tuple(value["usual_place"][kind]) for kind in TYPES}
            return cls(
                visible=dict(value["visible"]),
                usual=dict(value["usual"]),
                usual_place={kind: (a, b, c, d) for kind, (a, b, c, d) in places.items()},
                face={name: value["face"][name] for name in FACE_FEATURES},
                body={name: value["body"][name] for name in ("up", "side", "down")},
                person_right=measured["person_right"],
                whole_right=measured["whole_right"],
                lettering_right={kind: assumed["lettering_right"][kind] for kind in TYPES},
                title_right={kind: assumed["title_right"][kind] for kind in TYPES},
                title_bonus={kind: assumed["title_bonus"][kind] for kind in TYPES},
                prior=Scene(**measured["prior"]),
                missed_person=measured["missed_person"],
                digest=digest,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"matcher.json lacks or garbles {error}",
                code="model-damaged",
                mend="Fit it again with: python -m magpie.training.grounding fit",
            ) from error


@functools.cache
def load_coefficients() -> Coefficients:
    """The coefficients shipped with the package.

    Raises:
        ModelError: the file is absent or damaged.
    """
    from magpie._io import text_digest

    file = resources.files("magpie.engine.grounding") / "matcher.json"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ModelError(
            "matcher.json is not in the package", where=str(file), mend="Install magpie again."
        ) from error
    return Coefficients.from_dict(
        parse_json(text, where="matcher.json"), digest=text_digest(text)[:12]
    )
