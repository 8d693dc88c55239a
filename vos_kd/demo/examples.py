"""The bundled clips as cards, and as clips with their first mask and their truth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from vos_kd.data.masks import read_mask
from vos_kd.demo.limits import Limits
from vos_kd.demo.pictures import data_address, jpeg, shrink
from vos_kd.demo.upload import LoadedClip, open_loaded
from vos_kd.examples import find_example, list_examples, poster, render_example

_CARD_WIDTH = 360


class Examples:
    """Examples of the server; each is drawn when it is first wanted, for all visitors."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def told(self) -> list[dict[str, object]]:
        """Cards without their pictures, which take a moment each."""
        return [
            {"name": one.name, "title": one.title, "challenge": one.challenge, "alt": one.alt}
            for one in list_examples()
        ]

    def object_names(self, name: str) -> Sequence[str]:
        """Names of an example's objects, by id from 1."""
        return find_example(name).objects

    def load(self, name: object, limits: Limits) -> tuple[LoadedClip, np.ndarray]:
        """An example as a clip, and the mask of its first frame.

        Raises:
            InputError: there is none of that name.
        """
        example = find_example(str(name))
        files = render_example(example.name, self._folder)
        clip = open_loaded(files.clip, f"{example.name}.mp4", limits, files.truth)
        return clip, read_mask(files.truth / "00000.png")


@lru_cache(maxsize=16)
def card_picture(name: str) -> str:
    """First frame of an example, as an address."""
    image, _ = poster(name)
    return data_address(jpeg(shrink(image, _CARD_WIDTH / image.shape[1]), quality=82), "jpeg")
