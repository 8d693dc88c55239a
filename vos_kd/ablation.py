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
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
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
PLAIN = {"adaptive_rate": False, **LOGIT_ONLY}
RIVAL = {"contrastive_weight": CONTRASTIVE_WEIGHT, **NO_FEATURE}
# One part more in each row, so affinity loss and bare adaptors have rows of their own. The rival differs from
# `smooth_block` in its loss alone.
_ROWS = (
    Row("student_alone", "student alone", None, {"teacher_mode": "none"}),
    Row("logit_offline", "+ logit loss, frozen teacher", "student_alone", {"teacher_mode": "frozen", **PLAIN}),
    Row("online", "+ online: the teacher trains too", "logit_offline", PLAIN),
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


Runs = dict[tuple[str, int], Run]
"""By row and seed."""


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
    if not (
        is_whole and part.logit_weight and part.affinity_weight and part.feature_weight and part.adversarial_weight
    ):
        raise InputError(
            "a part of the method is off, or its rival on; leave that to the rows, and give no such --set."
        )
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


def train_rows(ablation: Ablation, out: Path, time_limit: float | None = None) -> Iterator[Runs]:
    """Train what is not finished; give all finished runs, at first and after each further one.

    A finished run keeps its logs; its checkpoint, four times the size of both networks, is removed.

    Args:
        ablation: from `plan`.
        out: folder for all runs.
        time_limit: seconds after which the run in hand is saved and everything stops.

    Raises:
        InputError: a folder holds a run of another recipe, or a run fails; says which.
    """
    began = time.monotonic()
    names = list(ablation.recipes)
    jobs = {(name, seed): replace(ablation.recipes[name], seed=seed) for seed in ablation.seeds for name in names}
    folders = {key: out / _folder(key[0], ablation) / f"seed-{key[1]}" for key in jobs}
    runs = {key: run for key, recipe in jobs.items() if (run := _finished(recipe, folders[key])) is not None}
    yield runs
    known = len(runs)
    for key, recipe in jobs.items():
        if key in runs:
            continue
        spent = time.monotonic() - began
        if time_limit is not None and spent >= time_limit:
            return
        place = f"row {names.index(key[0]) + 1} of {len(names)} ({key[0]}), seed {key[1]}"
        minutes = spent / 60 / max(len(runs) - known, 1) * (len(jobs) - len(runs))
        left = f"about {minutes:.0f} min left" if len(runs) > known else "time left not known yet"
        log.info("%s; %d of %d runs finished, %s", place, len(runs), len(jobs), left)
        try:
            if not train(recipe, folders[key], None if time_limit is None else time_limit - spent):
                return
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        run = _finished(recipe, folders[key])
        if run is None:
            raise InputError(f"{place}: it gave no J; expected one step or more, and objects in the held-out clips.")
        (folders[key] / "checkpoint.pt").unlink()
        runs = {**runs, key: run}
        yield runs


def make_record(ablation: Ablation, runs: Runs, command: str) -> dict[str, Any]:
    """The ablation as plain values: J in 0-1, spreads as sample standard deviations.

    A row that lacks a seed has no means, and there is no difference with it. `difference` is that of the student's J
    to the nearest row before that was asked for, seed by seed.
    """
    rows: list[dict[str, Any]] = []
    for name, recipe in ablation.recipes.items():
        before = ROWS[name].before
        while before is not None and before not in ablation.recipes:
            before = ROWS[before].before
        own = [runs[name, seed] for seed in ablation.seeds if (name, seed) in runs]
        pairs = [(run.student_j, runs[before, run.seed].student_j) for run in own if (before, run.seed) in runs]
        row = {"name": name, "title": ROWS[name].title, "recipe_sha256": _hash(recipe), "compared_with": before}
        row |= {"seed_count": len(own), "is_complete": len(own) == len(ablation.seeds)}
        for key, values in (
            ("student_j", [run.student_j for run in own]),
            ("teacher_j", [run.teacher_j for run in own if run.teacher_j is not None]),
            ("difference", [with_it - without for with_it, without in pairs]),
        ):
            is_whole = len(values) == len(ablation.seeds)
            row[f"{key}_mean"] = fmean(values) if is_whole else None
            row[f"{key}_std"] = stdev(values) if is_whole and len(values) > 1 else None
        rows.append({**row, "runs": [run._asdict() for run in own]})
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "ablation",
        "is_complete": all(row["is_complete"] for row in rows),
        "seeds": list(ablation.seeds),
        "rows": rows,
        "recipe": asdict(ablation.base),
        "recipe_sha256": _hash(ablation.base),
        "frozen_teacher": ablation.frozen_teacher,
        "environment": environment(),
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


def format_record(record: Mapping[str, Any]) -> str:
    """A table in percent: mean and spread over the seeds, and what each row changes against which."""
    cells = [("row", "seeds", "student J", "difference", "against", "teacher J")]
    for row in record["rows"]:
        seeds = f"{row['seed_count']}/{len(record['seeds'])}{'' if row['is_complete'] else ' incomplete'}"
        shown = [_percent(row[f"{key}_mean"], row[f"{key}_std"]) for key in ("student_j", "difference", "teacher_j")]
        cells.append((row["title"], seeds, shown[0], shown[1], row["compared_with"] or "-", shown[2]))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "".join(f"{line}\n" for line in lines)


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done or stopped by the time limit, 2 for bad input, 130 for Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    out = args.out or Path("runs") / f"ablation-{args.recipe}"
    output = args.output or out / "ablation.json"
    try:
        ablation = plan(get_recipe(args.recipe, args.set), args.rows.split(","), args.seeds, args.teacher_weights)
        for runs in train_rows(ablation, out, args.time_limit):
            record = make_record(ablation, runs, shlex.join(["python", "-m", "vos_kd.ablation", *argv]))
            atomic_write(output, json.dumps(record, indent=1, allow_nan=False) + "\n")
    except InputError as error:
        log.error("vos_kd.ablation: error: %s", error)
        return 2
    except KeyboardInterrupt:
        log.info("interrupted; the same command continues")
        return 130
    sys.stdout.write(format_record(record))
    log.info(
        "finished; %s" if record["is_complete"] else "stopped by the time limit, the same command continues; %s", output
    )
    return 0


def _finished(recipe: Recipe, folder: Path) -> Run | None:
    """What a run's log says of it; None before its end. A step that is logged twice, after a kill, counts once."""
    if (folder / "recipe.json").is_file() and (folder / "recipe.json").read_text() != recipe.to_json():
        raise InputError(f"{folder} holds a run of another recipe; choose another --out, or delete that one.")
    log_file = folder / "metrics.jsonl"
    lines = log_file.read_text().splitlines() if log_file.is_file() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]  # a kill can leave half a line
    steps = recipe.optim.steps
    last = [row for row in rows if row["step"] == steps and math.isfinite(row.get("validation/student_j", math.nan))]
    if not last:
        return None
    rates = {row["step"]: row["clips_per_second"] for row in rows if row.get("clips_per_second")}
    seconds = sum((b - a) * recipe.data.batch_size / rates[b] for a, b in pairwise([0, *sorted(rates)]))
    return Run(recipe.seed, last[-1]["validation/student_j"], last[-1].get("validation/teacher_j"), steps, seconds)


def _folder(name: str, ablation: Ablation) -> str:
    """Of a row; with other weights of the frozen teacher it is another one."""
    is_frozen = ablation.recipes[name].distill.teacher_mode == "frozen" and ablation.frozen_teacher is not None
    return f"{name}-{ablation.frozen_teacher['sha256'][:8]}" if is_frozen else name


def _hash(recipe: Recipe) -> str:
    return hashlib.sha256(recipe.to_json().encode()).hexdigest()


def _percent(mean: float | None, spread: float | None) -> str:
    return "-" if mean is None else f"{100 * mean:.1f}" + (f" ± {100 * spread:.1f}" if spread is not None else "")


def _commit() -> str | None:
    git = shutil.which("git")
    command = [git or "", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    found = subprocess.run(command, capture_output=True, text=True, check=False) if git else None  # noqa: S603
    return (found.stdout.strip() or None) if found else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vos_kd.ablation", description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", required=True, help="the whole method, as for vos_kd.train")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; repeatable")
    parser.add_argument("--rows", default=",".join(ROWS), metavar="A,B", help=f"of {', '.join(ROWS)}; default all")
    parser.add_argument("--seeds", type=_seeds, default=(1, 2, 3), metavar="1,2,3", help="default 1,2,3")
    parser.add_argument("--teacher-weights", metavar="WEIGHTS", help="of the frozen teacher; default the bundled ones")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the runs; default runs/ablation-RECIPE")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the record; default DIR/ablation.json")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS", help="stop cleanly after so long")
    return parser
