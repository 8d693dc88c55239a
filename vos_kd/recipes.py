"""Training recipes: every setting of a run with its reason, the named presets, and `--set key=value`."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import types
import typing
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from vos_kd.distill.task import DistillConfig
from vos_kd.errors import InputError

Config = typing.TypeVar("Config")


def _require_at_least(config: object, least: int, *names: str) -> None:
    for name in names:
        if not least <= getattr(config, name) < math.inf:  # nan is not, either
            raise InputError(f"{name} is {getattr(config, name)}; expected {least} or more, but finite.")


@dataclass(frozen=True)
class DataConfig:
    """Where clips come from and what they are like."""

    feed: Literal["shapes", "workers", "device"] = "workers"
    """`shapes`: rendered shapes, no data needed; `workers`: photos warped by OpenCV in worker processes; `device`: all
    photos in device memory, warped there."""
    photos: tuple[str, ...] = ()
    """Photo stores: folders or zips with `images/` and `masks/`, or folders of such zips."""
    davis: tuple[str, ...] = ()
    """Trees in DAVIS layout (`JPEGImages`, `Annotations`)."""
    youtube_vos: tuple[str, ...] = ()
    """Trees in YouTube-VOS layout (`train/JPEGImages`, ...)."""
    real_share: float = 0.15
    """Share of samples that are real clips, where there are any beside photos."""
    frames: int = 3
    height: int = 256
    width: int = 256
    max_objects: int = 3
    batch_size: int = 4
    workers: int = 1
    max_skip: int = 10
    """Largest gap between frames drawn from a real clip."""

    def __post_init__(self) -> None:
        _require_at_least(self, 1, "max_objects", "batch_size", "max_skip")
        _require_at_least(self, 2, "frames")
        _require_at_least(self, 0, "workers")
        if not 0 <= self.real_share <= 1:
            raise InputError(f"data.real_share is {self.real_share}; expected a share from 0 to 1.")


@dataclass(frozen=True)
class OptimConfig:
    """AdamW with warm-up and cosine decay."""

    steps: int = 10_000
    lr: float = 5e-4
    encoder_lr_scale: float = 0.25
    """Of the student's image encoder: its weights are published ones and need less. 0 freezes it."""
    teacher_lr_scale: float = 0.5
    """Of the teacher, which is heavier."""
    teacher_encoder_lr_scale: float = 0.1
    """0 freezes the teacher's image encoder: half the cost of a joint step on a CPU."""
    weight_decay: float = 1e-2
    warmup_steps: int = 200
    final_lr_share: float = 0.02
    clip_norm: float = 3.0
    ema: float = 0.999
    """Decay of the averaged weights that are validated and exported."""
    fixed_norms: bool = False
    """Leave all norms of networks that started from weights at their statistics, not only their image encoders': for
    batches of a few clips, whose own are noise."""
    max_bad_steps: int = 5
    """Non-finite steps in a row after which the run stops; each is skipped and counted."""

    def __post_init__(self) -> None:
        _require_at_least(self, 1, "steps", "max_bad_steps")
        _require_at_least(self, 0, "warmup_steps", "lr", "weight_decay", "encoder_lr_scale", "teacher_lr_scale")
        _require_at_least(self, 0, "teacher_encoder_lr_scale", "final_lr_share")
        if not self.clip_norm > 0:
            raise InputError(f"optim.clip_norm is {self.clip_norm}; expected more than 0, or inf to clip nothing.")
        if not 0 <= self.ema < 1:
            raise InputError(f"optim.ema is {self.ema}; expected 0 or more and below 1.")


@dataclass(frozen=True)
class Recipe:
    """A whole training run. `json` of it is kept in the run folder and must agree on resuming."""

    name: str
    student: str = "student"
    teacher: str = "teacher"
    student_encoder: str | None = None
    """File of published image-encoder weights to start from; see `vos_kd.modeling.pretrained`."""
    teacher_encoder: str | None = None
    student_weights: str | None = None
    """Whole networks to start from, as `vos_kd.load_model` finds them: `student`, a file, a hub repository."""
    teacher_weights: str | None = None
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    precision: Literal["bf16", "no"] = "bf16"
    compile: bool = False
    """Compile the image encoders: minutes before the first step; what it gains on an accelerator was not measured."""
    seed: int = 1
    log_every: int = 20
    validate_every: int = 500
    validation_clips: int = 48
    save_every: int = 250

    def __post_init__(self) -> None:
        _require_at_least(self, 1, "log_every", "validate_every", "validation_clips", "save_every")
        _require_at_least(self, 0, "seed")

    def to_json(self) -> str:
        """JSON with sorted keys: equal recipes give equal text."""
        return json.dumps(asdict(self), sort_keys=True, indent=1)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="smoke",
            student="student_small",
            teacher="student",  # a light network teaches here: the point is that every part runs, in a minute
            data=DataConfig(feed="shapes", height=96, width=96, batch_size=2, workers=0, max_objects=2),
            optim=OptimConfig(steps=30, lr=1e-3, warmup_steps=5, ema=0.9),
            log_every=5,
            validate_every=15,
            validation_clips=4,
            save_every=10,
        ),
        Recipe(
            name="cpu",
            optim=OptimConfig(steps=8000, teacher_encoder_lr_scale=0.0),
        ),
        Recipe(
            name="gpu",
            # What one H100 was given: 95 clips a second, 58 GiB of its memory (vos_kd/weights/README.md).
            data=DataConfig(
                feed="device", frames=5, height=320, width=320, max_objects=2, batch_size=48, real_share=0.25, workers=8
            ),
            optim=OptimConfig(steps=12_000, lr=1e-3, warmup_steps=100, ema=0.998),
            validation_clips=24,  # drawn before the first step, while the accelerator waits
        ),
        Recipe(
            name="davis-ytvos",
            # The standard second stage: real clips alone, 3 frames of 384. Start it from a first stage's weights.
            data=DataConfig(real_share=1.0, height=384, width=384, batch_size=8, workers=8, max_skip=25),
            optim=OptimConfig(steps=80_000, lr=2e-4, warmup_steps=500, ema=0.9995),
        ),
    )
}


def get_recipe(name: str, settings: list[str] | None = None) -> Recipe:
    """A preset with `key=value` settings applied, such as `optim.lr=1e-4` or `data.photos=a.zip,b.zip`.

    Raises:
        InputError: unknown recipe or key (the near ones are listed), or a value of the wrong type.
    """
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}; {_near(name, RECIPES)}.")
    return changed(RECIPES[name], settings or [])


def changed(config: Config, settings: list[str]) -> Config:
    """A configuration, a frozen dataclass that may hold others, with `key=value` settings applied.

    Raises:
        InputError: unknown key (the near ones are listed), a value of the wrong type or one that is refused.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"setting {setting!r} has no '='; expected key=value, such as {all_keys(config)[-1]}=1.")
        config = _with(config, key.strip(), key.strip().split("."), text.strip(), all_keys(config))
    return config


def all_keys(config: Any, prefix: str = "") -> list[str]:
    """Every key that `--set` knows, dotted."""
    keys = []
    for f in fields(config):
        value = getattr(config, f.name)
        keys += all_keys(value, f"{prefix}{f.name}.") if dataclasses.is_dataclass(value) else [prefix + f.name]
    return keys


def _with(config: Any, key: str, parts: list[str], text: str, known: list[str]) -> Any:
    name, *rest = parts
    types_of = typing.get_type_hints(type(config))
    is_group = name in types_of and dataclasses.is_dataclass(getattr(config, name))
    if name not in types_of or is_group != bool(rest):
        raise InputError(f"there is no setting {key!r}; {_near(key, known)}.")
    if rest:
        return replace(config, **{name: _with(getattr(config, name), key, rest, text, known)})
    return replace(config, **{name: _parse(key, types_of[name], text)})


def _parse(key: str, kind: Any, text: str) -> Any:
    """A value of a field's type from text."""
    origin, choices = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if text.lower() in ("", "none") else _parse(key, choices[0], text)
    if origin is Literal:
        if text not in choices:
            raise InputError(f"{key} is {text!r}; expected one of {', '.join(map(str, choices))}.")
        return text
    if origin is tuple:
        return tuple(part for part in text.split(",") if part)
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{key} is {text!r}; expected true or false.")
        return text.lower() == "true"
    try:
        return kind(text)
    except ValueError as error:
        raise InputError(f"{key} is {text!r}; expected {kind.__name__}.") from error


def _near(name: str, known: typing.Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, n=4, cutoff=0.4)
    return f"near it: {', '.join(near)}" if near else f"there are {', '.join(known)}"
