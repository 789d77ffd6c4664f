"""``magpie corpora convert``: a split as magpie JSONL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magpie.cli._common import EXIT_FAILED, JsonFlag, command, print_json, stderr, stdout
from magpie.cli.corpora._group import (
    Images,
    Root,
    corpora,
    print_pictures_root,
    print_warnings,
)

if TYPE_CHECKING:
    from magpie.corpora import Conversion

__all__ = ["convert"]


@corpora.command()
@command
def convert(
    name: Annotated[
        str, typer.Argument(help="A corpus, the format conll or magpie, or riveg-predictions.")
    ],
    split: Annotated[str, typer.Option("--split", help="train, dev or test.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSONL file to write.")],
    to: Annotated[str, typer.Option("--to", help="The format to write: magpie.")] = "magpie",
    root: Root = None,
    images: Images = None,
    types: Annotated[
        str,
        typer.Option("--types", help="own, or coarse: PER, LOC, ORG, OTHER (MISC becomes OTHER)."),
    ] = "own",
    orphans: Annotated[
        str, typer.Option("--orphans", help="Entities opened by an I- tag: mark or drop.")
    ] = "mark",
    context: Annotated[
        list[str] | None,
        typer.Option(
            "--context",
            help="A side source to add as context; may be repeated.",
            show_default=False,
        ),
    ] = None,
    word_column: Annotated[int, typer.Option("--word-column", help="For conll.")] = 0,
    tag_column: Annotated[int, typer.Option("--tag-column", help="For conll.")] = -1,
    json: JsonFlag = False,
) -> None:
    """Write a split as magpie JSONL, one Document with gold annotations a line.

    Pictures below the output's folder get paths relative to it. Unreadable records are set
    aside, listed, and make the exit code 1.
    """
    from magpie.corpora import convert as convert_corpus
    from magpie.errors import ConfigError

    if to != "magpie":
        raise ConfigError(
            f"--to must be magpie, got {to!r}", mend="`magpie export` writes other formats."
        )
    result = convert_corpus(
        name,
        split,
        output,
        root,
        images=images,
        types=types,  # type: ignore[arg-type]  # load() checks the choice
        orphans=orphans,  # type: ignore[arg-type]
        context=tuple(context or ()),
        word_column=word_column,
        tag_column=tag_column,
    )
    print_warnings(result.warnings)
    if json:
        print_json(result.to_dict())
    else:
        _print_conversion(result)
    if result.unreadable:
        raise typer.Exit(EXIT_FAILED)


def _print_conversion(result: Conversion) -> None:
    from rich.text import Text

    stdout().print(Text(f"{result.documents} documents written to {result.output}"))
    for kind, count in result.anomalies.items():
        if kind != "unknown-digest":
            stderr().print(Text(f"{kind}: {count}"))
    for anomaly in result.errors:
        stderr().print(Text(f"  {anomaly.error}"))
    print_pictures_root(result.pictures_root)
