"""``magpie corpora split``, ``sample`` and ``merge``: new files out of corpora."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magpie.cli._common import EXIT_FAILED, JsonFlag, command, print_json, stderr, stdout
from magpie.cli.corpora._group import Root, corpora, print_gathering, print_warnings, table

if TYPE_CHECKING:
    from magpie.corpora.gathering import Gathering

__all__ = ["merge_", "sample_", "split_"]

Names = Annotated[list[str], typer.Argument(help="Corpora (all splits), corpus:split, or files.")]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same files.")]


@corpora.command("split")
@command
def split_(
    names: Names,
    parts: Annotated[
        str,
        typer.Option(
            "--parts", help="Shares, train=0.8,dev=0.1,test=0.1, or numbers of documents."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder to write <part>.jsonl into.")
    ],
    root: Root = None,
    seed: Seed = 0,
    stratify: Annotated[
        bool, typer.Option("--stratify", help="Give each part its share of every type.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Split anew; posts that share a picture or a text never fall into two parts."""
    from rich.text import Text

    from magpie.corpora.splitting import split

    result = split(names, _parts(parts), output, root, seed=seed, stratify=stratify)
    if json:
        print_warnings(result.gathering.warnings)
        print_json(result.to_dict())
    else:
        print_gathering(result.gathering)
        shown = table("part", "documents", "labels", "file")
        for part in result.parts:
            labels = ", ".join(f"{name} {number}" for name, number in sorted(part.labels.items()))
            shown.add_row(part.name, str(part.documents), labels, part.output)
        stdout().print(shown)
        kept = f"{result.groups} groups stayed together, the largest of {result.largest} documents"
        stdout().print(Text(kept))
        if result.left_out:
            stdout().print(Text(f"{result.left_out} documents belong to no part"))
    _exit(result.gathering)


def _parts(text: str) -> dict[str, float]:
    from magpie.errors import ConfigError

    found: dict[str, float] = {}
    for piece in text.split(","):
        name, equals, size = piece.partition("=")
        try:
            if not equals or name.strip() in found:
                raise ValueError(piece)
            size = size.strip()
            found[name.strip()] = int(size) if size.isdecimal() else float(size)
        except ValueError:
            raise ConfigError(
                f"--parts cannot be read at {piece!r}",
                mend="For example train=0.8,dev=0.1,test=0.1 or train=1000,test=200.",
            ) from None
    return found


@corpora.command("sample")
@command
def sample_(
    names: Names,
    number: Annotated[int, typer.Option("-n", "--number", help="Documents to draw.", min=1)],
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSONL file to write.")],
    root: Root = None,
    seed: Seed = 0,
    json: JsonFlag = False,
) -> None:
    """Draw documents at random, all with equal chances."""
    from rich.text import Text

    from magpie.corpora.splitting import sample

    result = sample(names, number, output, root, seed=seed)
    if json:
        print_warnings(result.gathering.warnings)
        print_json(result.to_dict())
    else:
        print_gathering(result.gathering)
        drawn = f"{result.documents} of {result.seen} documents written to {result.output}"
        stdout().print(Text(drawn))
    _exit(result.gathering)


@corpora.command("merge")
@command
def merge_(
    names: Names,
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSONL file to write.")],
    root: Root = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="TYPE=TYPE",
            help="Rename a type, of one corpus with corpus:TYPE=TYPE; may be repeated.",
            show_default=False,
        ),
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map-file", help='JSON: {"MISC": "OTHER", ...}.', show_default=False),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            help="Leave out posts of this corpus, corpus:split or file; may be repeated.",
            show_default=False,
        ),
    ] = None,
    unique: Annotated[
        bool, typer.Option("--unique", help="Leave out posts that an earlier input has.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Write several corpora into one file.

    A map of types must cover all of them: what it forgets is refused, nothing is written then.
    """
    from rich.text import Text

    from magpie.corpora.merging import labels_of, merge

    labels = labels_of(map_ or (), map_file)
    result = merge(
        names, output, root, labels=labels, held_out=tuple(held_out or ()), unique=unique
    )
    unused = [f"the map's {label!r} met no label" for label in result.unused]
    if json:
        print_warnings([*result.gathering.warnings, *unused])
        print_json(result.to_dict())
    else:
        print_gathering(result.gathering)
        print_warnings(unused)
        for what, counts in (("held-out", result.held_out), ("repeated", result.repeated)):
            for name, dropped in counts.items():
                stderr().print(Text(f"{name}: {dropped} {what} documents left out"))
        for change, times in result.mapped.items():
            stdout().print(Text(f"{change}: {times}"))
        stdout().print(Text(f"{result.documents} documents written to {result.output}"))
    _exit(result.gathering)


def _exit(gathering: Gathering) -> None:
    if gathering.unreadable:
        raise typer.Exit(EXIT_FAILED)
