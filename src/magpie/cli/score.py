"""``magpie score``: predictions against gold under a named protocol, one system or several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from magpie.cli._common import JsonFlag, command, print_json, stderr, stdout
from magpie.cli.app import app

if TYPE_CHECKING:
    from magpie.metrics import Analysis, Protocol, Scored
    from magpie.metrics.changes import Changed
    from magpie.metrics.declare import OptionValue
    from magpie.metrics.significance import Versus

__all__ = ["score_command"]

#: endings of files with a word and a tag a line
COLUMN_FILES = frozenset({".conll", ".bio", ".iob", ".iob2", ".tsv", ".txt"})


@app.command("score")
@command
def score_command(
    gold: Annotated[
        Path, typer.Argument(help="Gold annotations: documents (JSONL) or a CoNLL file.")
    ],
    predicted: Annotated[
        list[Path],
        typer.Argument(
            help="Predictions for the same: JSONL, full or --flat, or a CoNLL file. Several are "
            "several systems, which are also compared two by two."
        ),
    ],
    task: Annotated[
        str | None,
        typer.Option(
            help="What is scored (ner, gmner, mre ...); by default what the protocol scores, or "
            "mentions where gold holds nothing else."
        ),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Protocol by name and version, such as ner-span-strict@1.")
    ] = None,
    level: Annotated[
        Literal["type", "fine_type"], typer.Option(help="Coarse or fine types.")
    ] = "type",
    inclusive: Annotated[
        bool, typer.Option("--iou-inclusive", help="Accept IoU from 0.5 on, not only above.")
    ] = False,
    mode: Annotated[
        Literal["gmner", "fmnerg", "riveg"] | None,
        typer.Option(help="Reproduce the counting of a public evaluator."),
    ] = None,
    legacy_train_scorer: Annotated[
        bool,
        typer.Option(
            "--legacy-train-scorer", help="With --mode fmnerg: count as inside TIGER's training."
        ),
    ] = False,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="KEY=VALUE", help="Any switch of the protocol; may be repeated."
        ),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option(help="Count documents without a prediction as empty.")
    ] = False,
    bootstrap: Annotated[
        int, typer.Option(help="Resampled sets for 95 % intervals; 0 for none.", min=0)
    ] = 0,
    samples: Annotated[
        int, typer.Option(help="With several systems: swaps and drawn sets of the tests.", min=1)
    ] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.", min=0)] = 0,
    analyse: Annotated[
        bool, typer.Option("--analyse", help="Add breakdowns and kinds of errors.")
    ] = False,
    train: Annotated[
        Path | None,
        typer.Option(
            help="Gold of the training data, for seen and unseen mentions; with --analyse."
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option(help="Cases that are shown of each kind of error.", min=0)
    ] = 5,
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="CLIP or its like, by name or folder: tells photos from other pictures; implies "
            "--analyse.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(help="Folder of the pictures, for --kinds.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write all of it, with plots and texts, as one self-contained page."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Score predictions against gold under a named, versioned protocol."""
    from magpie.errors import ConfigError
    from magpie.metrics import protocol as by_name
    from magpie.metrics.analysis import analyse as look_into
    from magpie.metrics.significance import compare_all

    name = protocol or _default(task or "ner")
    chosen = by_name(name)
    wanted = list(_read(gold, chosen))
    if protocol is None and task is None:
        _check_mentions_only(wanted, gold)
    if task is not None and chosen.task != task:
        raise ConfigError(
            f"protocol {name} scores the task {chosen.task}, not {task}",
            mend=f"Give --task {chosen.task}.",
        )
    flags: dict[str, tuple[OptionValue, OptionValue]] = {
        "level": (level, "type"),
        "inclusive": (inclusive, False),
        "mode": (mode, None),
        "legacy_train_scorer": (legacy_train_scorer, False),
    }
    options = {key: value for key, (value, default) in flags.items() if value != default}
    options |= _options(chosen, option or [])
    learnt = None if train is None else list(_read(train, chosen))
    full = analyse or kinds is not None or train is not None or html is not None
    if kinds is not None:
        wanted = _with_kinds(wanted, kinds, images)
    systems = [
        (
            label,
            look_into(
                wanted,
                _read(path, chosen),
                name,
                options=options,
                train=learnt,
                allow_missing=allow_missing,
                bootstrap=bootstrap,
                seed=seed,
                shallow=not full,
            ),
        )
        for label, path in zip(_labels(predicted, short=not json), predicted, strict=True)
    ]
    comparisons = compare_all(
        [(label, each.report) for label, each in systems], samples=samples, seed=seed
    )
    changed = _changes(wanted, systems) if full else []
    if html is not None:
        _write_page(html, systems, comparisons, changed, examples)
    if json:
        bodies = [each.to_dict(examples) if full else each.report.to_dict() for _, each in systems]
        if len(systems) == 1:
            print_json(bodies[0])
            return
        named = zip(systems, bodies, strict=True)
        print_json(
            {
                "systems": [{"name": label, **body} for (label, _), body in named],
                "comparisons": [each.to_dict() for each in comparisons],
                **({"changes": [each.to_dict() for each in changed]} if full else {}),
            }
        )
        return
    _print(systems, comparisons, full=full)
    if changed:
        from magpie.metrics.terminal import changes_table

        stdout().print(changes_table(changed))


def _with_kinds(gold: list[Scored], model: str, images: str | None) -> list[Scored]:
    """The gold, its documents noted with the kind of their picture."""
    from magpie._optional import require
    from magpie.errors import ConfigError

    require("torch", "telling kinds of pictures")
    from magpie.features.build import default_store
    from magpie.features.picture_kinds import with_kinds
    from magpie.features.supply import Supplier
    from magpie.vision.kinds import KIND_SOURCE

    documents = [scored.document for scored in gold if scored.document is not None]
    if not documents:
        raise ConfigError(
            "--kinds looks at the pictures of the gold, which holds no documents",
            mend="Give documents in JSONL, and with --images the folder of their pictures.",
        )
    supplier = Supplier(root=images, store=default_store())
    noted = with_kinds(
        documents,
        model,
        lambda rows, need: [row[need] for row in supplier.many(rows, {need})],
    )
    if not any(note.source == KIND_SOURCE for each in noted for note in each.context):
        raise ConfigError(
            f"--kinds found no picture of the gold's {len(documents):,} documents",
            mend="Name the folder of their pictures: --images.",
        )
    following = iter(noted)
    return [
        each if each.document is None else replace(each, document=next(following)) for each in gold
    ]


def _changes(gold: list[Scored], systems: list[tuple[str, Analysis]]) -> list[Changed]:
    """Corrected and spoiled, of every two systems, where the protocol pairs items."""
    from itertools import combinations

    from magpie.metrics.changes import changes_between
    from magpie.metrics.picture_kinds import subset

    groups = {scored.id: subset(scored) for scored in gold}
    found = (changes_between(old, new, groups) for old, new in combinations(systems, 2))
    return [each for each in found if each is not None]


def _labels(paths: list[Path], *, short: bool) -> list[str]:
    """A name a system: its path; ``short`` leaves out the folders and the file name all share."""
    whole = [str(path) for path in paths]
    if not short or len(set(paths)) < max(2, len(paths)):
        return whole
    parts = [path.parts for path in paths]
    head = _shared(parts)
    tail = _shared([each[head:][::-1] for each in parts])
    cut = [each[head : len(each) - tail] for each in parts]
    return [str(Path(*each)) for each in cut] if all(cut) else whole


def _shared(parts: list[tuple[str, ...]]) -> int:
    """How many first parts all have in common."""
    columns = zip(*parts, strict=False)
    return next((at for at, each in enumerate(columns) if len(set(each)) > 1), min(map(len, parts)))


def _write_page(
    path: Path,
    systems: list[tuple[str, Analysis]],
    comparisons: list[Versus],
    changed: list[Changed],
    examples: int,
) -> None:
    from rich.text import Text

    from magpie._io import atomic_write
    from magpie.metrics.score_page import score_page

    report = systems[0][1].report
    title = f"{report.protocol} on {', '.join(report.sources) or 'unnamed data'}"
    body = score_page(systems, comparisons, changes=changed, title=title, examples=examples)
    atomic_write(path, body)
    stderr().print(Text(f"page written to {path}"))


def _print(systems: list[tuple[str, Analysis]], comparisons: list[Versus], *, full: bool) -> None:
    from rich.text import Text

    from magpie.metrics.terminal import analysis_tables, comparison_table

    for label, each in systems:
        if len(systems) > 1:
            stdout().print(Text(label, style="bold"))
        stdout().print(each.report)
        for table in analysis_tables(each) if full else ():
            stdout().print(table)
    if comparisons:
        stdout().print(comparison_table(comparisons))


def _default(task: str) -> str:
    from magpie.errors import NotFoundError
    from magpie.metrics import DEFAULTS

    if task not in DEFAULTS:
        raise NotFoundError(f"no task {task!r}", mend=f"Tasks are: {', '.join(DEFAULTS)}.")
    return DEFAULTS[task]


def _check_mentions_only(gold: list[Scored], path: Path) -> None:
    """Refuses to take it for granted that mentions are meant where gold says more than them.

    The mentions of a relation corpus are given to the systems: scored, they would be perfect.
    """
    from magpie.errors import ConfigError

    tasks = {"relations": "mre, jmere or object-entity", "events": "events", "links": "forms"}
    for scored in gold:
        for kind, task in tasks.items():
            said = None if scored.document is None else scored.document.annotations
            if getattr(said, kind, ()):
                raise ConfigError(
                    f"document {scored.id!r} has {kind} beside its mentions: say what is scored",
                    where=str(path),
                    mend=f"Give --task {task}, --task ner for the mentions alone, or a --protocol.",
                )


def _options(chosen: Protocol, given: list[str]) -> dict[str, OptionValue]:
    """``KEY=VALUE`` by the protocol's own options; a name it does not have is left to it."""
    from magpie.errors import ConfigError

    known = {option.name: option for option in chosen.switches}
    values: dict[str, OptionValue] = {}
    for entry in given:
        name, equals, text = entry.partition("=")
        if not equals:
            raise ConfigError(f"--option needs KEY=VALUE, got {entry!r}")
        values[name] = known[name].parse(text) if name in known else text
    return values


def _read(path: Path, chosen: Protocol) -> Iterator[Scored]:
    """Documents or flat lines, or a column file, told by the ending."""
    from magpie.corpora import load
    from magpie.metrics import items_of, read_scored
    from magpie.metrics.tagged import read_tagged

    if path.suffix.lower() not in COLUMN_FILES:
        yield from read_scored(path)
        return
    if chosen.reads_tags:
        yield from read_tagged(path)
        return
    # Without the source: it would name the two files, which differ by nature.
    for document in load("conll", "test", root=path):
        yield replace(items_of(document), source=None)
