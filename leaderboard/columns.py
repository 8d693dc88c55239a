"""The columns that people see: name, unit, direction, and how a value is written."""

from __future__ import annotations

import math
from dataclasses import dataclass

NOT_MEASURED = "N/A"


@dataclass(frozen=True)
class Column:
    """A number of the frame as people see it."""

    key: str
    label: str
    unit: str
    group: str
    help: str
    higher_is_better: bool
    scale: float = 1.0
    """What the stored value is multiplied by to be shown."""
    digits: int = 1
    is_log: bool = False
    """Whether an axis of it is logarithmic."""

    @property
    def title(self) -> str:
        """Label with unit, for axes and heads of tables."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def format(self, value: float) -> str:
        """A value as it is shown, without its unit; N/A for NaN.

        >>> COLUMNS["jf_mean"].format(0.6876)
        '68.8'
        """
        if math.isnan(value):
            return NOT_MEASURED
        shown = value * self.scale
        # Small costs keep two significant digits: 0.05 M parameters are not 0.1 M.
        digits = self.digits if abs(shown) >= 1 or not self.is_log else self.digits + 1
        return f"{shown:.{digits}f}"


def _score(key: str, label: str, text: str, *, higher: bool = True, group: str = "Accuracy") -> Column:
    return Column(key, label, "%", group, text, higher, scale=100)


def _cost(key: str, label: str, unit: str, text: str, *, higher: bool = False, digits: int = 1) -> Column:
    return Column(key, label, unit, "Speed", text, higher, digits=digits, is_log=True)


def _size(key: str, label: str, unit: str, text: str, *, scale: float = 1.0, digits: int = 1) -> Column:
    return Column(key, label, unit, "Size", text, False, scale, digits, is_log=True)


_COLUMNS = (
    _score("jf_mean", "J&F", "Mean of region similarity J and contour accuracy F; each object counts once"),
    _score("g_overall", "G", "YouTube-VOS: mean of J and F over seen and over unseen categories"),
    _score("j_mean", "J", "Region similarity: intersection over union of mask and truth"),
    _score("j_recall", "J recall", "Share of frames with J above 50 %"),
    _score("j_decay", "J decay", "J of the first quarter of a clip less J of the last", higher=False),
    _score("f_mean", "F", "Contour accuracy: F-measure of the masks' boundaries"),
    _score("f_recall", "F recall", "Share of frames with F above 50 %"),
    _score("f_decay", "F decay", "F of the first quarter of a clip less F of the last", higher=False),
    _score("j_seen", "J seen", "J of categories that the training data has"),
    _score("f_seen", "F seen", "F of categories that the training data has"),
    _score("j_unseen", "J unseen", "J of categories that the training data lacks"),
    _score("f_unseen", "F unseen", "F of categories that the training data lacks"),
    _cost("fps_end_to_end", "FPS", "frames/s", "Frames a second, decoded frame in, full-size mask out", higher=True),
    _cost("fps_network", "FPS, network", "frames/s", "Frames a second of the network alone", higher=True),
    _cost("latency_ms", "Latency", "ms", "Median time of a frame, end to end"),
    _cost("latency_p95", "Latency p95", "ms", "95 of 100 frames take no longer, end to end"),
    _cost("network_ms", "Latency, network", "ms", "Median time of a frame, network alone"),
    _cost("peak_memory_mib", "Peak memory", "MiB", "Most memory in use while it runs", digits=0),
    _size("params", "Parameters", "M", "Of the deployed network, train-time parts not counted", scale=1e-6, digits=2),
    _size("gmacs", "GMACs", "", "Multiply-adds of a frame in 1e9, memory read included; half the FLOPs"),
    _size("gflops", "GFLOPs", "", "Operations of a frame in 1e9, memory read included; 2 a multiply-add"),
)
COLUMNS = {column.key: column for column in _COLUMNS}

PRESETS = {
    "Overview": ("jf_mean", "fps_end_to_end", "latency_ms", "params", "gflops"),
    "Accuracy": ("jf_mean", "j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay"),
    "Speed": ("jf_mean", "fps_end_to_end", "fps_network", "latency_ms", "latency_p95", "network_ms"),
    "Edge": ("jf_mean", "fps_end_to_end", "latency_p95", "params", "gmacs", "peak_memory_mib"),
}
SEEN_UNSEEN_PRESET = ("g_overall", "j_seen", "f_seen", "j_unseen", "f_unseen")
X_AXES = ("fps_end_to_end", "fps_network", "latency_ms", "params", "gmacs", "peak_memory_mib")
Y_AXES = ("jf_mean", "j_mean", "f_mean", "j_recall", "j_decay", "g_overall")
SPEED_AXES = ("fps_end_to_end", "fps_network", "latency_ms", "peak_memory_mib")
"""Known on one machine only: published figures of them are never drawn beside ours."""
INTERVALS = {"jf_mean": ("jf_low", "jf_high"), "latency_ms": ("latency_p5", "latency_p95")}
"""Column -> the columns with the ends of its error bar."""
