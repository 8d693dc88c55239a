"""Example clips with the truth of every frame, drawn when they are asked for.

The page lists `list_examples()` as cards (title, challenge, alt text), gives the files of `render_example`
to the player and to the models, shows `truth/00000.png` as the prompt, and scores the results against the truth folder
while they come (`vos_kd.takeaway.scores`). A folder that outlives the process serves as cache; the first call takes
about two seconds a clip, later ones none. `poster(name)` is the first frame alone, for a card.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vos_kd.errors import InputError

FRAMES, HEIGHT, WIDTH, FPS = 60, 480, 854, 24


@dataclass(frozen=True)
class Example:
    """A clip to try models on."""

    name: str
    """Of its scene, and of its file."""
    title: str
    challenge: str
    """What is hard about it, in a line."""
    alt: str
    """What is seen, for those who cannot see it."""
    objects: tuple[str, ...]
    """Names of the objects, in the order of their ids from 1."""


class ExampleFiles(NamedTuple):
    """An example on disk."""

    clip: Path
    """H.264 video, 854x480, 24 frames a second."""
    truth: Path
    """Folder of a palette PNG for each frame: 00000.png, 00001.png, ..."""


_EXAMPLES = (
    Example(
        "kites",
        "Kites in the wind",
        "Two kites cross, a third leaves the frame and comes back; thin tails flutter.",
        "Three kites before a blue sky with clouds: a red and yellow diamond, a green delta, a purple star.",
        ("diamond kite", "delta kite", "star kite"),
    ),
    Example(
        "fish",
        "Fish behind seaweed",
        "Bodies bend, fish pass in front of each other and behind thin, waving seaweed.",
        "Three tropical fish, blue, orange and yellow, swim past seaweed over a sandy floor.",
        ("blue tang", "clownfish", "snapper"),
    ),
    Example(
        "twins",
        "Twin ladybirds",
        "Two objects that look the same; one walks over the other, and they must not be swapped.",
        "Two red ladybirds with black spots walk towards each other on a green leaf.",
        ("left ladybird", "right ladybird"),
    ),
    Example(
        "passing",
        "Balls behind a birch",
        "Both balls roll behind a trunk and are almost hidden; one has the trunk's white in it.",
        "A basketball and a beach ball roll over a meadow, past the trunk of a birch.",
        ("basketball", "beach ball"),
    ),
    Example(
        "zoom",
        "Balloons at dawn",
        "One balloon grows fourfold, one shrinks, the third hides behind it; ropes are a pixel thin.",
        "Three striped hot-air balloons, red, blue and green, over hills in the morning light.",
        ("red balloon", "blue balloon", "green balloon"),
    ),
)


def list_examples() -> tuple[Example, ...]:
    """All examples, the easiest to understand first."""
    return _EXAMPLES


def find_example(name: str) -> Example:
    """The example of a name.

    Raises:
        InputError: there is none.
    """
    for example in _EXAMPLES:
        if example.name == name:
            return example
    raise InputError(f"there is no example {str(name)[:40]!r}; there are {', '.join(e.name for e in _EXAMPLES)}.")


def poster(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The first frame of an example, RGB uint8 `[H, W, 3]`, and its mask, uint8 `[H, W]`.

    Raises:
        InputError: no such example.
    """
    from vos_kd.data.synthetic import render_frames

    return next(render_frames(find_example(name).name, FRAMES, HEIGHT, WIDTH))


def render_example(name: str, folder: Path) -> ExampleFiles:
    """Write an example into a folder, or find it there.

    It appears whole or not at all, so that several visitors may ask for it at once; the first one to finish wins.

    Args:
        name: of the example.
        folder: of all examples; made where it is missing. An example drawn by other code than today's is not taken.

    Raises:
        InputError: no such example, or the folder cannot be written to.
    """
    example = find_example(name)
    place = Path(folder) / f"{name}-{_code_version()}"
    files = ExampleFiles(place / f"{name}.mp4", place / "truth")
    if place.is_dir():
        return files
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=place.parent))
    except OSError as error:
        raise InputError(f"cannot write the example to {folder}: {error.strerror}. Choose another folder.") from error
    try:
        _write(example, partial)
        partial.chmod(0o755)  # mkdtemp makes it private
        _take_place(partial, place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return files


def _write(example: Example, folder: Path) -> None:
    # Here, because they load OpenCV and FFmpeg, and to list examples needs neither.
    from vos_kd.data.masks import write_mask
    from vos_kd.data.synthetic import render_frames
    from vos_kd.video_io import VideoWriter

    with VideoWriter(folder / f"{example.name}.mp4", FPS) as video:
        for number, (image, mask) in enumerate(render_frames(example.name, FRAMES, HEIGHT, WIDTH)):
            video.write(image)
            write_mask(folder / "truth" / f"{number:05}.png", mask)


def _take_place(partial: Path, place: Path) -> None:
    """Give a finished folder its name, unless another one has it by now."""
    try:
        os.rename(partial, place)  # noqa: PTH104 - Path.rename says the same
    except OSError as error:
        if not place.is_dir():
            raise InputError(f"cannot write the example to {place}: {error.strerror}.") from error


@cache
def _code_version() -> str:
    """Changes whenever what draws the examples does."""
    digest = hashlib.sha256(f"{FRAMES} {HEIGHT} {WIDTH} {FPS}".encode())
    for file in sorted((Path(__file__).parent / "data" / "synthetic").glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:10]
