"""Jobs over actors of a Ray cluster, each of which loads its model once. Ray is an optional requirement.

On a cluster of several machines all need the packages of requirements.txt, and at the same paths the data and the
folder that the command runs in; the code of this project is sent to them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from evaluation.engine import ATTEMPTS, Engine, lost, prepare_worker
from evaluation.errors import ProtocolError
from evaluation.provenance import ROOT

J = TypeVar("J")
R = TypeVar("R")


class _Worker:
    """Of an actor: a process somewhere in the cluster.

    It works in the folder of the command, wherever Ray started it: paths may be relative, and results shall lie there.
    """

    def __init__(self, folder: str) -> None:
        prepare_worker()
        self._folder = folder

    def run(self, work: Callable[[J], R], job: J) -> R:
        try:
            os.chdir(self._folder)
        except OSError as error:
            raise ProtocolError(
                f"a worker has no folder {self._folder} ({error.strerror}); run the command in one that all machines "
                "of the cluster share."
            ) from error
        return work(job)


def run_on_ray(work: Callable[[J], R], jobs: Sequence[J], engine: Engine, *, needs_gpu: bool) -> Iterator[tuple[J, R]]:
    """Do jobs on a cluster; see `evaluation.engine.run_jobs`."""
    ray = _import_ray()
    with _cluster(ray, engine):
        # On a cluster of our own every worker has a processor of its own by definition, whatever the machine has.
        actor = ray.remote(num_cpus=1, num_gpus=1 if needs_gpu else 0)(_Worker)
        waiting = list(range(len(jobs)))
        attempts = [0] * len(jobs)
        here = str(Path.cwd())
        idle = [actor.remote(here) for _ in range(min(engine.workers, len(jobs)))]
        running: dict[Any, tuple[Any, int]] = {}
        while waiting or running:
            while waiting and idle:
                n, worker = waiting.pop(0), idle.pop()
                running[worker.run.remote(work, jobs[n])] = worker, n
            [done], _ = ray.wait(list(running), num_returns=1)
            worker, n = running.pop(done)
            try:
                result = ray.get(done)
            except ray.exceptions.RayActorError as error:
                attempts[n] += 1
                if attempts[n] == ATTEMPTS:
                    raise lost(jobs[n], error) from error
                waiting.insert(0, n)
                idle.append(actor.remote(here))
            except ray.exceptions.RayTaskError as error:
                raise (
                    error.cause or error
                ) from None  # as the job raised it, without the actor's traceback in its text
            else:
                idle.append(worker)
                yield jobs[n], result


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ProtocolError(
            f"--engine ray needs Ray ({error}): pip install 'vos-kd[ray]', or pip install ray."
        ) from error
    return ray


@contextlib.contextmanager
def _cluster(ray: Any, engine: Engine) -> Iterator[None]:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if engine.address is None:
            paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
            code: dict[str, Any] = {"env_vars": {"PYTHONPATH": paths}}
            ray.init(num_cpus=engine.workers, include_dashboard=False, runtime_env=code, **quiet)
        else:
            code = {"working_dir": str(ROOT), "excludes": ["/outputs/", "/runs/", "/tests/", "/.venv/", "/.git/"]}
            ray.init(address=engine.address, runtime_env=code, **quiet)
    except Exception as error:  # Ray raises all sorts, and a plain Exception if its own processes start too slowly
        remedy = (
            "A busy machine needs more time; try again, or leave --engine ray out."
            if engine.address is None
            else "Start one with `ray start --head` and give its address, or leave --address out."
        )
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ProtocolError(f"no Ray cluster at {engine.address or 'this machine'}: {reason} {remedy}") from error
    try:
        yield
    finally:
        ray.shutdown()
