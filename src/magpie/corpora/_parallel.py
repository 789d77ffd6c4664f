"""One function over many jobs, in several processes where asked for; results in the jobs' order."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["default_workers", "map_jobs"]

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


def default_workers() -> int:
    """Processes that a command uses: the cores it may run on, at most four (disks are shared)."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells
        cores = os.cpu_count() or 1
    return max(1, min(4, cores))


def map_jobs(
    function: Callable[[_Job], _Result],
    jobs: Sequence[_Job],
    *,
    workers: int,
    size: Callable[[_Job], int],
) -> list[_Result]:
    """``[function(job) for job in jobs]``; the largest jobs begin first.

    Args:
        function: of a module, so that other processes find it.
        jobs: picklable, as their results and errors must be.
        workers: processes; with 1 everything happens here. A script that asks for more must guard
            its main part by ``if __name__ == "__main__"``.
        size: of a job, in any unit.
    """
    if workers <= 1 or len(jobs) < 2:
        return [function(job) for job in jobs]
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    order = sorted(range(len(jobs)), key=lambda index: -size(jobs[index]))
    # Forking a process that has threads can deadlock, so each one starts anew.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        running = {index: pool.submit(function, jobs[index]) for index in order}
        return [running[index].result() for index in range(len(jobs))]
