"""Photos with object masks: folders and zips of them, read one at a time, as the material of synthetic clips.

A store holds `images/NAME.EXT` and `masks/NAME.png`. Grey masks of at most 8 bits hold one object, where they are at
least half white; all others hold object ids (0 background, 255 void), as `masks.decode_mask` reads them. Nothing is
unpacked to disk.
"""

from __future__ import annotations

import hashlib
import io
import logging
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import cv2
import numpy as np
from PIL import Image

from vos_kd.data.masks import check_header, decode_mask
from vos_kd.errors import InputError

logger = logging.getLogger(__name__)

Part = Literal["train", "validation", "all"]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
VALIDATION_SHARE = 20
"""One name in so many belongs to the validation part."""
MAX_DAMAGED_SHARE = 0.01
# No honest training photo is larger; a bomb that says so in its directory is not unpacked.
MAX_FILE_BYTES = 64 * 2**20
# zipfile: RuntimeError for encrypted entries, NotImplementedError for unknown compression; what packs an entry has
# errors of its own.
_UNREADABLE = (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error, lzma.LZMAError)


class Photo(NamedTuple):
    """A decoded photo."""

    name: str
    image: np.ndarray
    """RGB uint8 `[H, W, 3]`."""
    mask: np.ndarray
    """uint8 `[H, W]` of object ids, 0 background, 255 void."""


class DamagedPhotoError(Exception):
    """A photo or its mask cannot be decoded; the text names it."""


def is_validation(name: str) -> bool:
    """Whether a photo or clip is held out, by its name alone: stable however the data is packed or listed."""
    data = name.encode(errors="surrogateescape")  # files may be named in any bytes
    return int(hashlib.sha1(data, usedforsecurity=False).hexdigest(), 16) % VALIDATION_SHARE == 0


def in_part(name: str, part: Part) -> bool:
    """Whether a name belongs to a part; the train and the validation part are disjoint and together all."""
    return part == "all" or is_validation(name) == (part == "validation")


class PhotoStore:
    """One folder or zip of photos. Holds names only; a zip is opened again in every process that reads from it."""

    def __init__(self, path: Path, part: Part = "train", short_side: int = 384) -> None:
        """List the photos of a store.

        Args:
            path: folder or zip with `images/` and `masks/`.
            part: which photos, by name hash.
            short_side: photos with a longer short side are reduced to it in pixels when read.

        Raises:
            InputError: no such store, no photos in it, or photos without masks (named).
        """
        self.path = Path(path)
        self.short_side = short_side
        self._zip: tuple[int, zipfile.ZipFile] | None = None
        images: dict[str, str] = {}
        masks: dict[str, str] = {}
        for entry in self._entries():
            file = PurePosixPath(entry)
            if file.name.startswith("."):
                continue
            if file.parent.name == "images" and file.suffix.lower() in IMAGE_SUFFIXES:
                images[file.stem] = entry
            elif file.parent.name == "masks" and file.suffix.lower() == ".png":
                masks[file.stem] = entry
        if not images:
            raise InputError(f"{self.path} has no photos; expected images/NAME.jpg and masks/NAME.png in it.")
        bare = sorted(set(images) - set(masks))
        if bare:
            raise InputError(
                f"{self.path}: {len(bare)} of {len(images)} photos have no mask, the first {bare[0]!r}; "
                f"expected masks/{bare[0]}.png. Add the masks or remove the photos."
            )
        names = sorted(name for name in images if in_part(name, part))
        self._files = [(name, images[name], masks[name]) for name in names]

    def __len__(self) -> int:
        return len(self._files)

    @property
    def names(self) -> list[str]:
        """The photos' names without folder and suffix, sorted."""
        return [name for name, _, _ in self._files]

    def read(self, index: int) -> Photo:
        """Decode a photo and its mask.

        Raises:
            DamagedPhotoError: one of them cannot be decoded.
            InputError: their sizes differ.
        """
        name, image_entry, mask_entry = self._files[index]
        image = _decode_image(self._bytes(image_entry), f"{self.path}: {image_entry}")
        mask = _decode_photo_mask(self._bytes(mask_entry), f"{self.path}: {mask_entry}")
        if image.shape[:2] != mask.shape:
            raise InputError(
                f"{self.path}: photo {name!r} is {image.shape[1]}x{image.shape[0]} but its mask is "
                f"{mask.shape[1]}x{mask.shape[0]}; expected equal sizes. Put the mask right or remove the pair."
            )
        scale = self.short_side / min(mask.shape)
        if scale < 1:
            size = (round(mask.shape[1] * scale), round(mask.shape[0] * scale))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return Photo(name, image, mask)

    def _entries(self) -> list[str]:
        if self.path.is_dir():
            folders = (self.path / "images", self.path / "masks")
            return [f"{d.name}/{f.name}" for d in folders if d.is_dir() for f in d.iterdir() if f.is_file()]
        if not self.path.is_file():
            raise InputError(
                f"there is no photo store {self.path}; expected a folder or a zip with images/ and masks/."
            )
        return [entry.filename for entry in self._archive().infolist() if not entry.is_dir()]

    def _bytes(self, entry: str) -> bytes:
        where = f"{self.path}: {entry}"
        try:
            if self.path.is_dir():
                return (self.path / entry).read_bytes()
            archive = self._archive()
            if archive.getinfo(entry).file_size > MAX_FILE_BYTES:
                raise DamagedPhotoError(f"{where} is larger than {MAX_FILE_BYTES >> 20} MiB unpacked")
            return archive.read(entry)
        except _UNREADABLE as error:
            raise DamagedPhotoError(f"{where} cannot be read: {error}") from error

    def _archive(self) -> zipfile.ZipFile:
        # A handle shared over a fork shares its position too: two workers would read each other's bytes.
        if self._zip is None or self._zip[0] != os.getpid():
            try:
                self._zip = (os.getpid(), zipfile.ZipFile(self.path))
            except (OSError, zipfile.BadZipFile) as error:
                raise InputError(
                    f"{self.path} is not a readable zip: {error}. Expected images/ and masks/ in it."
                ) from error
        return self._zip[1]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_zip": None}  # workers that are spawned get a pickle


@dataclass
class PhotoSet:
    """Several stores as one list of photos, with how often each store is drawn from."""

    stores: Sequence[PhotoStore]
    weights: Sequence[float] | None = None
    """One for each store; None draws every photo equally often."""
    damaged: dict[int, str] = field(default_factory=dict)
    """Photos found damaged so far: index to reason."""

    def __post_init__(self) -> None:
        self._ends = np.cumsum([len(store) for store in self.stores])
        if not len(self._ends) or not self._ends[-1]:
            told = ", ".join(str(store.path) for store in self.stores) or "no stores"
            raise InputError(
                f"no photo of {told} is in the part asked for: one name in {VALIDATION_SHARE} is held out for "
                "validation, by its hash, and the others are trained on. Give more photos, or rename some."
            )
        weights = np.asarray(self.weights if self.weights is not None else [len(s) for s in self.stores], float)
        if len(weights) != len(self.stores) or (weights < 0).any():
            raise InputError(f"{len(weights)} photo weights for {len(self.stores)} stores; expected one >= 0 for each.")
        weights = weights * [len(store) > 0 for store in self.stores]
        if not weights.sum():
            raise InputError("every photo store with photos has weight 0; give one of them more.")
        self._chances = np.cumsum(weights / weights.sum())

    def __len__(self) -> int:
        return int(self._ends[-1])

    def draw(self, rng: np.random.Generator) -> int:
        """Index of a random photo: a store by weight, then any of its photos."""
        store = min(int(np.searchsorted(self._chances, rng.random(), side="right")), len(self.stores) - 1)
        return int(self._ends[store]) - 1 - int(rng.integers(len(self.stores[store])))

    def read(self, index: int) -> Photo:
        """Decode a photo; a damaged one is logged and counted once, and the next sound one stands in for it.

        The stand-in depends on the index alone, so that equal draws give equal photos whatever was read before.

        Raises:
            InputError: more than 1 % of the photos are damaged, or an image and its mask differ in size.
        """
        for candidate in range(index, index + len(self)):
            number = candidate % len(self)
            if number in self.damaged:
                continue
            store = int(np.searchsorted(self._ends, number, side="right"))
            first = int(self._ends[store]) - len(self.stores[store])
            try:
                return self.stores[store].read(number - first)
            except DamagedPhotoError as error:
                self._count_damaged(number, str(error))
        raise InputError("every photo is damaged.")  # only one photo can get here: two would be over 1 %

    def __iter__(self) -> Iterator[Photo]:
        """Every sound photo once, in order."""
        for index in range(len(self)):
            photo = self.read(index)
            if index not in self.damaged:
                yield photo

    def _count_damaged(self, number: int, reason: str) -> None:
        self.damaged[number] = reason
        logger.warning("damaged photo skipped (%d of %d so far): %s", len(self.damaged), len(self), reason)
        if len(self.damaged) > MAX_DAMAGED_SHARE * len(self):
            raise InputError(
                f"{len(self.damaged)} of {len(self)} photos are damaged, more than {MAX_DAMAGED_SHARE:.0%}; "
                f"the last: {reason}. Copy the data again or remove the damaged files."
            )


def open_photos(
    paths: Sequence[Path], part: Part = "train", weights: Sequence[float] | None = None, short_side: int = 384
) -> PhotoSet:
    """Open photo stores: each path a folder or zip of `images/` and `masks/`, or a folder of such zips.

    Args:
        paths: the stores; a folder of zips counts as one store for each zip, which share its weight by size.
        part: train, validation (one name in 20, by hash) or all.
        weights: one for each path; None draws every photo equally often.
        short_side: larger photos are reduced to it in pixels.

    Raises:
        InputError: nothing to read, photos without masks, or weights that do not fit.
    """
    if weights is not None and len(weights) != len(paths):
        raise InputError(f"{len(weights)} photo weights for {len(paths)} paths; expected one for each.")
    stores: list[PhotoStore] = []
    shares: list[float] = []
    for number, path in enumerate(map(Path, paths)):
        zips = sorted(path.glob("*.zip")) if path.is_dir() and not (path / "images").is_dir() else []
        group = [PhotoStore(p, part, short_side) for p in zips or [path]]
        stores += group
        if weights is not None:
            total = max(sum(map(len, group)), 1)
            shares += [weights[number] * len(store) / total for store in group]
    return PhotoSet(stores, shares if weights is not None else None)


def _decode_image(data: bytes, where: str) -> np.ndarray:
    # Orientation tags are ignored because masks carry none.
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:  # absurd sizes
        raise DamagedPhotoError(f"{where} cannot be decoded: {error}") from error
    if image is None:
        raise DamagedPhotoError(f"{where} cannot be decoded as an image")
    return image


def _decode_photo_mask(data: bytes, where: str) -> np.ndarray:
    try:
        check_header(data, where)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if picture.mode in ("1", "L", "RGB"):
                pixels = np.array(picture.convert("RGB"))
                if (pixels == pixels[..., :1]).all():  # grey, whatever it is stored as
                    return pixels[..., 0] // 128
        return decode_mask(data, where)
    except (OSError, ValueError, SyntaxError, zlib.error, struct.error, Image.DecompressionBombError) as error:
        raise DamagedPhotoError(f"{where} cannot be decoded as a mask: {error}") from error
