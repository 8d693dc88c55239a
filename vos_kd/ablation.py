"""The ablation: what each part of the method brings, at an equal budget: `python -m vos_kd.ablation --recipe NAME`.

The recipe is the whole method; every row takes parts of it away, so steps, data and seeds are the same in all of them.
Runs go seed by seed through all rows: however early it stops, rows can be compared, and the same command goes on.
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

from vos_kd.checkpoint import find_weights
from vos_kd.config import PRESETS
from vos_kd.errors import InputError
from vos_kd.files import atomic_write, sha256
from vos_kd.modeling.registry import get_config
from vos_kd.recipes import Recipe, get_recipe
from vos_kd.runtime import environment
from vos_kd.train import build_task, train
from vos_kd.training.metrics import read_metrics

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
CONTRASTIVE_WEIGHT = 500.0
"""MobileVOS's loss divides by about a thousand positions: its gradient in the student is 200 to 1,300 times shorter
than that of the feature loss (measured in short runs). So weighted, they are about even."""


class Row(NamedTuple):
    """A line of the ablation: the whole method but for some settings, and the row that it is compared with."""

    name: str
    title: str
    before: str | None
    distill: Mapping[str, Any]  # settings in place of the recipe's
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
Runs = dict[tuple[str, int], "Run"]  # by row and seed


class Run(NamedTuple):
    """What a row reached with a seed: J on held-out clips with the averaged weights after the last step, in 0-1."""

    seed: int
    student_j: float
    teacher_j: float | None
    steps: int
    train_seconds: float  # of the steps alone, without start-up and validation


@dataclass(frozen=True)
class Ablation:
    """What is asked for: recipe and folder of each row, in the order of `ROWS`, to run once with every seed."""

    base: Recipe
    recipes: dict[str, Recipe]
    folders: dict[str, Path]
    seeds: tuple[int, ...]
    frozen_teacher: dict[str, str] | None  # source and sha256 of its weights


def plan(base: Recipe, names: Sequence[str], seeds: Sequence[int], out: Path, teacher: str | None = None) -> Ablation:
    """Work out the runs, and check before hours of training what can be checked.

    Args:
        base: the whole method, every part on.
        names: of rows.
        seeds: in place of the recipe's.
        out: folder of all runs.
        teacher: weights of the frozen teacher, as `vos_kd.load_model` finds them; None for the recipe's, or else those
            bundled for its teacher. Where the teacher trains too, it starts as the recipe says.

    Raises:
        InputError: an unknown row, a part that is off, no weights for the frozen teacher, or weights that do not fit.
    """
    for name in set(names) - ROWS.keys():
        near = difflib.get_close_matches(name, ROWS, n=3, cutoff=0.4) or ROWS
        raise InputError(f"there is no row {name!r}; near it: {', '.join(near)}.")
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InputError(f"the seeds are {list(seeds)}; expected different numbers of 0 or more.")
    part = base.distill
    weights = (part.logit_weight, part.affinity_weight, part.feature_weight, part.adversarial_weight)
    switches = (part.teacher_mode == "joint", part.adaptive_rate, part.smooth_block, not part.contrastive_weight)
    if not all((*weights, *switches)):
        raise InputError("the recipe has a part of the method off, or its rival on; leave that --set to the rows.")
    if not get_config(base.student).network.stff or f"{base.student}_no_stff" not in PRESETS:
        raise InputError(f"the student {base.student!r} has no twin without STFF; give --set student=student.")
    recipes = {name: row.recipe(base) for name, row in ROWS.items() if name in names}
    folders = {name: out / name for name in recipes}
    frozen_teacher = None
    for name, recipe in recipes.items():
        if recipe.distill.teacher_mode == "frozen":
            source = teacher or recipe.teacher_weights or recipe.teacher
            recipes[name] = replace(recipe, teacher_weights=source)
            try:
                frozen_teacher = {"source": source, "sha256": sha256(find_weights(source))}
            except InputError as error:
                raise InputError(f"row {name} needs --teacher-weights FILE, or leave it out: {error}") from error
            folders[name] = out / f"{name}-{frozen_teacher['sha256'][:8]}"  # other weights make other runs
        build_task(recipes[name])  # weights that do not fit are named here
    return Ablation(base, recipes, folders, tuple(seeds), frozen_teacher)


def train_rows(ablation: Ablation, time_limit: float | None = None) -> Iterator[Runs]:
    """Train what is not finished; give all finished runs, at first and after each further one.

    After `time_limit` seconds the run in hand is saved and everything stops. A finished run keeps its logs; its
    checkpoint, four times the size of both networks, is removed.

    Raises:
        InputError: a folder holds a run of another recipe, or a run fails; says which.
    """
    began = time.monotonic()
    names = list(ablation.recipes)
    jobs = {(name, seed): replace(ablation.recipes[name], seed=seed) for seed in ablation.seeds for name in names}
    folders = {key: ablation.folders[key[0]] / f"seed-{key[1]}" for key in jobs}
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
        done = len(runs) - known
        left = f", about {spent / 60 / done * (len(jobs) - len(runs)):.0f} min left" if done else ""
        log.info("%s; %d of %d runs finished%s", place, len(runs), len(jobs), left)
        try:
            if not train(recipe, folders[key], None if time_limit is None else time_limit - spent):
                return
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        run = _finished(recipe, folders[key])
        if run is None:
            raise InputError(f"{place}: it gave no J; expected objects in the held-out clips.")
        (folders[key] / "checkpoint.pt").unlink()
        runs = {**runs, key: run}
        yield runs


def make_record(ablation: Ablation, runs: Runs, command: str) -> dict[str, Any]:
    """The ablation as plain values: J in 0-1, spreads as sample standard deviations.

    A row that lacks a seed has no means, and there is no difference with it. `difference` is that of the student's J
    to the nearest row before that was asked for, seed by seed.
    """
    rows = []
    for name in ablation.recipes:
        before = ROWS[name].before
        while before is not None and before not in ablation.recipes:
            before = ROWS[before].before
        own = [runs[name, seed] for seed in ablation.seeds if (name, seed) in runs]
        others = [runs.get((str(before), run.seed)) for run in own]
        row: dict[str, Any] = {"name": name, "title": ROWS[name].title, "compared_with": before}
        row |= {"seed_count": len(own), "is_complete": len(own) == len(ablation.seeds)}
        for key, values in (
            ("student_j", [run.student_j for run in own]),
            ("teacher_j", [run.teacher_j for run in own if run.teacher_j is not None]),
            ("difference", [run.student_j - other.student_j for run, other in zip(own, others, strict=True) if other]),
        ):
            is_whole = len(values) == len(ablation.seeds)
            row[f"{key}_mean"] = fmean(values) if is_whole else None
            row[f"{key}_std"] = stdev(values) if is_whole and len(values) > 1 else None
        rows.append({**row, "runs": [run._asdict() for run in own]})
    root = Path(__file__).parents[1]
    git = shutil.which("git") if (root / ".git").exists() else None
    describe = [str(git), "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    commit = subprocess.run(describe, capture_output=True, text=True, check=False).stdout if git else ""  # noqa: S603
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "ablation",
        "is_complete": all(row["is_complete"] for row in rows),
        "seeds": list(ablation.seeds),
        "rows": rows,
        "recipe": asdict(ablation.base),
        "recipe_sha256": hashlib.sha256(ablation.base.to_json().encode()).hexdigest(),
        "frozen_teacher": ablation.frozen_teacher,
        "environment": environment(),
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.strip() or None,
    }


def format_record(record: Mapping[str, Any]) -> str:
    """A table in percent: means and spreads over the seeds, and differences with the row that each is compared with."""
    title = f"J in percent on held-out clips after {record['recipe']['optim']['steps']} steps, mean ± spread over seeds"
    cells = [("row", "seeds", "student J", "difference", "against", "teacher J")]
    for row in record["rows"]:
        seeds = f"{row['seed_count']}/{len(record['seeds'])}{'' if row['is_complete'] else ' incomplete'}"
        j, teacher_j, difference = (_percent(row, key) for key in ("student_j", "teacher_j", "difference"))
        cells.append((row["title"], seeds, j, difference, row["compared_with"] or "-", teacher_j))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "".join(f"{line}\n" for line in [title, *lines])


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done or stopped by the time limit, 2 for bad input, 130 for Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m vos_kd.ablation", description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", required=True, help="the whole method, as for vos_kd.train")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; repeatable")
    parser.add_argument("--rows", default=",".join(ROWS), metavar="A,B", help=f"of {', '.join(ROWS)}; default all")
    parser.add_argument("--seeds", type=_seeds, default=(1, 2, 3), metavar="1,2,3", help="in place of the recipe's")
    parser.add_argument("--teacher-weights", metavar="WEIGHTS", help="of the frozen teacher; default the bundled ones")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the runs; default runs/ablation-RECIPE")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the record; default DIR/ablation.json")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS", help="stop cleanly after so long")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    out = args.out or Path("runs") / f"ablation-{args.recipe}"
    output = args.output or out / "ablation.json"
    try:
        ablation = plan(get_recipe(args.recipe, args.set), args.rows.split(","), args.seeds, out, args.teacher_weights)
        for runs in train_rows(ablation, args.time_limit):
            record = make_record(ablation, runs, shlex.join(["python", "-m", "vos_kd.ablation", *argv]))
            atomic_write(output, json.dumps(record, indent=1, allow_nan=False) + "\n")
    except InputError as error:
        log.error("vos_kd.ablation: error: %s", error)
        return 2
    except KeyboardInterrupt:
        log.info("interrupted; the same command continues")
        return 130
    sys.stdout.write(format_record(record))
    log.info("%s; record: %s", "finished" if record["is_complete"] else "time is up, run it again to go on", output)
    return 0


def _finished(recipe: Recipe, folder: Path) -> Run | None:
    """What a run's log says of it; None before its end. A step that is logged twice, after a kill, counts once."""
    if (folder / "recipe.json").is_file() and (folder / "recipe.json").read_text() != recipe.to_json():
        raise InputError(f"{folder} holds a run of another recipe; choose another --out, or delete that one.")
    rows = read_metrics(folder / "metrics.jsonl")
    at_end = {key: value for row in rows if row["step"] == recipe.optim.steps for key, value in row.items()}
    student_j = at_end.get("validation/student_j", math.nan)
    if not math.isfinite(student_j):
        return None
    rates = {row["step"]: row["clips_per_second"] for row in rows if row.get("clips_per_second")}
    seconds = sum((b - a) * recipe.data.batch_size / rates[b] for a, b in pairwise([0, *sorted(rates)]))
    return Run(recipe.seed, student_j, at_end.get("validation/teacher_j"), recipe.optim.steps, seconds)


def _percent(row: Mapping[str, Any], key: str) -> str:
    mean, spread = row[f"{key}_mean"], row[f"{key}_std"]
    text = "-" if mean is None else f"{100 * mean:{'+' if key == 'difference' else ''}.1f}"
    return text if spread is None else f"{text} ± {100 * spread:.1f}"


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(int(seed) for seed in text.split(","))


if __name__ == "__main__":
    raise SystemExit(main())
