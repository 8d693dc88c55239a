"""Where data sets and masks lie on this machine: from the command line or the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from leaderboard.filmstrip import Folders

ROOTS = "VOS_KD_DATASETS"
"""Environment variable: `davis2016=DIR,davis2017=DIR`."""
PREDICTIONS = "VOS_KD_PREDICTIONS"
"""Environment variable: a folder of MODEL/SEQUENCE/FRAME.png."""


def folders_of(roots: Iterable[str], predictions: Path | None) -> Folders:
    """Folders from texts `DATASET=DIR`.

    Raises:
        ValueError: another form, or no such folder.
    """
    found = {}
    for text in roots:
        dataset, sign, path = text.partition("=")
        if not sign or not Path(path).is_dir():
            raise ValueError(f"{text!r} is no data set; expected DATASET=DIR with a folder that is there.")
        found[dataset] = Path(path)
    if predictions is not None and not predictions.is_dir():
        raise ValueError(f"there is no folder {predictions}; expected masks as MODEL/SEQUENCE/FRAME.png.")
    return Folders(found, predictions)


def folders_from_environment() -> Folders:
    """Folders as the environment names them.

    Raises:
        ValueError: a variable has another form, or names no folder.
    """
    predictions = os.environ.get(PREDICTIONS)
    roots = [text for text in os.environ.get(ROOTS, "").split(",") if text]
    return folders_of(roots, Path(predictions) if predictions else None)
