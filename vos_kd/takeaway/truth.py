"""The true masks of a clip, from a folder of ours or from a zip that anybody may have made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from vos_kd.data.masks import MAX_BYTES, decode_mask, object_ids, require_size
from vos_kd.errors import InputError
from vos_kd.video_io import ClipInfo, ClipLimits
from vos_kd.video_io.archive import FolderImages, ZipImages

_LIMITS = ClipLimits(max_members=10_000, max_image_bytes=MAX_BYTES, max_unpacked_bytes=2**30)


class Truth:
    """True masks by frame; not every frame needs one. A context manager; masks are read when they are asked for.

    Attributes:
        names: of the frames that have one, in their order, named as the clip names them.
        object_ids: all that are seen in any frame, ascending.
    """

    def __init__(self, path: Path, info: ClipInfo, frame_count: int | None = None) -> None:
        """Open and check all masks, before a run takes time.

        Args:
            path: a folder of PNGs, or a zip of them; named as the clip's frames are, or by their numbers from 0.
            info: of the clip.
            frame_count: of the clip, where it is known better than `info` has it.

        Raises:
            InputError: an archive that is not to be trusted, a mask that is damaged or of another size, a name that is
                no frame's, or no object in any frame.
        """
        self._source = FolderImages(path, _LIMITS) if path.is_dir() else ZipImages(path, _LIMITS)
        try:
            self._index = self._match(info, frame_count or info.frame_count)
            self._info = info
            self.names = tuple(self._index)
            self.object_ids = tuple(sorted({i for name in self.names for i in object_ids(self.mask(name))}))
            if not self.object_ids:
                raise InputError(
                    f"{path}: no true mask shows an object; expected ids from 1 to 254, or white on black."
                )
        except BaseException:
            self.close()
            raise

    def mask(self, name: str) -> np.ndarray:
        """The true mask of a frame, uint8 `[H, W]` of object ids and void.

        Raises:
            InputError: it is damaged or of another size.
        """
        index = self._index[name]
        where = f"{self._source.path}: {self._source.names[index][:100]}"
        mask = decode_mask(self._source.read(index), where)
        require_size(mask, self._info.height, self._info.width, where)
        return mask

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _match(self, info: ClipInfo, count: int | None) -> dict[str, int]:
        """Frame name -> index in the source."""
        found: dict[str, int] = {}
        for index, file in enumerate(self._source.names):
            frame = _frame_name(Path(file).stem, info.frame_names, count)
            if frame is None or frame in found:
                problem = "belongs to no frame of the clip" if frame is None else f"is a second mask of frame {frame}"
                raise InputError(
                    f"{self._source.path}: {file[:100]!r} {problem}; expected PNGs named as the clip's frames, "
                    f"{_expected(info.frame_names, count)}."
                )
            found[frame] = index
        return found


def _frame_name(stem: str, names: Sequence[str] | None, count: int | None) -> str | None:
    """The clip's name of the frame that a file belongs to; None for none."""
    if names is not None and stem in names:
        return stem
    if not (stem.isascii() and stem.isdecimal() and len(stem) < 10):
        return None
    number = int(stem)
    if names is not None:
        same = [name for name in names if name.isascii() and name.isdecimal() and int(name) == number]
        return same[0] if same else None
    return f"{number:05}" if count is None or number < count else None


def _expected(names: Sequence[str] | None, count: int | None) -> str:
    if names is not None:
        return f"{names[0]}.png to {names[-1]}.png"
    return "00000.png and so on" if count is None else f"00000.png to {count - 1:05}.png"
