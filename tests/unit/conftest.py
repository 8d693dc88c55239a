"""The page's server side without a browser, and without networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


class Visitor:
    """Asks a desk, as a page does."""

    def __init__(self, desk: Any, key: str, uploads: Path) -> None:
        self.desk = desk
        self.key = key
        self._uploads = uploads

    def ask(self, what: str, /, **question: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.desk.answer(self.key, {"ask": what} | question)
        return answer

    def send(self, what: str, data: bytes, name: str, /, **question: Any) -> dict[str, Any]:
        """Upload a file, then ask."""
        folder = self._uploads / self.key
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "upload"  # gradio's name for it
        path.write_bytes(data)
        return self.ask(what, **({"path": str(path), "name": name} | question))

    def run(self, **question: Any) -> dict[str, Any]:
        """Run the models; the last thing that is told."""
        return list(self.desk.run(self.key, question))[-1]  # type: ignore[no-any-return]


class Stubborn:
    """In place of a network: every object stays where it was."""

    def __init__(self) -> None:
        self.model = SimpleNamespace(device=SimpleNamespace(type="cpu"))
        self.mask = np.zeros((1, 1), np.uint8)

    def look(self) -> None: ...

    def memorize(self) -> None: ...

    def step(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        self.mask = self.mask if mask is None else mask
        assert self.mask.shape == image.shape[:2]
        self.look()
        self.memorize()
        return self.mask


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes desks; keyword arguments are limits."""
    from vos_kd.demo.desk import Desk
    from vos_kd.demo.examples import Examples
    from vos_kd.demo.limits import Limits
    from vos_kd.demo.running import follow

    desks = []

    def make(run_model: Any = None, **limits: Any) -> Desk:
        def stubborn(plan: Any, model: str) -> Any:
            yield from follow(plan, model, Stubborn())  # type: ignore[arg-type]

        desk = Desk(
            run_model or stubborn,
            {"student": {"role": "student"}, "teacher": {"role": "teacher"}},
            limits=Limits(**limits),
            uploads=tmp_path / "uploads",
            examples=Examples(tmp_path / "examples"),
        )
        desks.append(desk)
        return desk

    yield make
    for desk in desks:
        desk.sessions.close()


@pytest.fixture
def make_visitor(tmp_path: Path) -> Callable[..., Visitor]:
    """Makes visitors of a desk; each has a key of its own."""
    keys = iter(range(1000))
    return lambda desk: Visitor(desk, f"visitor-{next(keys)}", tmp_path / "uploads")
