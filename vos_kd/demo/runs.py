"""Runs as jobs: all models of a plan, one after the other, with what the page is told on the way.

One after the other, so that each has the machine for itself and its times are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from vos_kd.demo.engine import Job, Work
from vos_kd.demo.estimate import Estimates
from vos_kd.demo.progress import ModelProgress
from vos_kd.demo.running import Plan, Report
from vos_kd.prompts import PromptHistory

RunModel = Callable[[Plan, str], Generator[Report, None, None]]
"""Plan and model to reports; see `running.follow`."""


@dataclass(frozen=True)
class Run:
    """A plan and the job that does it."""

    plan: Plan
    job: Job
    history: PromptHistory
    """The prompts that the plan's masks were made of."""
    number: object = None
    """What the page calls it."""


def start_work(plan: Plan, run_model: RunModel, estimates: Estimates, facts: Mapping[str, dict[str, Any]]) -> Work:
    """The work of a job that does a plan.

    Args:
        plan: what to do.
        run_model: does it for one model.
        estimates: learns from it.
        facts: model -> what is known of it; learns from it, too.
    """

    def work(job: Job) -> None:
        job.progress.models = [ModelProgress(name, plan.frames) for name in plan.models]
        for model in job.progress.models:
            if job.is_stopped:
                break
            job.progress.phase = "loading"
            for report in run_model(plan, model.label):
                job.progress.phase = "running"
                _take_in(model, report)
                facts[model.label].update(report.facts or {})
                job.progress.warnings += [text for text in report.warnings if text not in job.progress.warnings]
                if job.is_stopped:
                    plan.stop_file.touch()
            estimates.learn(model, megapixels(plan), len(plan.object_ids))
        job.progress.phase = "done"

    return work


def megapixels(plan: Plan) -> float:
    """Of a frame, as the network sees it."""
    info = plan.clip.info
    scale = min(1.0, plan.short_side / min(info.width, info.height))
    return info.width * info.height * scale**2 / 1e6


def _take_in(model: ModelProgress, report: Report) -> None:
    model.peak_mib = max(model.peak_mib, report.memory_mib)
    for written in report.written:
        model.scores.append(written.scores)
        if written.agreement is not None:
            model.agreement.append(written.agreement)
        if written.picture is not None:
            model.picture = written.picture
            model.picture_number += 1
    if report.frame_ms:
        model.network_ms.append(report.network_ms)
        model.step_ms.append(report.step_ms)
        model.frame_ms.append(report.frame_ms)  # last: it is what `done` counts
