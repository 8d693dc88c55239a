"""One door for every kind of clip: what it is is told by looking, not by its suffix."""

from __future__ import annotations

from pathlib import Path

from vos_kd.errors import InputError
from vos_kd.video_io.archive import FolderImages, ZipImages
from vos_kd.video_io.clip import Clip, ClipLimits, check_fps
from vos_kd.video_io.decode import VideoClip
from vos_kd.video_io.images import ImageClip

IMAGE_FPS = 24.0
"""The rate of images, which have none: that of DAVIS."""

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")


def open_clip(path: Path | str, limits: ClipLimits | None = None, fps: float | None = None) -> Clip:
    """Open a video (mp4, mov, webm, mkv, avi, gif), a folder of images or a zip of images (jpg, png, webp, bmp).

    Images are sorted by name as people count: 2 before 10.

    Args:
        path: where it lies.
        limits: what it may cost; None for `ClipLimits()`.
        fps: frames a second. None takes a video's own, and 24 for images.

    Returns:
        The clip, with its first frame decoded once to know its size, and no other.

    Raises:
        InputError: there is nothing, or nothing that decodes, a limit is passed, the video's own rate is missing or
            absurd and no `fps` is given, or an archive is not to be trusted.
    """
    path = Path(path)
    limits = limits or ClipLimits()
    if fps is not None:
        check_fps("fps", fps)
    if path.is_dir():
        return ImageClip(FolderImages(path, limits), fps or IMAGE_FPS, limits)
    if not path.is_file():
        problem = "is no plain file" if path.exists() else "is not there"
        raise InputError(f"{path} {problem}; expected a video, a folder of images or a zip of images.")
    if _starts_like_zip(path):
        return ImageClip(ZipImages(path, limits), fps or IMAGE_FPS, limits)
    return VideoClip(path, fps, limits)


def _starts_like_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in _ZIP_MAGIC
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}. Check its permissions.") from error
