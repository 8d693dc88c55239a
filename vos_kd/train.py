"""The training recipe, as one readable file and as a command: `python -m vos_kd.train --recipe NAME [--set key=value]`.

On Hugging Face Accelerate: one process by default, several under `accelerate launch`. A run lives in its folder
(`recipe.json`, `environment.json`, `metrics.jsonl`, `checkpoint.pt`, TensorBoard files); the same command continues it
exactly where it stopped.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from tqdm import tqdm

from vos_kd.checkpoint import fill, find_weights, read_weights
from vos_kd.data.clips import ClipBatch
from vos_kd.distill.adaptive_lr import PLAIN, AdaptiveRate
from vos_kd.distill.ema import Ema
from vos_kd.distill.task import OnlineDistillation
from vos_kd.errors import InputError
from vos_kd.files import atomic_write
from vos_kd.modeling.pretrained import load_backbone
from vos_kd.modeling.registry import get_config
from vos_kd.modeling.stm import STM
from vos_kd.recipes import Recipe, get_recipe
from vos_kd.runtime import environment
from vos_kd.training.checkpoints import load_checkpoint, save_checkpoint
from vos_kd.training.feeds import build_feed, validation_batches
from vos_kd.training.metrics import Meter
from vos_kd.training.optim import build_optimizer, clip_gradients, rate_at, set_rates
from vos_kd.training.run_log import RunLog
from vos_kd.training.stopping import Stop
from vos_kd.training.validation import contact_sheet, validate

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done or stopped by the time limit, 2 for bad input, 130 for Ctrl-C."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        if args.anneal and args.time_limit is None:
            raise InputError("--anneal needs an end; give --time-limit SECONDS with it.")
        recipe = get_recipe(args.recipe, args.set)
        finished = train(recipe, args.out or Path("runs") / recipe.name, time_limit=args.time_limit, anneal=args.anneal)
    except InputError as error:
        log.error("vos_kd.train: error: %s", error)
        return 2
    except KeyboardInterrupt as interrupt:
        log.info("interrupted; %s, the same command continues", interrupt or "the last checkpoint stays")
        return 130
    log.info("finished" if finished else "stopped by the time limit; the same command continues")
    return 0


def train(recipe: Recipe, out: Path, time_limit: float | None = None, anneal: bool = False) -> bool:
    """Train, or continue training, in folder `out`.

    Args:
        recipe: what to do.
        out: the run's folder.
        time_limit: seconds after which the run saves everything and stops.
        anneal: bring the learning rate down by that time, however many steps fit into it. Such a run ends there: no
            second one repeats its steps, and to continue it starts from a high rate again.

    Returns:
        Whether all steps are done.

    Raises:
        KeyboardInterrupt: Ctrl-C; everything up to the last step is saved.
        InputError: unusable data, another recipe's run in `out`, no room on disk, or too many non-finite steps.
    """
    with Stop(time_limit) as stop:
        return _train(recipe, out, stop, anneal)


def _train(recipe: Recipe, out: Path, stop: Stop, anneal: bool) -> bool:
    accelerator = Accelerator(mixed_precision=recipe.precision)
    set_seed(recipe.seed)
    state = load_checkpoint(out / "checkpoint.pt")
    if state is not None:
        _require_same_recipe(recipe, out)

    task = build_task(recipe)
    optimizer = build_optimizer(task, recipe.optim)
    ema = Ema(task, recipe.optim.ema)
    adaptive = AdaptiveRate(recipe.distill.rates)
    step = 0 if state is None else state.restore(task, optimizer, ema, adaptive)
    task.to(accelerator.device)
    ema.to(accelerator.device)
    if recipe.compile:
        for network in filter(None, (task.student, task.teacher)):
            network.backbone.compile()  # the only part whose shapes stay: the number of objects changes by batch
    model, optimizer = accelerator.prepare(task, optimizer)
    held_out = validation_batches(recipe)  # first: data too little to hold any out shows before all of it is loaded
    feed = build_feed(recipe, accelerator, start=step)
    run_log = None
    if accelerator.is_main_process:  # not before: a recipe whose data cannot be used leaves nothing behind
        atomic_write(out / "recipe.json", recipe.to_json())
        atomic_write(out / "environment.json", json.dumps(environment(), indent=1))
        run_log = RunLog(out, step)
    if step:
        log.info("continuing at step %d", step)

    meter = Meter()
    rates = adaptive.rates() if recipe.distill.adaptive_rate else PLAIN
    buffers = list(task.buffers())
    before = [buffer.clone() for buffer in buffers]
    bad_steps = 0
    total = recipe.optim.steps
    bar = tqdm(total=total, initial=step, unit="step", disable=not accelerator.is_main_process, mininterval=5)
    with bar, run_log or nullcontext():
        while step < total and not _is_over(stop, accelerator):
            with meter.waiting():
                clip = next(feed)
            _training_mode(task, recipe)
            torch._foreach_copy_(before, buffers)
            time_share = _time_share(stop, accelerator) if anneal else 0.0
            set_rates(optimizer, rate_at(step, recipe.optim, time_share), rates)
            with accelerator.autocast():
                losses = model(clip, progress=max(step / total, time_share), distillation=rates.distillation)
            optimizer.zero_grad(set_to_none=True)
            accelerator.backward(losses["loss"])
            norms = clip_gradients(optimizer, recipe.optim.clip_norm, accelerator)
            step += 1
            if all(torch.isfinite(norm) for norm in norms.values()):
                bad_steps = 0
                optimizer.step()
                ema.update(task)
                if recipe.distill.adaptive_rate and "teacher" in losses:
                    # Of all processes together: with rates of their own they would train different networks.
                    both = torch.stack([losses["teacher"], losses["student"]]).detach()
                    rates = adaptive.update(*accelerator.reduce(both, "mean").tolist())
                meter.add(losses, norms)
            else:
                bad_steps += 1
                meter.skipped += 1
                torch._foreach_copy_(buffers, before)  # running statistics have seen what was not finite
                _after_bad_step(bad_steps, recipe, step, clip, out)
            bar.update()
            if run_log is None:
                continue
            if step % recipe.log_every == 0 or step == total:
                row = {"step": step, **meter.take(recipe.data.batch_size), **_named(rates)}
                run_log.add(row)
                bar.set_postfix_str(f"loss {row.get('loss', float('nan')):.3f}")
            if step % recipe.validate_every == 0 or step == total:
                _validate(step, task, ema, held_out, accelerator, run_log, out)
                meter.reset()
            if step % recipe.save_every == 0 and step < total:
                save_checkpoint(out / "checkpoint.pt", step, task, optimizer, ema, adaptive)
        if run_log is not None:
            save_checkpoint(out / "checkpoint.pt", step, task, optimizer, ema, adaptive)
            if anneal and not stop.is_interrupted and step < total and step % recipe.validate_every:
                # Time has ended the run, at a step that no interval hits: these are the weights that it was for.
                _validate(step, task, ema, held_out, accelerator, run_log, out)
        if stop.is_interrupted:
            raise KeyboardInterrupt(f"everything up to step {step} is saved")
    return step >= total


def build_task(recipe: Recipe) -> OnlineDistillation:
    """Networks and train-time parts of a recipe, filled from the files that it names.

    Raises:
        InputError: a network that is not trainable here, a file that does not fit, or an encoder that would stay as
            random as it was built.
    """
    student = _network(recipe.student, recipe.seed)
    teacher = None if recipe.distill.teacher_mode == "none" else _network(recipe.teacher, recipe.seed)
    for role, network, encoder, whole, setting in (
        ("student", student, recipe.student_encoder, recipe.student_weights, "encoder_lr_scale"),
        ("teacher", teacher, recipe.teacher_encoder, recipe.teacher_weights, "teacher_encoder_lr_scale"),
    ):
        if network is None:
            continue
        if encoder is not None:
            load_backbone(network.backbone, Path(encoder))
        if whole is not None:
            path = find_weights(whole)
            fill(network, read_weights(path)[1], path)
        if getattr(recipe.optim, setting) == 0:
            if encoder is None and whole is None:
                raise InputError(
                    f"the {role}'s image encoder is frozen (optim.{setting}=0) but would be random; give "
                    f"--set {role}_encoder=FILE (vos_kd/modeling/pretrained.py says where from) or "
                    f"{role}_weights={role}."
                )
            network.backbone.requires_grad_(False)
    student_top_k, teacher_top_k = (get_config(name).memory.top_k for name in (recipe.student, recipe.teacher))
    task = OnlineDistillation(student, teacher, recipe.distill, student_top_k, teacher_top_k)
    return task.to(memory_format=torch.channels_last)


def _network(name: str, seed: int) -> STM:
    torch.manual_seed(seed)  # for each anew: what one network draws shall not change where the other begins
    config = get_config(name)
    if config.architecture != "stm":
        raise InputError(f"{name!r} cannot be trained here; expected one of this project's own networks.")
    return STM(config.network)


def _training_mode(task: OnlineDistillation, recipe: Recipe) -> None:
    """Training mode, but for norms whose published statistics beat those of small batches: of loaded image encoders."""
    task.train()
    for network, files in (
        (task.student, (recipe.student_encoder, recipe.student_weights)),
        (task.teacher, (recipe.teacher_encoder, recipe.teacher_weights)),
    ):
        if network is not None and any(files):
            is_whole = recipe.optim.fixed_norms and files[1] is not None
            for module in (network if is_whole else network.backbone).modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
    if task.teacher is not None and task.config.teacher_mode == "frozen":
        task.teacher.eval()


def _is_over(stop: Stop, accelerator: Accelerator) -> bool:
    """Whether any process is to stop: one that left the others behind would keep them waiting for ever."""
    if accelerator.num_processes == 1:
        return stop.is_due()
    votes = torch.tensor(float(stop.is_due()), device=accelerator.device)
    return bool(accelerator.reduce(votes, "sum") > 0)


def _time_share(stop: Stop, accelerator: Accelerator) -> float:
    """Share of the time that is over, the same in all processes: with rates of their own they would drift apart."""
    if accelerator.num_processes == 1:
        return stop.time_share()
    return float(accelerator.reduce(torch.tensor(stop.time_share(), device=accelerator.device), "mean"))


def _after_bad_step(bad_steps: int, recipe: Recipe, step: int, clip: object, out: Path) -> None:
    if bad_steps < recipe.optim.max_bad_steps:
        return
    torch.save(tuple(clip), out / "bad_batch.pt")  # type: ignore[arg-type]
    raise InputError(
        f"{bad_steps} steps in a row up to step {step} had gradients that are not finite; the last batch is in "
        f"{out / 'bad_batch.pt'}. Lower optim.lr, or set precision=no."
    )


def _require_same_recipe(recipe: Recipe, out: Path) -> None:
    file = out / "recipe.json"
    if not file.is_file() or file.read_bytes() != recipe.to_json().encode():
        raise InputError(f"{out} holds a run of another recipe (see {file}); choose another --out, or delete that one.")


def _validate(
    step: int,
    task: OnlineDistillation,
    ema: Ema,
    held_out: list[ClipBatch],
    accelerator: Accelerator,
    run_log: RunLog,
    out: Path,
) -> None:
    row = {"step": step, **validate(task, ema, held_out, accelerator)}
    run_log.add(row)
    tqdm.write(json.dumps(row), file=sys.stderr)
    contact_sheet(task, ema, held_out[0], accelerator, out / "validation.png")


def _named(rates: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("rates/teacher", "rates/student", "rates/distillation"), rates, strict=True))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vos_kd.train", description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", required=True, help="smoke, cpu, gpu or davis-ytvos (vos_kd/recipes.py)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting; repeatable"
    )
    parser.add_argument("--out", type=Path, help="the run's folder; by default runs/RECIPE")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS", help="stop cleanly after so long")
    parser.add_argument(
        "--anneal", action="store_true", help="bring the learning rate down by the time limit: for hired machines"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
