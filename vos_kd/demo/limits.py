"""What a visitor may ask for. Said on the page before, and in the message after."""

from __future__ import annotations

from dataclasses import dataclass

from vos_kd.errors import InputError
from vos_kd.prompts import MAX_OBJECTS
from vos_kd.video_io import ClipInfo, ClipLimits

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """Made for two cores; a server with a GPU may give more."""

    max_upload_mib: int = 200
    max_seconds: float = 120.0
    """Of an uploaded clip."""
    max_clip_frames: int = 3600
    max_run_frames: int = 300
    """That are segmented at once; of a longer clip, a part is chosen."""
    max_side: int = 4096
    short_side: int = 480
    """Larger frames are segmented at this size, or at a model's own where that is smaller; masks keep the clip's."""
    view_short_side: int = 720
    """Of the videos that are made to be looked at."""
    max_waiting: int = 30
    """Runs in line."""
    idle_minutes: float = 60.0
    """After which a visitor's files are deleted."""
    grace_minutes: float = 3.0
    """Likewise after the page was closed; a phone closes it when its screen goes dark."""

    def clip_limits(self) -> ClipLimits:
        """What is checked while a clip is opened."""
        return ClipLimits(
            max_side=self.max_side,
            max_pixels=self.max_side * 2304,
            max_members=self.max_clip_frames + 1000,
            max_image_bytes=64 * MEBIBYTE,
            max_unpacked_bytes=2048 * MEBIBYTE,
        )

    def check_upload(self, name: str, size: int) -> None:
        """Refuse a file before it is sent.

        Raises:
            InputError: it is empty or too large.
        """
        if size <= 0:
            raise InputError(f"{name} is empty; expected a video or a zip of images. Choose another file.")
        if size > self.max_upload_mib * MEBIBYTE:
            raise InputError(
                f"{name} has {size / MEBIBYTE:.0f} MB; at most {self.max_upload_mib} MB can be uploaded. "
                "Cut the clip, or store it smaller."
            )

    def check_clip(self, name: str, info: ClipInfo, frames: int) -> None:
        """Refuse a clip that is too short or too long.

        Raises:
            InputError: fewer than two frames, or more time or frames than there may be.
        """
        if frames < 2:
            raise InputError(
                f"{name} has one frame; at least 2 are needed to follow anything. Choose a video, or a zip of images."
            )
        seconds = frames / info.fps
        if seconds > self.max_seconds or frames > self.max_clip_frames:
            raise InputError(
                f"{name} lasts {seconds:.0f} s ({frames} frames); at most {self.max_seconds:.0f} s and "
                f"{self.max_clip_frames} frames can be loaded. Cut the clip."
            )

    def told(self) -> dict[str, object]:
        """For the page."""
        return {
            "upload_mib": self.max_upload_mib,
            "seconds": self.max_seconds,
            "run_frames": self.max_run_frames,
            "short_side": self.short_side,
            "objects": MAX_OBJECTS,
            "idle_minutes": self.idle_minutes,
        }
