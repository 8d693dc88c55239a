"""Clips in, videos out: frames one at a time from a video, a folder or a zip of images; H.264 and transparent WebM."""

from __future__ import annotations

from vos_kd.video_io.clip import Clip, ClipInfo, ClipLimits
from vos_kd.video_io.encode import AlphaWriter, VideoWriter, frame_rate
from vos_kd.video_io.opening import open_clip

__all__ = ["AlphaWriter", "Clip", "ClipInfo", "ClipLimits", "VideoWriter", "frame_rate", "open_clip"]
