"""Which results may be ranked together: those of one protocol on the same sequences, and no others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from evaluation.results import Record

_NAMES = {
    "davis2016": "DAVIS-2016",
    "davis2017": "DAVIS-2017",
    "youtubevos2018": "YouTube-VOS 2018",
    "youtubevos2019": "YouTube-VOS 2019",
}
_OWN_CONVENTION = {"davis2016": "davis", "davis2017": "davis", "youtubevos2018": "youtubevos"}
_OWN_CONVENTION["youtubevos2019"] = "youtubevos"


@dataclass(frozen=True)
class Benchmark:
    """A protocol, and for a part of a data set the sequences as well."""

    benchmark_id: str
    """Stands in permalinks and in the names of files."""
    label: str
    dataset: str
    metric: str
    """The column that the data set is ranked by."""


def benchmark_of(record: Record) -> Benchmark:
    """What a record can be ranked in; equal for records that can be compared."""
    protocol = record.protocol
    names = [sequence.name for sequence in record.sequences]
    parts = [protocol.dataset, protocol.split, protocol.resolution, protocol.convention]
    label = f"{_NAMES.get(protocol.dataset, protocol.dataset)} {protocol.split}, {protocol.resolution}"
    if protocol.convention != _OWN_CONVENTION.get(protocol.dataset):
        label += f", {protocol.convention} convention"
    if protocol.convention == "youtubevos" and not protocol.drops_given_frame:
        parts.append("keeps-given-frame")
        label += ", given frames scored"
    if record.is_partial or protocol.dataset not in _NAMES:
        # A part of a split, or a folder of somebody's own clips: comparable on just these sequences.
        parts.append(hashlib.sha256("\0".join(sorted(names)).encode()).hexdigest()[:8])
        plural = "" if len(names) == 1 else "s"
        label += f", {len(names)} sequence{plural} only" if record.is_partial else f", {len(names)} sequence{plural}"
    is_g = protocol.convention == "youtubevos" and record.seen_unseen.g_overall is not None
    return Benchmark("-".join(parts), label, protocol.dataset, "g_overall" if is_g else "jf_mean")
