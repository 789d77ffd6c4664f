"""``python -m magpie.training.embedded STEP --data DIR --out DIR``.

Steps, each reading what the one before wrote into ``--out``: ``data`` (counts only), ``first``,
``teachers``, ``label``, ``student``, ``export``, ``evaluate``; ``all`` runs them in order.
``evaluate`` is the only step that opens a test split.
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import pickle
import random
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from magpie._io import atomic_write, dump_json
from magpie.corpora.fmnerg import FINE_TYPES
from magpie.engine.embedded.features import Featuriser
from magpie.training.embedded import data as d
from magpie.training.embedded.batches import Item, items_of
from magpie.training.embedded.distil import label
from magpie.training.embedded.export import export
from magpie.training.embedded.finetune import fit
from magpie.training.embedded.network import Tagger
from magpie.training.embedded.runtime import evaluate_files
from magpie.training.embedded.settings import Fit, Recipe
from magpie.training.embedded.unlabelled import collect, likely_named

log = logging.getLogger("magpie.training.embedded")

#: fine type and its upper type, in the order of the fine head
FINE = sorted(
    ((fine, upper) for upper, types in FINE_TYPES.items() for fine in types),
    key=lambda pair: (list(FINE_TYPES).index(pair[1]), pair[0]),
)
_FINE_INDEX = {fine: index for index, (fine, _) in enumerate(FINE)}
_DEV = ("twitter2015@umt", "twitter2017@umt")
_CALIBRATION = 300


@dataclass
class Run:
    """Everything the steps share; what is expensive is read once."""

    data: Path
    out: Path
    base: Path
    recipe: Recipe

    @functools.cached_property
    def labelled(self) -> d.Labelled:
        return d.read_labelled(self.data)

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        made = Tokenizer.from_file(str(self.base / "tokenizer.json"))
        made.no_padding()
        made.no_truncation()
        return made

    @functools.cached_property
    def featurise(self) -> Featuriser:
        return Featuriser(self.tokenizer, max_pieces=self.recipe.max_pieces)

    @functools.cached_property
    def language(self) -> dict[str, list[list[str]]]:
        labelled = [
            (ref, [post.words for post in posts]) for ref, posts in self.labelled.train.items()
        ]
        found, counts = collect(self.data, labelled, self.labelled.held_out, self.recipe.seed)
        for source, count in counts.items():
            log.info("unlabelled %s: %s", source, count)
        return found

    def train_items(self) -> dict[str, list[Item]]:
        return {
            head: [
                item
                for ref in refs
                for item in items_of(self.labelled.train[ref], head, self.featurise, _FINE_INDEX)
            ]
            for head, refs in d.CORPORA.items()
        }

    def items(self, ref: str, posts: list[d.Post]) -> list[Item]:
        head = next(name for name, refs in d.CORPORA.items() if ref in refs)
        return items_of(posts, head, self.featurise, _FINE_INDEX)

    def dev_items(self) -> dict[str, list[Item]]:
        return {ref: self.items(ref, self.labelled.dev[ref]) for ref in _DEV}

    def tagger(self, settings: Fit, weights: str | None = None) -> Tagger:
        tagger = Tagger(
            len(FINE),
            dropout=settings.dropout,
            head_dropout=settings.head_dropout,
        )
        if weights:
            tagger.load_state_dict(torch.load(self.out / weights))
        else:
            tagger.encoder.load_published(self.base / "model.safetensors")
        return tagger

    def fit(
        self, name: str, settings: Fit, *, soft: list[Item] | None = None, start: str | None = None
    ) -> None:
        tagger = self.tagger(settings, start)
        result = fit(
            tagger,
            self.train_items(),
            self.dev_items(),
            settings,
            soft=soft or (),
        )
        torch.save(tagger.state_dict(), self.out / f"{name}.pt")
        atomic_write(self.out / f"{name}.json", dump_json(asdict(result), indent=1))


def step_data(run: Run) -> None:
    """Counts after the leak rule."""
    report = {ref: asdict(count) for ref, count in run.labelled.counts.items()}
    report |= {source: {"kept": len(posts)} for source, posts in run.language.items()}
    atomic_write(run.out / "data.json", dump_json(report, indent=1))


def step_first(run: Run) -> None:
    """The tagger the student starts from; also the first teacher."""
    run.fit("first", run.recipe.first)


def step_teachers(run: Run) -> None:
    """Further teachers."""
    for number, settings in enumerate(run.recipe.teachers):
        run.fit(f"teacher-{number}", settings)


def step_label(run: Run) -> None:
    """Soft labels for unlabelled posts, those of the other labelled corpora first."""
    named = {
        source: [words for words in posts if likely_named(words)]
        for source, posts in run.language.items()
    }
    near = ("train-broad-twitter@1.0", "train-wnut17@1.0", "trc", "mediaeval2016", "btc-raw")
    # The tweets whose gold labels the student sees anyway are left out.
    wide = [name for name in named if name not in near and not name.startswith("train-")]
    rng = random.Random(run.recipe.seed)
    pools = [[w for name in names for w in named.get(name, [])] for names in (near, wide)]
    for pool in pools:
        rng.shuffle(pool)
    posts = [d.Post("", words) for pool in pools for words in pool][: run.recipe.soft_posts]
    rng.shuffle(posts)
    settings = [run.recipe.first, *run.recipe.teachers]
    names = ["first.pt", *(f"teacher-{number}.pt" for number in range(len(settings) - 1))]
    teachers = [run.tagger(s, name) for s, name in zip(settings, names, strict=True)]
    items = items_of(posts, "twitter", run.featurise, _FINE_INDEX)
    with (run.out / "soft.pkl").open("wb") as file:
        pickle.dump(label(teachers, items), file)


def step_student(run: Run) -> None:
    """Gold and soft labels together."""
    with (run.out / "soft.pkl").open("rb") as file:
        soft = pickle.load(file)  # noqa: S301 - written by the step before
    run.fit("student", run.recipe.student, soft=soft, start="first.pt")


def step_export(run: Run) -> None:
    """The three files."""
    labelled = run.labelled
    every = [item for items in run.train_items().values() for item in items]
    config = export(
        run.tagger(run.recipe.student, "student.pt"),
        run.out / "model",
        calibration=random.Random(run.recipe.seed).sample(every, min(_CALIBRATION, len(every))),
        dev=run.dev_items(),
        fine_dev=run.items("fmnerg@1.0", labelled.dev["fmnerg@1.0"]),
        fine_types=FINE,
        tokenizer=run.tokenizer.to_str(),
        training={
            "base": "sentence-transformers/all-MiniLM-L6-v2, Apache-2.0",
            "posts": {ref: len(posts) for ref, posts in labelled.train.items()},
            "sha256": {ref: d.digest(posts) for ref, posts in labelled.train.items()},
        },
        max_pieces=run.recipe.max_pieces,
    )
    log.info("wrote %s", {key: config[key] for key in ("score_temperature", "fine_threshold")})


def step_evaluate(run: Run) -> None:
    """Development and test scores of the exported files, int8 and float."""
    sets = {
        split: {ref: run.items(ref, posts[ref]) for refs in d.CORPORA.values() for ref in refs}
        for split, posts in (("dev", run.labelled.dev), ("test", run.labelled.test))
    }
    report = evaluate_files(run.out / "model", sets)
    atomic_write(run.out / "scores.json", dump_json(report, indent=1))


STEPS = {
    "data": step_data,
    "first": step_first,
    "teachers": step_teachers,
    "label": step_label,
    "student": step_student,
    "export": step_export,
    "evaluate": step_evaluate,
}


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m magpie.training.embedded", description=__doc__.split("\n\n", 1)[0]
    )
    parser.add_argument("step", choices=[*STEPS, "all"])
    parser.add_argument("--data", type=Path, default=os.environ.get("MAGPIE_DATA"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--base", type=Path, required=True, help="folder of MiniLM-L6: model.safetensors, tokenizer"
    )
    parser.add_argument("--threads", type=int, default=0, help="0 = what torch chooses")
    given = parser.parse_args(arguments)
    if given.data is None:
        parser.error("--data is needed where MAGPIE_DATA is not set")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if given.threads:
        torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    run = Run(given.data, given.out, given.base, Recipe())
    for name in STEPS if given.step == "all" else [given.step]:
        log.info("step %s", name)
        STEPS[name](run)


if __name__ == "__main__":
    main()
