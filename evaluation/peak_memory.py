"""Peak memory of a model at work: in a process of its own, so that nothing else is counted, and nothing from before."""

from __future__ import annotations

import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import psutil
import torch

import vos_kd
from evaluation.model_source import ModelSource
from evaluation.models import open_model
from evaluation.moving_picture import moving_picture


def peak_memory_mib(source: ModelSource, *, height: int, width: int, objects: int, frames: int) -> float:
    """Peak memory in MiB over the first frames of a clip.

    On an accelerator what torch allocates there; on a CPU the resident memory of the whole process, Python and torch
    (about 300 MiB) included.

    Args:
        source: the model.
        height: of the frames.
        width: likewise.
        objects: followed objects.
        frames: enough of them to fill the memory bank.
    """
    # Spawned: a fork would begin with the memory of this process.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), vos_kd.prepare_process) as pool:
        return pool.submit(_measure, source, height, width, objects, frames).result()


def _measure(source: ModelSource, height: int, width: int, objects: int, frames: int) -> float:
    model = open_model(source)
    image, mask = moving_picture(height, width, objects)
    segmenter = model.start()
    for index in range(frames):
        segmenter.step(image(index), mask if index == 0 else None)
    if model.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(torch.device(model.device)) / 2**20
    return _peak_resident_mib()


def _peak_resident_mib() -> float:
    status = Path("/proc/self/status")
    if status.is_file() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        # Not getrusage, which counts the parent's memory too until the child has more than that.
        return int(found[1]) / 2**10
    memory = psutil.Process().memory_info()
    return float(getattr(memory, "peak_wset", memory.rss)) / 2**20  # Windows; elsewhere what it holds at the end
