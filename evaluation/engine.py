"""Jobs over processes, or over the machines of a Ray cluster: results come as they are done, lost workers are replaced.

What a job gives does not depend on where it runs, so one process, several and a cluster give equal results.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import cv2

import vos_kd
from evaluation.errors import ProtocolError

J = TypeVar("J")
R = TypeVar("R")

ATTEMPTS = 3
"""How often a job is given to a worker before its loss is an error: what kills three workers will kill a fourth."""


@dataclass(frozen=True)
class Engine:
    """Where jobs run."""

    name: Literal["local", "ray"] = "local"
    workers: int = 1
    address: str | None = None
    """Of a Ray cluster; None starts one on this machine for the time of the run."""

    @property
    def is_here(self) -> bool:
        """Whether jobs run in this process, one after the other."""
        return self.name == "local" and self.workers == 1

    def threads(self, asked: int | None) -> int | None:
        """Threads for each worker: as asked, else its share of this machine's cores; None leaves it to torch."""
        return asked if asked or self.is_here else max(1, (os.cpu_count() or 1) // self.workers)


HERE = Engine()


def add_engine_options(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    """Add what chooses where jobs run."""
    add = parser.add_argument
    add("--engine", choices=("local", "ray"), default="local", help="processes, or a Ray cluster (pip install ray)")
    add("--workers", type=positive, default=1, metavar="N", help="processes or Ray actors (default: %(default)s)")
    add("--address", help="of a Ray cluster, such as auto or ray://HOST:10001; by default one is started here")


def chosen_engine(arguments: argparse.Namespace) -> Engine:
    """The engine that those options choose.

    Raises:
        ProtocolError: an address without Ray.
    """
    if arguments.address and arguments.engine != "ray":
        raise ProtocolError(f"--address {arguments.address} is of a Ray cluster; add --engine ray.")
    return Engine(arguments.engine, arguments.workers, arguments.address)


def run_jobs(
    work: Callable[[J], R], jobs: Sequence[J], engine: Engine, *, needs_gpu: bool = False
) -> Iterator[tuple[J, R]]:
    """Do jobs.

    Args:
        work: a function of a module, so that another process finds it; what it loads it may keep for the next job.
        jobs: the longest first, or one worker works on alone at the end.
        engine: where.
        needs_gpu: whether a Ray actor needs a GPU.

    Yields:
        Each job and what it gave, as they are done.

    Raises:
        Exception: what a job raised; or ProtocolError if its worker was lost `ATTEMPTS` times.
    """
    if engine.is_here or not jobs:
        return ((job, work(job)) for job in jobs)
    if engine.name == "ray":
        # Imported here: it is optional, and takes a second.
        from evaluation.ray_engine import run_on_ray

        return run_on_ray(work, jobs, engine, needs_gpu=needs_gpu)
    return _run_in_processes(work, jobs, engine.workers)


def lost(job: Any, error: Exception) -> ProtocolError:
    """What to say of a job whose workers were lost."""
    return ProtocolError(
        f"the worker of {job} was lost {ATTEMPTS} times; it was killed, or memory ran out. Use fewer --workers; what "
        f"is finished is kept for --resume. ({str(error).strip().splitlines()[-1]})"
    )


def _run_in_processes(work: Callable[[J], R], jobs: Sequence[J], workers: int) -> Iterator[tuple[J, R]]:
    left = list(range(len(jobs)))
    losses = 0
    failure: Exception | None = None
    while left and failure is None:
        # Spawned, as a fork would inherit the locks of threads that it does not have.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(workers, len(left)), context, prepare_worker)
        try:
            futures = {pool.submit(work, jobs[n]): n for n in left}
            for future in as_completed(futures):
                try:
                    result = future.result()
                except BrokenProcessPool:
                    raise
                except CancelledError:
                    continue
                except Exception as error:
                    # Those at work cannot be stopped: what they give is taken, so that nothing is lost.
                    failure = failure or error
                    for other in futures:
                        other.cancel()
                    continue
                left.remove(futures[future])
                losses = 0
                yield jobs[futures[future]], result
        except BrokenProcessPool as error:
            losses += 1
            if losses == ATTEMPTS:
                # Which of those at work it was is not told; they are the first that are left.
                raise lost(" or ".join(str(jobs[n]) for n in left[:workers]), error) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    if failure is not None:
        raise failure


def prepare_worker() -> None:
    """Of a new process."""
    vos_kd.prepare_process()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word; the main process says what there is
    cv2.setNumThreads(1)  # it has its share of the cores; threads would fight over it
