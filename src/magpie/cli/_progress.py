"""A progress bar on standard error for whatever takes longer than two seconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from magpie.cli import _common

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from magpie.engine.job import Summary
    from magpie.features.build import Built

__all__ = ["Bar", "progress_bar"]

#: seconds of silence
PATIENCE = 2.0


@contextlib.contextmanager
def progress_bar(
    count: Callable[[], int | None], limit: int | None
) -> Iterator[Callable[[Summary], None]]:
    """Gives the function that is told how far the work is.

    Nothing is imported, counted or shown before :data:`PATIENCE` has passed, and nothing at all
    where standard error is no terminal.

    Args:
        count: the number of records, None where nobody knows; called once, if at all.
        limit: at most so many are read.
    """
    begun = time.monotonic()
    shown: tuple[Progress, TaskID] | None = None

    def advance(summary: Summary) -> None:
        nonlocal shown
        if shown is None:
            if time.monotonic() - begun < PATIENCE or not _common.stderr().is_terminal:
                return
            total = count()
            if total is not None and limit is not None:
                total = min(total, limit)
            shown = _open(total, summary.resumed)
        progress, task = shown
        troubled = summary.failed + summary.partial
        progress.update(
            task, completed=summary.records, note=f"{troubled:,} problems" if troubled else ""
        )

    try:
        yield advance
    finally:
        if shown is not None:
            shown[0].stop()


def _open(total: int | None, done: int) -> tuple[Progress, TaskID]:
    from rich import progress as rich

    class Rate(rich.ProgressColumn):
        """Records a second, of this run."""

        def render(self, task: rich.Task) -> str:
            return f"{task.speed:,.0f}/s" if task.speed else ""

    bar = rich.Progress(
        rich.TextColumn("extracting"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        Rate(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
        rich.TextColumn("[red]{task.fields[note]}"),
        console=_common.stderr(),
    )
    bar.start()
    return bar, bar.add_task("extract", total=total, completed=done, note="")


class Bar:
    """A bar on a terminal's standard error; silent elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._name = ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, split: str, built: Built, total: int) -> None:
        """How far a build of features is."""
        self.show(split, built.documents, total)

    def show(self, name: str, done: int, total: int | None) -> None:
        """How far one part of the work is."""
        if not _common.stderr().is_terminal:
            return
        if self._bar is None:
            from rich.progress import Progress

            self._bar = Progress(console=_common.stderr(), transient=True)
            self._bar.start()
        if name != self._name:
            self._task, self._name = self._bar.add_task(name, total=total), name
        self._bar.update(self._task, completed=done)
