"""All that was prompted, step by step, so that each step can be taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from vos_kd.errors import InputError
from vos_kd.prompts.kinds import MaskPrompt, PackedMask, Prompt, prompted_ids

MAX_OBJECTS = 10
"""Colours that can be told apart, and what a frame of a lightweight model takes time for."""
MAX_PROMPTS = 500
"""At one time; nobody clicks as often, and each costs time when the mask is made."""
MAX_STEPS = 200
"""That are remembered for undo; older ones are forgotten."""
MAX_NAME = 40
"""Characters of an object's name."""


@dataclass(frozen=True)
class Step:
    """What was prompted at one time."""

    prompts: tuple[Prompt, ...] = ()
    names: tuple[tuple[int, str], ...] = ()
    """Object id and name, of those that were given one."""


@dataclass(frozen=True)
class PromptHistory:
    """Prompts with undo and redo. Immutable: each method gives a new history, and both share what is equal.

    All of add, remove, clear and rename can be undone; what follows an undo replaces what could have been redone.
    """

    steps: tuple[Step, ...] = (Step(),)
    present: int = 0
    """Index of the step that holds now."""

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts that hold now, of all frames, oldest first."""
        return self.steps[self.present].prompts

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames that have a prompt, ascending."""
        return tuple(sorted({prompt.frame for prompt in self.prompts}))

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The objects that are prompted, ascending."""
        return tuple(sorted({i for prompt in self.prompts for i in prompted_ids(prompt)}))

    @property
    def names(self) -> dict[int, str]:
        """The name of each prompted object; "object 3" where none was given. They come from the user: escape them."""
        given = dict(self.steps[self.present].names)
        return {i: given.get(i, f"object {i}") for i in self.object_ids}

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self.present > 0

    @property
    def can_redo(self) -> bool:
        """Whether a step was taken back."""
        return self.present < len(self.steps) - 1

    def at(self, frame: int) -> tuple[Prompt, ...]:
        """The prompts of one frame, oldest first, for `render`."""
        return tuple(prompt for prompt in self.prompts if prompt.frame == frame)

    def add(self, prompt: Prompt) -> Self:
        """With one prompt more.

        Raises:
            InputError: too many objects or prompts.
        """
        if len(self.prompts) >= MAX_PROMPTS:
            raise InputError(f"there are {MAX_PROMPTS} prompts, the most there may be; clear some, or upload a mask.")
        check_object_count(len({*self.object_ids, *prompted_ids(prompt)}))
        return self._then(Step((*self.prompts, prompt), self.steps[self.present].names))

    def remove_object(self, object_id: int) -> Self:
        """Without all that was said of an object, in masks too and in all frames; an unknown id changes nothing."""
        if object_id not in self.object_ids:
            return self
        prompts = tuple(left for prompt in self.prompts if (left := _without(prompt, object_id)) is not None)
        return self._then(Step(prompts, tuple(pair for pair in self.steps[self.present].names if pair[0] != object_id)))

    def clear(self) -> Self:
        """Without any prompt."""
        return self._then(Step()) if self.prompts else self

    def rename(self, object_id: int, name: str) -> Self:
        """With another name for an object; an empty one gives it its number back.

        Raises:
            InputError: no such object, or a name too long or with characters that cannot be shown.
        """
        if object_id not in self.object_ids:
            raise InputError(f"there is no object {object_id} to rename; there are {list(self.object_ids) or 'none'}.")
        others = [pair for pair in self.steps[self.present].names if pair[0] != object_id]
        clean = check_name(name)
        names = tuple(sorted([*others, (object_id, clean)] if clean else others))
        return self if names == self.steps[self.present].names else self._then(Step(self.prompts, names))

    def undo(self) -> Self:
        """As before the last step; unchanged where there is none."""
        return type(self)(self.steps, max(self.present - 1, 0))

    def redo(self) -> Self:
        """As before the last undo; unchanged where there is none."""
        return type(self)(self.steps, min(self.present + 1, len(self.steps) - 1))

    def _then(self, step: Step) -> Self:
        steps = (*self.steps[: self.present + 1], step)[-MAX_STEPS:]
        return type(self)(steps, len(steps) - 1)


def check_name(name: str) -> str:
    """An object's name, trimmed.

    Raises:
        InputError: it is no text, too long, or has characters that cannot be shown.
    """
    trimmed = name.strip() if isinstance(name, str) else None
    if trimmed is None or len(trimmed) > MAX_NAME or not trimmed.isprintable():
        raise InputError(
            f"the name {str(name)[:50]!r} cannot be used; expected at most {MAX_NAME} printable characters."
        )
    return trimmed


def check_object_count(count: int) -> None:
    """Raise `InputError` for more objects than there may be; the text names the limit."""
    if count > MAX_OBJECTS:
        raise InputError(
            f"that would be {count} objects; at most {MAX_OBJECTS} can be followed at once. Delete one first."
        )


def _without(prompt: Prompt, object_id: int) -> Prompt | None:
    """A prompt as far as it speaks of other objects."""
    if not isinstance(prompt, MaskPrompt):
        return None if prompt.object_id == object_id else prompt
    mask = prompt.mask.unpack()
    mask[mask == object_id] = 0
    rest = PackedMask.pack(mask)
    return MaskPrompt(prompt.frame, rest) if set(prompted_ids(prompt)) - {object_id} else None
