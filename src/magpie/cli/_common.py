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
    "command",
    "print_json",
    "stderr",
    "stdout",
]

EXIT_FAILED = 1
EXIT_INPUT = 2
EXIT_INTERRUPTED = 130

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON value on standard output, nothing else.")
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
