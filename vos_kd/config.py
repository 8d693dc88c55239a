"""Every network and memory setting, as frozen dataclasses with their reasons, and the named presets.

A configuration travels with its weights as JSON, so a checkpoint says by itself which network it belongs to.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

from vos_kd.errors import InputError


def _require_positive(config: object, *names: str, most: int = 4096) -> None:
    for name in names:
        value = getattr(config, name)
        if type(value) is not int or not 1 <= value <= most:
            raise InputError(f"{type(config).__name__}.{name} is {value!r}; expected a whole number from 1 to {most}.")


def _require_bool(config: object, *names: str) -> None:
    for name in names:
        if type(getattr(config, name)) is not bool:
            raise InputError(f"{type(config).__name__}.{name} is {getattr(config, name)!r}; expected true or false.")


def _checked_keys(cls: type[Any], data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InputError(f"{cls.__name__} is {type(data).__name__} in JSON; expected an object.")
    known = {f.name for f in fields(cls)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise InputError(f"{cls.__name__} has no setting {', '.join(unknown)}; it has {', '.join(sorted(known))}.")
    return dict(data)


BACKBONES = (
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "mobilenetv3_small_100",
    "tiny_vit_sam",
)
"""Image encoders that `vos_kd.modeling.backbones` builds."""


@dataclass(frozen=True)
class MemoryConfig:
    """What is remembered of a video: what a `MemoryBank` keeps, how it is read, and where objects were."""

    memory_interval: int = 5
    """A frame is kept in memory every so many frames; 5 is STM's and STCN's."""
    max_recent: int | None = 5
    """Latest memory frames kept beside the given ones; None keeps all (parity runs: memory and time grow)."""
    max_given: int = 4
    """Frames with given masks (the first, later corrections) kept; beyond, the oldest but the first goes."""
    keep_previous: bool = False
    """Whether the newest memory frame is always the frame before the query."""
    top_k: int | None = None
    """Memory positions a query reads; None reads all, which is one well-shaped product instead of a selection."""
    reach: float | None = 0.1
    """A piece of an object that lies farther from where the object was than this share of the frame's shorter side is
    dropped, where a nearer one is found: `vos_kd.modeling.distractors`; None keeps all. Chosen on whole held-out videos
    at 480p, at all of their frames and at every fourth, see vos_kd/weights/README.md: 4 points of J."""

    def __post_init__(self) -> None:
        _require_positive(self, "memory_interval", "max_given")
        _require_positive(self, *(name for name in ("max_recent", "top_k") if getattr(self, name) is not None))
        _require_bool(self, "keep_previous")
        if self.reach is not None and not (type(self.reach) in (int, float) and 0 < self.reach <= 1):
            raise InputError(f"MemoryConfig.reach is {self.reach!r}; expected a share above 0 and up to 1, or none.")


@dataclass(frozen=True)
class NetworkConfig:
    """A space-time-memory network of this project: `vos_kd.modeling.stm.STM`."""

    backbone: str = "efficientnet_lite0"
    """An image encoder, one of `BACKBONES`; see `vos_kd.modeling.backbones`."""
    key_dim: int = 64
    """CK. The memory read costs CK + CV multiply-adds for each pair of positions: in a light network it dominates."""
    value_dim: int = 64
    """CV."""
    frame_dim: int = 64
    """Channels of the stride-16 frame feature after its projection, as value encoder, STFF and decoder see it."""
    value_width: int = 64
    """Channels inside the value encoder at stride 16; half of them at stride 8."""
    decoder_widths: tuple[int, int, int] = (128, 64, 32)
    """Channels of the decoder at strides 16, 8 and 4."""
    block: Literal["separable", "dense"] = "separable"
    """Convolutions of value encoder and decoder: depthwise-separable (student) or full (teacher)."""
    stff: bool = True
    """Space-Time Feature Fusion of the query frame with the previous frame's value and mask."""

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise InputError(f"backbone is {self.backbone!r}; expected one of {', '.join(BACKBONES)}.")
        _require_positive(self, "key_dim", "value_dim", "frame_dim", "value_width")
        _require_bool(self, "stff")
        widths = self.decoder_widths
        if not (
            isinstance(widths, (list, tuple))
            and len(widths) == 3
            and all(type(width) is int and 1 <= width <= 4096 for width in widths)
        ):
            raise InputError(f"decoder_widths is {widths!r}; expected three whole numbers from 1 to 4096.")
        object.__setattr__(self, "decoder_widths", tuple(widths))  # JSON gives a list
        if self.block not in ("separable", "dense"):
            raise InputError(f"block is {self.block!r}; expected 'separable' or 'dense'.")


@dataclass(frozen=True)
class ModelConfig:
    """A model: which network, and the memory it was made for."""

    name: str
    architecture: Literal["stm", "stcn"] = "stm"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Ignored by `stcn`, whose shapes are fixed."""
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    short_side: int = 480
    """Frames whose shorter side is larger are segmented at this size, unless another is asked for."""
    description: str = ""

    def __post_init__(self) -> None:
        if type(self.short_side) is not int or self.short_side < 16:
            raise InputError(f"ModelConfig.short_side is {self.short_side!r}; expected a whole number from 16 on.")
        if self.architecture not in ("stm", "stcn"):
            raise InputError(f"architecture is {self.architecture!r}; expected 'stm' or 'stcn'.")

    def to_json(self) -> str:
        """One line of JSON with sorted keys: equal configurations give equal text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            InputError: not JSON, a wrong or missing key, or a value out of range; names the key.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"the model configuration is not JSON: {error}.") from error
        data = _checked_keys(cls, data)
        if "network" in data:
            data["network"] = NetworkConfig(**_checked_keys(NetworkConfig, data["network"]))
        if "memory" in data:
            data["memory"] = MemoryConfig(**_checked_keys(MemoryConfig, data["memory"]))
        if not isinstance(data.get("name"), str):
            raise InputError("the model configuration has no name.")
        return cls(**data)

    @classmethod
    def from_file(cls, content: object, path: Path) -> Self:
        """Take a configuration that was found in a file.

        Args:
            content: what `to_json` wrote, parsed.
            path: the file, for messages.

        Raises:
            InputError: see `from_json`.
        """
        try:
            return cls.from_json(json.dumps(content))
        except InputError as error:
            raise InputError(f"{path}: {error} Export or download it again.") from error


STUDENT = ModelConfig(
    name="student",
    # Chosen on real clips, see vos_kd/weights/README.md: reading 20 positions was 2 points of J above reading all; the
    # frame before, which STFF has anyway, and a second recent frame gave nothing; each costs a third of the read.
    memory=MemoryConfig(max_recent=1, top_k=20),
    # As accurate on whole held-out videos as 480, in two thirds of the time.
    short_side=384,
    description="Light student: EfficientNet-Lite0 to stride 16 shared by query and memory, STFF, separable decoder.",
)

PRESETS: dict[str, ModelConfig] = {
    config.name: config
    for config in (
        STUDENT,
        replace(
            STUDENT,
            name="student_small",
            network=NetworkConfig(
                backbone="mobilenetv3_small_100",
                key_dim=32,
                value_dim=48,
                frame_dim=48,
                value_width=48,
                decoder_widths=(96, 48, 24),
            ),
            description="Smaller student on MobileNetV3-small, for phones and single CPU cores.",
        ),
        replace(
            STUDENT,
            name="student_large",
            network=NetworkConfig(
                backbone="efficientnet_lite2",
                value_dim=96,
                frame_dim=96,
                value_width=96,
                decoder_widths=(160, 80, 48),
            ),
            description="Larger student on EfficientNet-Lite2.",
        ),
        replace(
            STUDENT,
            name="student_no_stff",
            network=replace(STUDENT.network, stff=False),
            description="The student without Space-Time Feature Fusion, for the ablation.",
        ),
        ModelConfig(
            name="teacher",
            network=NetworkConfig(
                backbone="tiny_vit_sam",
                value_dim=256,
                frame_dim=256,
                value_width=192,
                decoder_widths=(256, 128, 64),
                block="dense",
                stff=False,
            ),
            # Chosen on whole held-out videos, see vos_kd/weights/README.md: without the frame before, and reading 20
            # positions instead of all, J is 9 points higher.
            memory=MemoryConfig(top_k=20),
            description="Teacher: TinyViT image encoder (as in MobileSAM), full convolutions, wide values.",
        ),
        ModelConfig(
            name="teacher_large",
            network=NetworkConfig(
                backbone="tiny_vit_sam",
                value_dim=512,
                frame_dim=384,
                value_width=288,
                decoder_widths=(448, 224, 112),
                block="dense",
                stff=False,
            ),
            memory=MemoryConfig(top_k=20),
            description="The teacher with wider values and decoder: 20 times the student, for accelerators.",
        ),
        ModelConfig(
            name="stcn_r50",
            architecture="stcn",
            # The published settings: everything remembered, each query reads its best 20 positions.
            memory=MemoryConfig(max_recent=None, top_k=20, reach=None),
            description="The published STCN (ResNet-50 key encoder): yardstick for parameters, FLOPs and speed.",
        ),
    )
}
