"""What the servers of DAVIS and YouTube-VOS take: every mask of the split checked, then a zip in the server's layout.

    DAVIS        SEQUENCE/FRAME.png, every frame
    YouTube-VOS  Annotations/VIDEO/FRAME.png, every fifth frame, at the original size

A server says little of what is wrong with a submission, and lets few be handed in a day, so all is checked here before.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from evaluation.datasets import Dataset, Sequence
from evaluation.errors import ProtocolError
from evaluation.index_png import decode_ids, present_ids
from evaluation.result_files import ResultFiles, open_results
from evaluation.sequences import listed, prediction_name
from evaluation.whole_files import whole_file

_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(dataset: Dataset, results: Path, output: Path, *, on_mask: Callable[[], object] = lambda: None) -> int:
    """Check masks against a data set and pack them for its server.

    Args:
        dataset: a whole split of DAVIS-2017 or YouTube-VOS, with images.
        results: folder or zip of masks.
        output: the zip, written whole or not at all; equal masks give equal files.
        on_mask: called after every mask.

    Returns:
        How many masks are in it.

    Raises:
        ProtocolError: no server takes this data set, the split is not whole, a sequence or frame is missing, or a mask
            is damaged, of another size, or shows an object that the sequence does not have.
    """
    prefix = _prefix(dataset)
    opened = open_results(results)
    for sequence in dataset.sequences:
        _check_against_meta(sequence)
    opened.require({sequence.name: sequence.submitted for sequence in dataset.sequences})
    count = 0
    with whole_file(output) as partial, zipfile.ZipFile(partial, "w") as archive:
        for sequence in dataset.sequences:
            for frame, data in _checked(sequence, opened):
                # Stored, as PNGs are compressed already; without a time, as it is no part of the result.
                archive.writestr(zipfile.ZipInfo(f"{prefix}{sequence.name}/{frame}.png", _EPOCH), data)
                count += 1
                on_mask()
    return count


def _prefix(dataset: Dataset) -> str:
    if not dataset.name.startswith(("davis2017", "youtubevos")):
        raise ProtocolError(
            f"{dataset.name} has no server: its truth is public, so `score` gives its numbers. pack is for davis2017, "
            "youtubevos2018 and youtubevos2019."
        )
    if dataset.is_partial:
        raise ProtocolError(
            f"a submission holds all sequences of {dataset.name} {dataset.split}; leave --sequences and --limit out, "
            "and download what is missing."
        )
    return "" if dataset.name.startswith("davis") else "Annotations/"


def _check_against_meta(sequence: Sequence) -> None:
    if missing := [frame for frame in sequence.asked_frames if frame not in sequence.submitted]:
        raise ProtocolError(
            f"meta.json asks for frames of sequence {sequence.name!r} that have no image: {listed(missing)}. The "
            "download is not complete; get JPEGImages again."
        )


def _checked(sequence: Sequence, results: ResultFiles) -> Iterator[tuple[str, bytes]]:
    known = {0, *sequence.first_frames}
    for frame in sequence.submitted:
        name = prediction_name(sequence.name, frame)
        data = results.read(sequence.name, frame)
        if extra := sorted(set(present_ids(decode_ids(data, name, sequence.size))) - known):
            raise ProtocolError(
                f"{name} holds the ids {listed(map(str, extra))}; the sequence has the objects "
                f"{listed(map(str, sequence.first_frames))}. Objects keep the ids of the masks that are given."
            )
        yield frame, data
