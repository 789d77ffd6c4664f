"""Names and numbers of the recipe, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["HEADS", "LABELS", "Fit", "Recipe"]

#: order of the emissions
LABELS: tuple[str, ...] = (
    "O",
    *(f"{place}-{kind}" for kind in ("PER", "LOC", "ORG", "OTHER") for place in "BI"),
)

#: One emission head a guideline. The first is what ships: Twitter-2015 and Twitter-2017 together.
#: GMNER relabels the same tweets (83 % and 92 % span agreement with the two sets), BTC has no
#: fourth type, WNUT-17 marks emerging names only: they share the encoder, not the decision.
HEADS: dict[str, int] = {"twitter": 0, "gmner": 1, "btc": 2, "wnut17": 3}


@dataclass(frozen=True, slots=True)
class Fit:
    """One fine-tuning run."""

    seed: int = 0
    epochs: int = 5
    #: peak rate of the encoder; the multipliers below apply to it
    rate: float = 1.5e-4
    feature_rate: float = 5.0
    head_rate: float = 10.0
    chain_rate: float = 50.0
    warmup: float = 0.1
    batch: int = 32
    dropout: float = 0.1
    head_dropout: float = 0.2
    #: weight of a source's tag loss, by head
    weights: dict[str, float] = field(
        default_factory=lambda: {"twitter": 1.0, "gmner": 0.7, "btc": 0.5, "wnut17": 0.5}
    )
    #: epochs (from the first) in which a source takes part; absent = all
    epochs_of: dict[str, int] = field(default_factory=lambda: {"btc": 1, "wnut17": 1})
    fine_weight: float = 0.2
    #: weights are averaged from this share of the steps on
    average_from: float = 0.5
    average_decay: float = 0.99
    #: soft-labelled posts shown in each epoch
    soft_per_epoch: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """All steps."""

    seed: int = 0
    max_pieces: int = 128
    #: the student's starting point and first teacher
    first: Fit = field(default_factory=lambda: Fit(seed=1))
    #: further teachers
    teachers: tuple[Fit, ...] = (
        Fit(seed=12, rate=2e-4, epochs_of={"gmner": 3, "btc": 2, "wnut17": 1}),
    )
    student: Fit = field(
        default_factory=lambda: Fit(
            seed=4, epochs_of={"btc": 0, "wnut17": 0}, soft_per_epoch=15_600
        )
    )
    #: posts the teachers label
    soft_posts: int = 26_000
