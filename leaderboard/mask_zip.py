"""Scores a zip of masks that somebody sends, where the truth is on this machine.

It runs `python evaluation/run.py score`, a process of its own: nothing here knows how to score, a crash or an endless
file harms nobody, and the record says a command that can be repeated.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from evaluation.results import ProtocolError
from leaderboard.filmstrip import Folders

RUN = Path(__file__).resolve().parents[1] / "evaluation" / "run.py"
TIMEOUT_S = 600
MAX_BYTES = 200 * 2**20
"""Of a zip; no more than the page takes of any upload."""
MAX_NAME = 80
_one_at_a_time = threading.Lock()


def score_zip(path: Path, dataset: str, name: str, folders: Folders, timeout_s: float = TIMEOUT_S) -> bytes:
    """The record of a zip of masks, as text.

    Args:
        path: zip with SEQUENCE/FRAME.png.
        dataset: as `evaluation/run.py` calls it.
        name: of the model, for the record; at most `MAX_NAME` letters.
        folders: where the truth lies.
        timeout_s: after so many seconds it is given up.

    Raises:
        ProtocolError: no truth here, the zip cannot be scored, it takes too long, or another one is being scored. Says
            what to do.
    """
    root = folders.roots.get(dataset)
    if root is None:
        known = ", ".join(sorted(folders.roots)) or "none"
        raise ProtocolError(
            f"the truth of {dataset!r:.40} is not on this machine (there is: {known}). Score the masks where it is, "
            "with `python evaluation/run.py score`, and send the JSON."
        )
    if path.stat().st_size > MAX_BYTES:
        raise ProtocolError(f"the zip has more than {MAX_BYTES >> 20} MiB; palette PNGs of masks take far less.")
    if not name.strip() or name.startswith("-") or not name.isprintable() or len(name) > MAX_NAME:
        raise ProtocolError(
            f"the model's name is {name!r:.60}; expected a name of at most {MAX_NAME} letters that can be printed and "
            "does not start with '-'."
        )
    if not _one_at_a_time.acquire(blocking=False):
        raise ProtocolError("another zip is being scored; try again in a few minutes.")
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _run(path, dataset, root, name, Path(folder) / "record.json", timeout_s)
    finally:
        _one_at_a_time.release()


def _run(path: Path, dataset: str, root: Path, name: str, output: Path, timeout_s: float) -> bytes:
    command = [sys.executable, str(RUN), "score", "--dataset", dataset, "--root", str(root)]
    command += ["--results", str(path), f"--name={name}", "--output", str(output)]
    try:
        # Nothing in it goes through a shell, and the name cannot pass for an option.
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise ProtocolError(f"scoring took more than {timeout_s:.0f} s and was given up; score it yourself.") from error
    if result.returncode != 0:
        said = result.stderr.strip().splitlines()
        reason = said[-1] if said else f"it ended with {result.returncode}"
        for place, shown in ((str(path), path.name), (str(root), dataset)):
            reason = reason.replace(place, shown)  # visitors need not know this machine's folders
        raise ProtocolError(reason.split("error: ", 1)[-1])
    record = json.loads(output.read_bytes())
    # As somebody else would type it: this machine's folders are nobody's business.
    typed = ["python", "evaluation/run.py", "score", "--dataset", dataset, "--root", dataset.upper()]
    record["command"] = shlex.join([*typed, "--results", path.name, "--name", name])
    return json.dumps(record).encode()
