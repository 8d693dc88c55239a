"""The ablation: what each part of the method brings at a small equal budget, `python -m vos_kd.ablation --recipe NAME`.

The recipe is the whole method; every row takes parts of it away, so steps, data and seeds are the same in all of them.
Runs go seed by seed through all rows: however early it stops, rows can be compared. The same command goes on from
there. The record, JSON, is written anew after every run.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import logging
import math
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from vos_kd.checkpoint import find_weights, sha256
from vos_kd.config import PRESETS
from vos_kd.errors import InputError
from vos_kd.files import atomic_write
from vos_kd.modeling.registry import get_config
from vos_kd.recipes import Recipe, get_recipe
from vos_kd.runtime import environment
from vos_kd.train import build_task, train

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
CONTRASTIVE_WEIGHT = 500.0
"""MobileVOS's loss divides by the number of positions, about a thousand. So weighted, its gradient in the student is
about as long as that of the feature loss (without a weight 200 to 1,300 times shorter, measured): an even rival."""


class Row(NamedTuple):
    """A line of the ablation: the whole method but for some settings, and the row that it is compared with."""

    name: str
    title: str
    before: str | None
    distill: Mapping[str, Any]
    """Settings of `DistillConfig` in place of the recipe's."""
    stff: bool = False

    def recipe(self, base: Recipe) -> Recipe:
        """This row's recipe, given that of the whole method."""
        student = base.student if self.stff else f"{base.student}_no_stff"
        return replace(base, student=student, distill=replace(base.distill, **self.distill))


NO_GAME: dict[str, Any] = {"adversarial_weight": 0.0}
NO_FEATURE = {"feature_weight": 0.0, **NO_GAME}
LOGIT_ONLY = {"affinity_weight": 0.0, **NO_FEATURE}
RIVAL = {"contrastive_weight": CONTRASTIVE_WEIGHT, **NO_FEATURE}
# One part more in each row, so affinity loss and bare adaptors have rows of their own. The rival differs from
# `smooth_block` in its loss alone.
_ROWS = (
    Row("student_alone", "student alone", None, {"teacher_mode": "none"}),
    Row("logit_offline", "+ logit loss, frozen teacher", "student_alone", {"teacher_mode": "frozen", **LOGIT_ONLY, "adaptive_rate": False}),
    Row("online", "+ online: the teacher trains too", "logit_offline", {"adaptive_rate": False, **LOGIT_ONLY}),
    Row("adaptive_rate", "+ adaptive rate", "online", LOGIT_ONLY),
    Row("affinity", "+ affinity loss", "adaptive_rate", NO_FEATURE),
    Row("feature", "+ feature loss, no Smooth Block", "affinity", {"smooth_block": False, **NO_GAME}),
    Row("smooth_block", "+ Smooth Block", "feature", NO_GAME),
    Row("stff", "+ STFF", "smooth_block", NO_GAME, stff=True),
    Row("discriminator", "+ Discriminator: the whole method", "stff", {}, stff=True),
    Row("contrastive", "rival: contrastive for feature loss", "smooth_block", RIVAL),
)
ROWS = {row.name: row for row in _ROWS}


class Run(NamedTuple):
    """What a row reached with a seed: J on held-out clips with the averaged weights after the last step, in 0-1."""

    seed: int
    student_j: float
    teacher_j: float | None
    steps: int
    train_seconds: float
    """Of the steps alone, without start-up and validation."""


@dataclass(frozen=True)
class Ablation:
    """What is asked for: recipes of the rows in the order of `ROWS`, each to run once with every seed."""

    base: Recipe
    recipes: dict[str, Recipe]
    seeds: tuple[int, ...]
    frozen_teacher: dict[str, str] | None
    """`source` and `sha256` of its weights; None where no row has one."""


def plan(base: Recipe, names: Sequence[str], seeds: Sequence[int], teacher: str | None = None) -> Ablation:
    """Work out the runs, and check before hours of training what can be checked.

    Args:
        base: the whole method, every part on.
        names: of rows.
        seeds: different whole numbers.
        teacher: weights of the frozen teacher, as `vos_kd.load_model` finds them; None for the recipe's, or else those
            bundled for its teacher. Where the teacher trains too, it starts as the recipe says.

    Raises:
        InputError: an unknown row, a part that is off, no weights for the frozen teacher, or weights that do not fit.
    """
    for name in names:
        if name not in ROWS:
            near = difflib.get_close_matches(name, ROWS, n=3, cutoff=0.4) or ROWS
            raise InputError(f"there is no row {name!r}; near it: {', '.join(near)}.")
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InputError(f"the seeds are {list(seeds)}; expected different numbers of 0 or more.")
    part = base.distill
    is_whole = part.teacher_mode == "joint" and part.adaptive_rate and part.smooth_block and not part.contrastive_weight
    if not (is_whole and part.logit_weight and part.affinity_weight and part.feature_weight and part.adversarial_weight):
        raise InputError("a part of the method is off, or its rival on; leave that to the rows, and give no such --set.")
    if not get_config(base.student).network.stff or f"{base.student}_no_stff" not in PRESETS:
        raise InputError(f"the student {base.student!r} has no twin without STFF; give --set student=student.")
    recipes = {name: row.recipe(base) for name, row in ROWS.items() if name in names}
    frozen_teacher = None
    for name, recipe in recipes.items():
        if recipe.distill.teacher_mode == "frozen":
            source = teacher or recipe.teacher_weights or recipe.teacher
            recipes[name] = replace(recipe, teacher_weights=source)
            try:
                frozen_teacher = {"source": source, "sha256": sha256(find_weights(source))}
            except InputError as error:
                remedy = f"Give --teacher-weights (vos_kd.export_weights writes them), or --rows without {name}."
                raise InputError(f"row {name} needs a trained teacher: {error} {remedy}") from error
        build_task(recipes[name])
    return Ablation(base, recipes, tuple(seeds), frozen_teacher)


def train_rows(ablation: Ablation, out: Path, time_limit: float | None = None) -> Iterator[list[tuple[str, Run]]]:
    """Train what is not finished, and give all finished runs with their rows: at first, and after each further one.

    A finished run keeps its logs; its checkpoint, four times the size of both networks, is removed.

    Args:
        ablation: from `plan`.
        out: folder for all runs.
        time_limit: seconds after which the run in hand is saved and everything stops.

    Raises:
        InputError: a folder holds a run of another recipe, or a run fails; says which.
    """
