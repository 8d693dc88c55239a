"""The command `benchmark`: how fast scoring is beside vos-benchmark, the fastest public tool, and that both agree.

Each is run as a user runs it, a whole command from files to means, in turns, so that a busy machine is busy for both.
vos-benchmark is not installed with this project, for it brings another OpenCV:

    python -m venv bench && bench/bin/pip install vos-benchmark
    python evaluation/run.py benchmark --dataset davis2016 --root DAVIS --with bench/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from evaluation import provenance
from evaluation.datasets import Dataset, Sequence
from evaluation.errors import ProtocolError
from evaluation.jf import Mask
from evaluation.options import Subparsers, add_dataset_options, chosen_dataset, positive, positives
from evaluation.prediction import merged
from evaluation.sequences import read_truth
from evaluation.whole_files import write_text
from vos_kd import write_mask

_AGREES = 1e-9
_TRUTH, _MASKS = "Annotations/480p", "results"
_THEIR_CODE = """
import json, sys
from vos_benchmark.benchmark import benchmark
if __name__ == "__main__":
    jf, j, f, _ = benchmark([sys.argv[1]], [sys.argv[2]], num_processes=int(sys.argv[3]), verbose=False)
    print(json.dumps({"j_mean": j[0] / 100, "f_mean": f[0] / 100}))
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "benchmark",
        help="scoring beside vos-benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_dataset_options(parser)
    add = parser.add_argument
    add("--with", dest="python", default=sys.executable, metavar="PYTHON", help="one that has vos-benchmark")
    add("--processes", type=positives, default=[1, 2], metavar="N,N", help="of each tool (default: 1,2)")
    add("--repeat", type=positive, default=3, metavar="N", help="runs of each; the best counts (default: %(default)s)")
    add("--output", type=Path, metavar="FILE.json", help="where to write the times")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Time both tools as the command line says: print times, ratios and how far the means differ."""
    _require_vos_benchmark(arguments.python)
    dataset = chosen_dataset(arguments, needs_images=False)
    with tempfile.TemporaryDirectory() as folder:
        pairs = write_pairs(dataset, Path(folder))
        rows = [_compare(dataset.name, Path(folder), n, arguments) for n in arguments.processes]
    sys.stdout.write(f"{pairs} pairs of masks of {dataset.name} {dataset.split}; seconds, best of {arguments.repeat}\n")
    for row in rows:
        sys.stdout.write(
            f"{row['processes']} process(es): {row['seconds']:.2f}, vos-benchmark {row['vos_benchmark_seconds']:.2f}, "
            f"{row['ratio']:.1f} times as fast; of processors {row['cpu_seconds']:.2f} and "
            f"{row['vos_benchmark_cpu_seconds']:.2f}, ratio {row['cpu_ratio']:.1f}; means differ by "
            f"{row['difference']:.0e}\n"
        )
    if arguments.output:
        how = {"environment": provenance.environment(("numpy", "opencv-python-headless")), "date": provenance.now()}
        write_text(json.dumps({"pairs": pairs, "rows": rows, **how}, indent=1), arguments.output)
    if wrong := [row for row in rows if row["difference"] > _AGREES]:
        raise ProtocolError(f"the tools do not agree: means differ by {wrong[0]['difference']}.")
    return 0


def write_pairs(dataset: Dataset, folder: Path) -> int:
    """Write truth and predictions in a layout that both tools read, with equal ids (vos-benchmark takes 255 for one).

    The predictions are the truth, moved and grown by a few pixels; files are as `predict` writes them.

    Args:
        dataset: whose truth to take.
        folder: gets `Annotations/480p/SEQUENCE` and `results/SEQUENCE`.

    Returns:
        How many frames there are.
    """
    count = 0
    grown = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    for sequence in tqdm(dataset.sequences, desc="masks", unit=" sequences", disable=None):
        for frame in sequence.annotation_paths:
            truth = _ids(sequence, frame, is_binary=dataset.name == "davis2016")
            moved = cv2.dilate(np.roll(truth, (2, 3), axis=(0, 1)), grown)
            for name, mask in ((_TRUTH, truth), (_MASKS, moved)):
                write_mask(folder / name / sequence.name / f"{frame}.png", mask)
            count += 1
    return count


def _ids(sequence: Sequence, frame: str, *, is_binary: bool) -> Mask:
    truth = read_truth(sequence.name, frame, sequence.annotation_paths[frame], sequence.size)
    return merged(truth) if is_binary else np.where(truth == 255, np.uint8(0), truth)


def _compare(dataset: str, folder: Path, processes: int, arguments: argparse.Namespace) -> dict[str, float]:
    truth, masks, record = folder / _TRUTH, folder / _MASKS, folder / "record.json"
    ours = [sys.executable, str(provenance.ROOT / "evaluation" / "run.py"), "score", "--split", "all"]
    ours += ["--dataset", dataset if dataset == "davis2016" else "davis2017"]
    ours += ["--root", str(folder), "--results", str(masks), "--convention", "vos-benchmark"]
    ours += ["--workers", str(processes), "--output", str(record)]
    theirs = [arguments.python, "-c", _THEIR_CODE, str(truth), str(masks), str(processes)]
    spent: dict[str, list[_Spent]] = {"ours": [], "theirs": []}
    for _ in range(arguments.repeat):
        spent["ours"].append(_spent(ours))
        spent["theirs"].append(_spent(theirs))
    found, expected = json.loads(record.read_bytes()), json.loads(spent["theirs"][-1].output.splitlines()[-1])
    best, rival = (_Spent(min(one.seconds for one in runs), min(one.cpu for one in runs)) for runs in spent.values())
    return {
        "processes": processes,
        "seconds": best.seconds,
        "vos_benchmark_seconds": rival.seconds,
        "ratio": rival.seconds / best.seconds,
        "cpu_seconds": best.cpu,
        "vos_benchmark_cpu_seconds": rival.cpu,
        "cpu_ratio": rival.cpu / best.cpu,
        "difference": max(abs(found[key] - expected[key]) for key in expected),
    }


class _Spent(NamedTuple):
    """What a command took: by the clock, and of processors, which a busy machine changes less."""

    seconds: float
    cpu: float
    output: str = ""


def _spent(command: list[str]) -> _Spent:
    began, cpu = time.perf_counter(), _children_cpu()
    output = _output(command)
    return _Spent(time.perf_counter() - began, _children_cpu() - cpu, output)


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - what the user named
    if done.returncode:
        raise ProtocolError(f"{command[0]} failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}")
    return done.stdout


def _require_vos_benchmark(python: str) -> None:
    try:
        _output([python, "-c", "import vos_benchmark"])
    except (OSError, ProtocolError) as error:
        raise ProtocolError(
            f"{python} has no vos-benchmark ({error}). Make an environment for it: python -m venv bench && "
            "bench/bin/pip install vos-benchmark, and give --with bench/bin/python."
        ) from error
