"""The questions that the page asks, one method each: plain values in and out, `InputError` for what cannot be done.

Questions come from a browser; nothing in them is trusted.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vos_kd.data.masks import read_mask, write_mask
from vos_kd.demo import outcome, prompting, takeaways
from vos_kd.demo.engine import Engine, Job
from vos_kd.demo.estimate import Estimates
from vos_kd.demo.examples import Examples, card_picture
from vos_kd.demo.limits import Limits
from vos_kd.demo.running import Plan
from vos_kd.demo.runs import Run, RunModel, megapixels, start_work
from vos_kd.demo.session import Session, Sessions
from vos_kd.demo.upload import LoadedClip, load_clip, named, shown_name, take_upload
from vos_kd.demo.warming import warm_up_work
from vos_kd.errors import InputError
from vos_kd.prompts import PromptHistory, Segmenter, render
from vos_kd.prompts.grabcut import grabcut
from vos_kd.takeaway import Truth, check_objects

Question = Mapping[str, Any]
Answer = dict[str, Any]

_POLL_SECONDS = 0.15
_TOLD_SECONDS = 0.5
"""Between two messages in which nothing but numbers changed."""


class Desk:
    """Answers visitors. One for the server; what is a visitor's own is in his `Session`."""

    def __init__(
        self,
        run_model: RunModel,
        models: Mapping[str, dict[str, Any]],
        *,
        limits: Limits,
        uploads: Path,
        examples: Examples,
        segmenter: Segmenter = grabcut,
    ) -> None:
        self.limits = limits
        self.sessions = Sessions(limits)
        self.engine = Engine(limits.max_waiting)
        self.estimates = Estimates()
        self.models = models
        """Name -> what is known of it."""
        self.examples = examples
        self._run_model = run_model
        self.uploads = uploads
        """Where gradio puts what was sent."""
        self._segmenter = segmenter
        self._questions: Mapping[str, Callable[[Session, Question], Answer]] = {
            "hello": self.hello,
            "check": self.check,
            "open": self.open,
            "card": self.card,
            "example": self.example,
            "frame": self.frame,
            "edit": self.edit,
            "mask": self.mask,
            "truth": self.truth,
            "plan": self.plan,
            "correct": self.correct,
            "stop": self.stop,
            "make": self.make,
            "leave_clip": self.leave_clip,
        }

    def answer(self, key: str, question: Question) -> Answer:
        """Answer a visitor's question.

        Args:
            key: of the visitor's page.
            question: `ask` and what belongs to it.

        Raises:
            InputError: it cannot be done; the text is for the visitor.
        """
        ask = question.get("ask") if isinstance(question, Mapping) else None
        if not isinstance(ask, str) or ask not in self._questions:
            raise InputError("the page asked for what this server does not know. Reload the page.")
        session = self.sessions.get(key)
        with session.lock:
            return self._questions[ask](session, _Asked(question))

    def warm_up(self) -> None:
        """Load the first two models and measure them, in the background, so that the first visitor need not wait."""
        first = list(self.models)[:2]
        work = warm_up_work(first, self._run_model, self.estimates, self.models, self.limits, self.sessions.root)
        self.engine.submit(Job(work))

    def hello(self, session: Session, question: Question) -> Answer:
        """What the page needs to begin."""
        return {"limits": self.limits.told(), "models": dict(self.models), "examples": self.examples.told()}

    def check(self, session: Session, question: Question) -> Answer:
        """Whether a file may be sent at all."""
        self.limits.check_upload(shown_name(question["name"]), int(question["size"]))
        return {}

    def open(self, session: Session, question: Question) -> Answer:
        """An upload as the clip."""
        source = take_upload(question["path"], self.uploads)
        with session.new_folder("clip") as folder:
            clip = load_clip(source, question["name"], folder, self.limits)
            return self._begin(session, clip, folder, PromptHistory())

    def example(self, session: Session, question: Question) -> Answer:
        """A bundled clip, with its first mask and its truth."""
        clip, first = self.examples.load(question["name"], self.limits)
        history = prompting.with_mask(PromptHistory(), 0, first)
        for object_id, name in enumerate(self.examples.object_names(question["name"]), 1):
            history = history.rename(object_id, name)
        history = PromptHistory((history.steps[history.present],))  # nothing of this is the visitor's to undo
        with session.new_folder("example") as folder:
            return self._begin(session, clip, folder, history) | {"example": question["name"]}

    def card(self, session: Session, question: Question) -> Answer:
        """The picture of an example's card."""
        return {"name": question["name"], "picture": card_picture(str(question["name"]))}

    def leave_clip(self, session: Session, question: Question) -> Answer:
        """Back to the choice of a clip."""
        session.forget_clip()
        return {}

    def frame(self, session: Session, question: Question) -> Answer:
        """A frame to mark, and what is marked there."""
        clip = _clip(session)
        index = clip.index(question["frame"])
        return self._shown(session, question, index, clip.frame(index))

    def edit(self, session: Session, question: Question) -> Answer:
        """A step of marking."""
        return self._mark(session, question, prompting.edit(session.history, question))

    def mask(self, session: Session, question: Question) -> Answer:
        """An uploaded mask for the frame that is shown."""
        name = shown_name(question["name"])
        source = take_upload(question["path"], self.uploads)
        clip = _clip(session)
        try:
            mask = prompting.read_mask_for(source, name, clip.info)
        finally:
            source.unlink()
        history = prompting.with_mask(session.history, clip.index(question["frame"]), mask)
        return self._mark(session, question, history)

    def truth(self, session: Session, question: Question) -> Answer:
        """A zip of truth masks for the clip."""
        clip = _clip(session)
        name = shown_name(question["name"])
        source = take_upload(question["path"], self.uploads)
        with session.new_folder("truth", session.clip_folder) as folder:
            path = folder / "truth.zip"
            shutil.move(source, path)
            with named(path, name), Truth(path, clip.info, clip.frame_count) as truth:
                check_objects(truth, session.history.object_ids)
        session.take_truth(clip, path)
        return {"has_truth": True}

    def plan(self, session: Session, question: Question) -> Answer:
        """What a run would do."""
        return self._plan_answer(session, question)

    def correct(self, session: Session, question: Question) -> Answer:
        """Begin a correction: what a model found in a frame becomes the mask to mend there."""
        clip, run = _clip(session), _last_run(session)
        index = clip.index(question["frame"])
        path = run.plan.mask_path(_model(question["model"], run.plan.models), index)
        if not path.is_file():
            raise InputError(f"frame {index} was not segmented in the last run. Choose one that was.")
        mask = read_mask(path)
        if mask.any():
            session.history = prompting.with_mask(session.history, index, mask)
        return self.frame(session, question)

    def stop(self, session: Session, question: Question) -> Answer:
        """End the run; what is done is kept."""
        if session.run is not None:
            session.run.job.stop()
        return {}

    def make(self, session: Session, question: Question) -> Answer:
        """A file to take away or to look at, made when it is first wanted."""
        run = _last_run(session)
        path = takeaways.make(run.plan, question["what"], question.get("model"), run.history, self.models)
        return {"path": str(path), "name": path.name}

    def run(self, key: str, question: Question) -> Iterator[Answer]:
        """Run both models; tells how far it is until it is over.

        A run whose `number` came before is told of, not run again: the page asks anew when it hears nothing.

        Raises:
            InputError: there is nothing to run, the line is too long, or the run failed.
        """
        session = self.sessions.get(key)
        with session.lock:
            number = question.get("number")
            run = session.run
            if run is None or number is None or run.number != number:
                run = self._begin_run(session, question, number)
        yield from self._tell(session, run.plan, run.job, question.get("address"))

    def _begin_run(self, session: Session, question: Question, number: object) -> Run:
        if session.run is not None and not session.run.job.done.is_set():
            raise InputError("a run of yours is going on. Stop it, or wait for its end.")
        clip = _clip(session)
        with session.new_folder("run", session.clip_folder) as folder:
            plan = self._make_plan(session, clip, question, folder)
            seconds = sum(self._expected(plan).values())
            job = Job(start_work(plan, self._run_model, self.estimates, self.models), seconds)
            run = Run(plan, job, session.history, number)
            session.begin_run(run, self.engine.submit)
        return run

    def _tell(self, session: Session, plan: Plan, job: Job, address: object) -> Iterator[Answer]:
        told: tuple[int, ...] = ()
        told_at = 0.0
        try:
            while not job.done.wait(_POLL_SECONDS):
                progress = job.progress
                state = (self.engine.position(job), *(model.picture_number for model in progress.models))
                now = time.monotonic()
                if state != told or now - told_at > _TOLD_SECONDS:
                    told, told_at = state, now
                    yield outcome.progress_view(
                        progress, position=state[0], seconds_before=self.engine.seconds_before(job)
                    )
        except GeneratorExit:  # the page is gone
            job.stop()
            raise
        if job.error is not None:
            raise InputError(job.error)
        if not any(model.done for model in job.progress.models):
            yield {"phase": "idle"}  # stopped before its first frame
            return
        with session.lock:
            result = outcome.result_view(
                plan, job.progress, job.is_stopped, {k: dict(v) for k, v in self.models.items()}
            )
            yield result | takeaways.told(plan, self.models, address)

    def _begin(self, session: Session, clip: LoadedClip, folder: Path, history: PromptHistory) -> Answer:
        image = clip.frame(0)  # what cannot be shown does not take the place of the clip before
        session.begin(clip, folder, history, end=min(clip.frame_count, self.limits.max_run_frames))
        info = clip.info
        told = {"name": clip.name, "width": info.width, "height": info.height, "fps": round(info.fps, 3)}
        told |= {"frames": clip.frame_count, "seconds": round(clip.frame_count / info.fps, 2)}
        answer = self._shown(session, {}, 0, image)
        return answer | {"clip": told | {"has_truth": clip.truth is not None, "end": session.end}}

    def _shown(self, session: Session, question: Question, index: int, image: np.ndarray) -> Answer:
        view = prompting.mask_view(image, session.history, index, self._segmenter)
        return {"frame": prompting.frame_view(image), "marks": view} | self._plan_answer(session, question)

    def _mark(self, session: Session, question: Question, history: PromptHistory) -> Answer:
        """Take a new history over, if the mask that it makes can be shown."""
        clip = _clip(session)
        index = clip.index(question["frame"])
        view = prompting.mask_view(clip.frame(index), history, index, self._segmenter)
        session.history = history
        return {"marks": view} | self._plan_answer(session, question)

    def _make_plan(self, session: Session, clip: LoadedClip, question: Question, folder: Path) -> Plan:
        start, end, models = self._choices(session, clip, question)
        if start is None:
            if session.history.frames:
                first = min(session.history.frames)
                raise InputError(
                    f"the first mark is in frame {first}, behind the part to run. Stop after a later frame."
                )
            raise InputError("nothing is marked yet. Draw a box around an object, click on it or paint it, then run.")
        masks, ids = {}, set()
        for index in session.history.frames:
            if start <= index < end:
                mask = render(clip.frame(index), session.history.at(index), self._segmenter)
                if not mask.any():
                    raise InputError(f"what is marked in frame {index} makes no mask. Mark more of the object there.")
                masks[index] = folder / f"mask-{index:05d}.png"
                write_mask(masks[index], mask)
                ids |= {int(i) for i in set(mask.ravel().tolist()) - {0}}
        return Plan(clip, start, end, masks, tuple(sorted(ids)), models, folder, self.limits.short_side)

    def _choices(
        self, session: Session, clip: LoadedClip, question: Question
    ) -> tuple[int | None, int, tuple[str, ...]]:
        """First frame (None where nothing is marked), the frame to stop before, and models."""
        asked_end = question.get("end", session.end)
        end = clip.index(asked_end - 1 if isinstance(asked_end, int) else asked_end) + 1
        session.end = end
        start = min((index for index in session.history.frames if index < end), default=None)
        if start is not None:
            end = min(end, start + self.limits.max_run_frames)
        asked = question.get("models", list(self.models)[:2])
        if not isinstance(asked, list) or not 1 <= len(asked) <= 2 or asked[0] in asked[1:]:
            raise InputError("expected one model, or two different ones. Choose others.")
        return start, end, tuple(_model(name, list(self.models)) for name in asked)

    def _plan_answer(self, session: Session, question: Question) -> Answer:
        clip = _clip(session)
        start, end, models = self._choices(session, clip, question)
        first = 0 if start is None else start
        draft = Plan(
            clip,
            first,
            max(end, first + 1),
            {},
            tuple(session.history.object_ids),
            models,
            session.folder,
            self.limits.short_side,
        )
        return {
            "plan": {
                "start": start,
                "first_mark": min(session.history.frames, default=None),
                "end": end,
                "asked_end": session.end,
                "frames": draft.frames,
                "of": clip.frame_count,
                "max_run_frames": self.limits.max_run_frames,
                "scaled": min(clip.info.width, clip.info.height) > self.limits.short_side,
                "seconds": {name: round(value, 1) for name, value in self._expected(draft).items()},
            }
        }

    def _expected(self, plan: Plan) -> Mapping[str, float]:
        return self.estimates.seconds(plan.models, plan.frames, megapixels(plan), len(plan.object_ids))


class _Asked(dict[str, Any]):
    """A question; what it lacks is the browser's fault, unlike any other missing key."""

    def __missing__(self, name: str) -> Any:
        raise InputError(f"the page asked to {self['ask']} without {name!r}. Reload the page.")


def _clip(session: Session) -> LoadedClip:
    if session.clip is None:
        raise InputError(
            "there is no clip any more: after an hour without a sign of life, or when the connection was lost for some "
            "minutes, clips are deleted. Choose it again."
        )
    return session.clip


def _last_run(session: Session) -> Run:
    if session.run is None or not session.run.job.done.is_set():
        raise InputError("there is no finished run. Run the models first.")
    return session.run


def _model(name: object, known: Sequence[str]) -> str:
    if not isinstance(name, str) or name not in known:
        raise InputError(f"there is no model {str(name)[:40]!r} here; there are {', '.join(known)}.")
    return name
