"""Videos as frames, through PyAV (FFmpeg), one frame at a time.

FFmpeg tells a format by its content, and some formats are lists of other files: a text file named clip.mp4 could make
it read anything on the machine, or fetch from the network. Only formats that hold their own frames, and only plain
files, are let in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.codec import CodecContext
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from vos_kd.errors import InputError
from vos_kd.video_io.clip import Clip, ClipInfo, ClipLimits, Image, check_fps, check_size

_CONTAINER_OPTIONS = {"format_whitelist": "mov,matroska,avi,gif", "protocol_whitelist": "file"}
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class VideoClip(Clip):
    """A clip in a video file.

    Pixels are taken as stored: a pixel aspect ratio other than 1 is not undone. Where a clip cannot be decoded further
    its frames end; frames that the decoder has mended by guessing are given. `warnings` says both.
    """

    def __init__(self, path: Path, fps: float | None, limits: ClipLimits) -> None:
        try:
            with _open(path) as container:
                stream = _video_stream(container, path)
                check_size(str(path), stream.width, stream.height, limits)
                rate = check_fps(str(path), fps or float(stream.average_rate or stream.guessed_rate or 0))
                count = _announced_count(stream)
                first = next(_decoded(container, stream, limits), None)
        except av.FFmpegError as error:
            raise InputError(
                f"{path} cannot be read as a video: {error.strerror}. "
                "Expected a whole mp4, mov, webm, mkv, avi or gif, a folder of images or a zip of images."
            ) from error
        if first is None:
            raise InputError(f"{path} holds no frame that decodes; expected at least one. It may be cut off.")
        width, height = _Orientation.of(first).upright_size(first)
        super().__init__(path, ClipInfo(width, height, rate, count, "video", None), limits)

    def close(self) -> None:
        """Do nothing: each read opens the file for itself."""

    def _decode(self, start: int, end: int | None, every: int) -> Iterator[tuple[int, Image]]:
        index = -1
        end_seconds = 0.0
        # One for the whole clip, and of one thread: starting a context and its threads for each frame costs more than
        # the conversion itself, four times as much on two cores.
        converter = VideoReformatter()
        with _open(self.path) as container:
            stream = _video_stream(container, self.path)
            try:
                for index, frame in enumerate(_decoded(container, stream, self._limits)):
                    if end is not None and index >= end:
                        return
                    orientation = _Orientation.of(frame)
                    self._check_count(index + 1)
                    self._check_same_size(f"frame {index}", *orientation.upright_size(frame))
                    if frame.is_corrupt:
                        self._warn(f"frame {index} is damaged, and so may be those after it.")
                    end_seconds = _end_seconds(frame, stream, end_seconds)
                    if index >= start and (index - start) % every == 0:
                        yield index, orientation.upright(_to_rgb(frame, converter))
            except av.FFmpegError as error:
                self._warn_of_end(index + 1, stream, error.strerror or "unknown error")
            else:
                if self._is_short(index + 1, end_seconds, stream):
                    self._warn_of_end(index + 1, stream, "the file may be cut off or damaged")

    def _is_short(self, decoded: int, end_seconds: float, stream: VideoStream) -> bool:
        if self.info.frame_count is not None:
            return decoded < self.info.frame_count
        announced = _announced_seconds(stream)
        # Half a frame more than one: the last frame's own duration is often not stored.
        return announced is not None and end_seconds < announced - 1.5 / self.info.fps

    def _warn_of_end(self, decoded: int, stream: VideoStream, reason: str) -> None:
        seconds = _announced_seconds(stream)
        if self.info.frame_count is not None:
            announced = f" of {self.info.frame_count}"
        else:
            announced = f" of about {seconds * self.info.fps:.0f}" if seconds is not None else ""
        self._warn(f"the clip ends early, decoded {decoded}{announced} frames: {reason}.")


class _Orientation(NamedTuple):
    """How to turn a stored frame upright: a phone held upright stores lying frames, and a matrix to turn them by."""

    is_transposed: bool = False
    is_flipped_x: bool = False
    is_flipped_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> _Orientation:
        if "DISPLAYMATRIX" not in frame.side_data:
            return cls()
        matrix = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]  # PyAV's hints know one kind only
        # Row vectors: x' = a x + c y, y' = b x + d y, then a shift and a scale that do not matter here.
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
        if abs(b) > abs(a):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def upright_size(self, frame: VideoFrame) -> tuple[int, int]:
        return (frame.height, frame.width) if self.is_transposed else (frame.width, frame.height)

    def upright(self, image: Image) -> Image:
        if self.is_transposed:
            image = image.swapaxes(0, 1)
        image = image[:: -1 if self.is_flipped_y else 1, :: -1 if self.is_flipped_x else 1]
        return np.ascontiguousarray(image)


def _open(path: Path) -> InputContainer:
    # In an absolute path a colon is no URL's. Titles in any old encoding must not keep a clip from being read.
    return av.open(str(path.resolve()), options=_CONTAINER_OPTIONS, metadata_errors="replace")


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    stream = container.streams.best("video")  # not the cover picture
    if not isinstance(stream, VideoStream):
        raise InputError(f"{path} holds no video, only sound or text; expected a video.")
    if stream.codec_context is None:  # PyAV's hints do not know of it
        raise InputError(f"{path} is packed in a way unknown to this FFmpeg. Store it anew, as H.264 for instance.")
    return stream


def _decoded(container: InputContainer, stream: VideoStream, limits: ClipLimits) -> Iterator[VideoFrame]:
    decoder = _decoder(stream)
    # A second door behind check_size, for frames larger than their header says: FFmpeg allocates whole blocks, so up
    # to 64 pixels more on each side.
    decoder.options = {"max_pixels": str(limits.max_pixels + 128 * limits.max_side + 64 * 64)}
    for packet in container.demux(stream):
        yield from decoder.decode(packet)  # the last one is empty, and flushes the decoder


def _decoder(stream: VideoStream) -> VideoCodecContext:
    if stream.metadata.get("alpha_mode") == "1" and stream.codec_context.name in _ALPHA_DECODERS:
        # FFmpeg's own decoders of VP8 and VP9 leave the alpha out.
        decoder = CodecContext.create(_ALPHA_DECODERS[stream.codec_context.name], "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.extradata = stream.codec_context.extradata
        return decoder
    stream.thread_type = "AUTO"
    return stream.codec_context


def _to_rgb(frame: VideoFrame, converter: VideoReformatter) -> Image:
    """RGB uint8 `[H, W, 3]` of any pixel format, alpha over black."""
    has_alpha = frame.format.has_palette or any(component.is_alpha for component in frame.format.components)
    # Not rgba: FFmpeg 8 leaves the last columns of it unwritten for some widths, 18 and 66 among them.
    pixel_format = "gbrap" if has_alpha else "rgb24"
    converted = converter.reformat(frame, format=pixel_format, threads=1)
    pixels = converted.to_ndarray().astype(np.uint8, copy=False)
    if not has_alpha:
        return pixels
    # Rounded, so that 255 keeps every value.
    return ((pixels[..., :3].astype(np.uint16) * pixels[..., 3:] + 127) // 255).astype(np.uint8)


def _announced_count(stream: VideoStream) -> int | None:
    """Frames that the file announces, without those an edit list leaves out; None where it announces none."""
    tagged = stream.metadata.get("NUMBER_OF_FRAMES", "")
    count = stream.frames - sum(entry.is_discard for entry in stream.index_entries)
    return count if count > 0 else int(tagged) if re.fullmatch("[0-9]{1,9}", tagged) else None


def _announced_seconds(stream: VideoStream) -> float | None:
    """The duration tag of Matroska and WebM, which announce no frame count; None where there is none."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""), re.ASCII)
    if match is None:
        return None
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds)


def _end_seconds(frame: VideoFrame, stream: VideoStream, before: float) -> float:
    """When `frame` ends, from the clip's start; a frame without a time keeps the time before it."""
    if frame.pts is None or stream.time_base is None:
        return before
    return max(before, float((frame.pts + frame.duration - (stream.start_time or 0)) * stream.time_base))
