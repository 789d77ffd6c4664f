"""What every command shares: JSON on standard output, people's words on standard error, exit codes.

Exit codes: 0 all done; 1 done, but some records failed (or a check found defects in strict mode);
2 nothing could be done (bad option, missing file, wrong format); 130 interrupted.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "EXIT_FAILED",
    "EXIT_INPUT",
    "EXIT_INTERRUPTED",
    "JsonFlag",
    "MethodSettings",
    "RegionsOption",
    "command",
    "print_json",
    "region_folders",
    "region_settings",
    "stderr",
    "stdout",
]

EXIT_FAILED = 1
EXIT_INPUT = 2
EXIT_INTERRUPTED = 130

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON value on standard output, nothing else.")
]

RegionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--regions",
        metavar="NAME=FOLDER",
        help="Folder of the region features that the method calls NAME; repeat.",
        show_default=False,
    ),
]

MethodSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the trained model that may differ from training "
        "(type_constraint=mask); repeat.",
        show_default=False,
    ),
]

Function = TypeVar("Function", bound=Callable[..., Any])


@functools.cache
def stdout() -> Console:
    """Console for results meant for people."""
    from rich.console import Console

    return Console(soft_wrap=False)


@functools.cache
def stderr() -> Console:
    """Console for progress, warnings and errors."""
    from rich.console import Console

    return Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON value, indented, on standard output."""
    from magpie._io import dump_json

    sys.stdout.write(dump_json(value, indent=2) + "\n")


def region_folders(given: list[str] | None) -> dict[str, str]:
    """The folders of ``--regions NAME=FOLDER``, by name.

    Raises:
        ConfigError: no name or no folder, or a name stands twice.
        NotFoundError: there is no such folder.
    """
    from pathlib import Path

    from magpie.errors import ConfigError, NotFoundError

    found: dict[str, str] = {}
    for text in given or ():
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise ConfigError(
                f"expected NAME=FOLDER, got {text!r}",
                where="--regions",
                mend="For example --regions vinvl=FOLDER.",
            )
        if name in found:
            raise ConfigError(f"{name} is named twice", where="--regions")
        if not Path(folder).exists():
            raise NotFoundError(
                "no such folder", where=f"--regions {text}", mend="Check the path and its spelling."
            )
        found[name] = folder
    return found


def region_settings(given: list[str] | None) -> list[str]:
    """The same as settings of a recipe (``--set``)."""
    from magpie._io import dump_json
    from magpie.errors import ConfigError

    if dotted := [name for name in region_folders(given) if "." in name]:
        raise ConfigError(
            f"a recipe cannot name {dotted[0]!r}: a dot leads to a key inside", where="--regions"
        )
    return [
        f"data.regions.{name}={dump_json(folder)}" for name, folder in region_folders(given).items()
    ]


def command(function: Function) -> Function:
    """Turns errors of the tree into a message on standard error and exit code 2.

    With ``--json`` the error is also the one JSON value on standard output: ``{"error": {...}}``.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        from magpie.errors import MagpieError

        try:
            return function(*args, **kwargs)
        except MagpieError as error:
            if kwargs.get("json"):
                print_json({"error": error.to_dict()})
            _print_error(error)
            raise typer.Exit(EXIT_INPUT) from None
        except KeyboardInterrupt:
            typer.echo("interrupted; what was written stays", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            # The reader (head, less) closed; Python would complain again while flushing at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    return cast(Function, run)


def _print_error(error: Any) -> None:
    from rich.text import Text

    console = stderr()
    place = f"{error.where}: " if error.where else ""
    console.print(Text("error: ", style="bold red") + Text(f"{place}{error.message}"))
    if error.mend:
        console.print(Text("  mend: ", style="bold") + Text(error.mend))
    console.print(Text(f"  more: {error.docs}", style="dim"))
