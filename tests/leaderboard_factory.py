"""Made-up results for tests of the leaderboard: seeded, and of models whose names say that they are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import results
from evaluation.results import ModelInfo, ObjectResult, Protocol, Record, SequenceResult

DAVIS = Protocol("davis2016", "val", "480p", "davis")
LONG = " ".join(f"--set a.setting_{n}=value" for n in range(40))
"""Of a real command, whose line must not widen the page."""
ENVIRONMENT = {"python": "3.11.2", "torch": "2.14.1", "system": "Linux x86_64", "cpu": "Made-up CPU", "cpu_cores": 2}


def make_record(
    name: str = "student",
    role: str | None = "student",
    level: float = 0.7,
    seed: int = 0,
    sequences: int = 6,
    frames: int = 12,
    **changes: Any,
) -> Record:
    """A record whose J lies about `level`."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(sequences):
        hard = 0.25 * number / max(sequences - 1, 1)
        j = np.clip(level - hard + rng.normal(0, 0.05, frames) - np.linspace(0, 0.1, frames), 0, 1)
        f = np.clip(j + rng.normal(0, 0.03, frames), 0, 1)
        values = (tuple(float(round(one, 4)) for one in each) for each in (j, f))
        rows.append(
            SequenceResult(
                f"clip-{number:02}", tuple(f"{n + 1:05}" for n in range(frames)), (ObjectResult(1, 0, *values),)
            )
        )
    values = {
        "model": ModelInfo(name, f"{seed:064x}", role),
        "protocol": DAVIS,
        "sequences": tuple(rows),
        "is_partial": False,
        "environment": ENVIRONMENT,
        "options": {"short_side": None},
        "command": "python evaluation/run.py all --dataset davis2016 --root DAVIS",
        "date": "2026-11-20T12:00:00+00:00",
        "commit": "0" * 40,
        "speed": make_speed(80 / (1 + 5 * level)),
        "complexity": {
            **{"params": int(1e6 * (1 + 10 * level)), "gmacs": 4.0 + 30 * level, "gflops": 8.0 + 60 * level},
            **{"height": 480, "width": 864, "memory_frames": 6, "tool": "FlopCounterMode"},
        },
        **changes,
    }
    return Record(**values)


def make_speed(fps: float, **changes: Any) -> dict[str, Any]:
    """Speed of a model."""

    def latency(rate: float) -> dict[str, float]:
        return {"median": 1000 / rate, "p5": 900 / rate, "p95": 1300 / rate}

    return {
        "fps_network": fps * 1.1,
        "fps_end_to_end": fps,
        "latency_ms": {"network": latency(fps * 1.1), "end_to_end": latency(fps)},
        "peak_memory_mib": 600.0 + fps,
        **{"device": "cpu", "dtype": "torch.bfloat16", "threads": 2, "size": [480, 854], "objects": 1},
        "memory_policy": "first frame and two recent ones",
        "by_objects": [
            {"objects": n, "fps_network": fps * 1.1 / (1 + 0.2 * (n - 1)), "fps_end_to_end": fps / (1 + 0.2 * (n - 1))}
            for n in (1, 2, 5, 10)
        ],
        "by_length": [
            {"frames": n, "latency_ms": 1000 / fps, "resident_mib": 600.0 + n / 100} for n in (100, 200, 400, 800)
        ],
        **changes,
    }


def make_speed_file(**models: float) -> dict[str, Any]:
    """A speed file of models with these FPS."""
    return {
        "kind": "speed",
        "schema_version": 1,
        "environment": ENVIRONMENT,
        "size": [480, 854],
        "command": f"python evaluation/run.py speed --models {','.join(models)}",
        "date": "2026-11-21T12:00:00+00:00",
        "commit": "0" * 40,
        "models": {
            name: {**make_speed(fps), "params": int(5e7 / fps), "gmacs": 900 / fps} for name, fps in models.items()
        },
    }


def make_ablation(seeds: tuple[int, ...] = (1, 2, 3)) -> dict[str, Any]:
    """An ablation of four rows."""
    rng = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    names = ("student_alone", "logit_offline", "online", "adaptive_rate")
    for number, name in enumerate(names):
        values = [round(float(0.6 + 0.02 * number + rng.normal(0, 0.006)), 4) for _ in seeds]
        before = rows[-1] if rows else None
        gains = [a - b["student_j"] for a, b in zip(values, before["runs"], strict=True)] if before else []
        spread = float(np.std(values, ddof=1)) if len(seeds) > 1 else None
        rows.append(
            {
                "name": name,
                "title": name.replace("_", " "),
                "compared_with": before["name"] if before else None,
                "seed_count": len(seeds),
                "is_complete": True,
                "student_j_mean": sum(values) / len(values),
                "student_j_std": spread,
                "teacher_j_mean": 0.72 if number else None,
                "teacher_j_std": 0.004 if number else None,
                "difference_mean": float(np.mean(gains)) if gains else None,
                "difference_std": float(np.std(gains, ddof=1)) if len(gains) > 1 else None,
                "runs": [
                    {"seed": s, "student_j": v, "teacher_j": None, "steps": 100, "train_seconds": 60.0}
                    for s, v in zip(seeds, values, strict=True)
                ],
            }
        )
    return {
        **{"schema_version": 1, "kind": "ablation", "is_complete": True, "seeds": list(seeds), "rows": rows},
        **{"recipe": {"optim": {"steps": 100}}, "recipe_sha256": "0" * 64, "frozen_teacher": None},
        **{"environment": ENVIRONMENT, "command": f"python -m vos_kd.ablation --recipe smoke {LONG}"},
        **{"date": "2026-11-22T12:00:00+00:00", "commit": "0" * 40},
    }


def write_folder(folder: Path, *, baselines: int = 2, sequences: int = 6, frames: int = 12) -> Path:
    """A folder of results: student, teacher, baselines, a speed file with models without weights, an ablation."""
    folder.mkdir(parents=True, exist_ok=True)
    size = {"sequences": sequences, "frames": frames}
    records = [make_record("student", "student", 0.80, 1, **size), make_record("teacher", "teacher", 0.88, 2, **size)]
    rng = np.random.default_rng(3)
    records += [
        make_record(f"made-up-{n:03}", "baseline", float(rng.uniform(0.55, 0.9)), 10 + n, **size)
        for n in range(baselines)
    ]
    for record in records:
        results.save(record, folder / f"{record.model.name}-davis2016.json")
    speeds = make_speed_file(student=13.0, teacher=3.4, stcn_r50=1.3, **{"made-up-net": 6.0})
    (folder / "speed-cpu.json").write_text(json.dumps(speeds))
    (folder / "ablation.json").write_text(json.dumps(make_ablation()))
    return folder
