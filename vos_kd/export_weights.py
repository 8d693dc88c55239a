"""From a training run to deployed weights: `python -m vos_kd.export_weights RUN --out DIR`.

Writes the averaged student and teacher in half precision, without Smooth Blocks and Discriminator, and a model card
beside each.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from vos_kd.checkpoint import fill, save_weights
from vos_kd.config import ModelConfig
from vos_kd.errors import InputError
from vos_kd.files import atomic_write, sha256
from vos_kd.model import count_parameters
from vos_kd.modeling.registry import build_model, get_config
from vos_kd.training.checkpoints import load_checkpoint
from vos_kd.training.metrics import read_metrics

BUNDLE = Path(__file__).parent / "weights"
LIMITS_MB = {"student": 5, "teacher": 25}
"""Of what is bundled: plain git files stay small."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when written, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m vos_kd.export_weights", description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="vos_kd/weights to bundle them")
    parser.add_argument("--only", choices=("student", "teacher"), help="one of the two")
    parser.add_argument("--data", default="", help="text for the card: what was trained on, and its licences")
    args = parser.parse_args(argv)
    try:
        if args.only is None:
            _require_two_names(args.run)
        for role in ("student", "teacher"):
            if args.only in (None, role):
                for path in export(args.run, role, args.out, args.data):
                    sys.stdout.write(f"{path}\n")
    except InputError as error:
        sys.stderr.write(f"vos_kd.export_weights: error: {error}\n")
        return 2
    return 0


def export(run: Path, role: str, out: Path, data: str = "") -> list[Path]:
    """Write the averaged weights of a run's student or teacher, and their card.

    Returns:
        The two files; none where the run had no teacher.

    Raises:
        InputError: no finished checkpoint in `run`, or the weights do not fit or are too large.
    """
    state = load_checkpoint(run / "checkpoint.pt")
    if state is None:
        raise InputError(f"{run} holds no checkpoint.pt; expected the folder of a training run.")
    recipe, environment = _read(run, "recipe.json"), _read(run, "environment.json")
    prefix = f"{role}."
    averaged, step = state.averaged()
    weights = {key.removeprefix(prefix): value for key, value in averaged.items() if key.startswith(prefix)}
    if not weights:
        return []
    config = get_config(recipe[role])
    network = build_model(config)
    fill(network, weights, run / "checkpoint.pt")  # says what is wrong if the registry has changed since
    path = out / f"{config.name}.safetensors"
    last = _last(run)
    size_mb = 2 * sum(value.numel() for value in weights.values()) / 1e6
    kind = config.name if config.name in LIMITS_MB else role  # a teacher may be trained alone, in the student's place
    if size_mb > LIMITS_MB[kind] and out.resolve() == BUNDLE:
        raise InputError(
            f"{path.name} would have {size_mb:.1f} MB; a {kind} in {BUNDLE.name} has at most {LIMITS_MB[kind]} MB. "
            "Give another --out."
        )
    save_weights(path, weights, config, {"recipe": recipe["name"], "steps": str(step), "seed": str(recipe["seed"])})
    card = path.with_suffix(".md")
    atomic_write(card, _card(config, path, count_parameters(network), role, recipe, environment, step, data, last))
    return [path, card]


def _require_two_names(run: Path) -> None:
    recipe = _read(run, "recipe.json")
    if recipe["student"] == recipe["teacher"] and recipe["distill"]["teacher_mode"] != "none":
        raise InputError(
            f"student and teacher of {run} are both {recipe['student']!r}, and files are named so; export one of them "
            "with --only, and the other to another --out."
        )


def _read(run: Path, name: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((run / name).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{run} is not a whole training run: {error}.") from error
    return content


def _last(run: Path) -> dict[str, float]:
    """The last validation of a run; empty where there was none."""
    found: dict[str, float] = {}
    for row in read_metrics(run / "metrics.jsonl"):
        if any(key.startswith("validation/") for key in row):
            found = row
    return found


def _card(
    config: ModelConfig,
    path: Path,
    parameters: int,
    role: str,
    recipe: dict[str, Any],
    environment: dict[str, Any],
    step: int,
    data: str,
    validation: dict[str, float],
) -> str:
    hardware = environment.get("gpu", f"{environment['processor']}, {environment['threads']} threads")
    clips = recipe["data"]
    held_out = "".join(
        f"- Held-out J ({key.removeprefix('validation/').removesuffix('_j')}, {recipe['validation_clips']} clips of 5 "
        f"frames from photos that training never saw, at step {validation['step']:,}): {value:.3f}\n"
        for key, value in validation.items()
        if key == f"validation/{role}_j"
    )
    return f"""# {config.name}

{config.description}

- Parameters: {parameters:,}
- File: `{path.name}`, {path.stat().st_size / 1e6:.1f} MB in half precision, SHA-256 `{sha256(path)}`
- Trained with: recipe `{recipe["name"]}`, teacher mode `{recipe["distill"]["teacher_mode"]}`, {step:,} steps of \
{clips["batch_size"]} clips of {clips["frames"]} frames at {clips["width"]}x{clips["height"]}, seed {recipe["seed"]}
- On: {hardware}; torch {environment["torch"]}
{held_out}- Data: {data or "see the recipe"}

Weights are averaged over training (decay {recipe["optim"]["ema"]}) and carry none of the train-time parts.
"""


if __name__ == "__main__":
    raise SystemExit(main())
