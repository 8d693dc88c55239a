"""What the command line says of a model; loading it is the business of `evaluation.models`, which takes torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.errors import ProtocolError

FACTORY = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
"""`package.module:factory`."""
_SUFFIXES = (".safetensors", ".pth", ".pt", ".zip")
"""Of weight files and exported models; what has none of them is a name, with dots or without."""


@dataclass(frozen=True)
class ModelSource:
    """What the command line says of a model: all that another process needs to load it."""

    text: str
    """A registry name, a weight file, an exported model, `OWNER/REPO@REVISION`, or `package.module:factory`."""
    device: str | None = None
    dtype: str | None = None
    short_side: int | None = None
    """Larger frames are segmented at this size; None leaves that to the model."""
    threads: int | None = None
    """Of the CPU; None for torch's own choice."""
    folder: str = ""
    """Where an outside model's module is looked for besides the installed ones."""
    random_weights: bool = False
    """Whether a registry name means the network as it is built: for speed, which needs no weights."""

    @property
    def label(self) -> str:
        """A short name, fit for a file. At another size than its own a model is another row: it has other figures.

        >>> [ModelSource(text).label for text in ("student", "runs/a@2/best.safetensors", "a.b:cutie")]
        ['student', 'best', 'cutie']
        >>> [ModelSource(text).label for text in ("student.onnx.zip", "me/net-1.5@v1.0")]
        ['student.onnx', 'net-1.5']
        >>> ModelSource("student", short_side=384).label
        'student-384p'
        """
        if match := FACTORY.fullmatch(self.text):
            return match[2]
        path = Path(self.text)
        name = path.stem if path.suffix in _SUFFIXES else Path(self.text.partition("@")[0]).name
        return name if self.short_side is None else f"{name}-{self.short_side}p"

    def __post_init__(self) -> None:
        if self.short_side is not None and self.short_side < 16:
            raise ProtocolError(f"--short-side is {self.short_side}; the network needs 16 pixels or more.")


def require_distinct(sources: Sequence[ModelSource]) -> None:
    """Raise `ProtocolError` if two models have one label, and so would have one place for their results."""
    labels = [source.label for source in sources]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ProtocolError(f"several models are called {', '.join(twice)}; run them one by one, or rename files.")
