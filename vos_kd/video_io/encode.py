"""Frames to videos that browsers play: H.264 in MP4, and VP9 with alpha in WebM, through PyAV (FFmpeg)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vos_kd.errors import InputError
from vos_kd.files import atomic_path

_MAX_DENOMINATOR = 1001
"""Of a frame rate: what 30000/1001 needs. Containers count time in 32-bit ticks, and a float's own fraction is wild."""


def frame_rate(fps: float | Fraction) -> Fraction:
    """Frames a second as a video keeps them.

    Raises:
        InputError: not a finite number above 1/1001.
    """
    rate = Fraction(fps).limit_denominator(_MAX_DENOMINATOR) if math.isfinite(fps) else Fraction(0)
    if rate <= 0:
        raise InputError(f"a video of {float(fps):g} frames a second; expected a finite number above 1/1001.")
    return rate


class _Writer:
    """A video that grows frame by frame and appears under its name when it is whole.

    Leaving the `with` block by an exception, or `discard`, leaves nothing behind; `close` keeps what was written.
    To keep a part after an interrupt, catch it within the block, or call `close` yourself.

    Attributes:
        frame_count: frames written so far.
    """

    _container: ClassVar[str]
    _container_options: ClassVar[dict[str, str]] = {}
    _codec: ClassVar[str]
    _codec_options: ClassVar[dict[str, str]]
    _pixel_format: ClassVar[str]
    _input_format: ClassVar[str]
    _channels: ClassVar[int]

    def __init__(self, path: Path | str, fps: float | Fraction, size: tuple[int, int] | None = None) -> None:
        """Begin a video.

        Args:
            path: where it shall lie; its folder is made.
            fps: frames a second, kept as a fraction (29.97 as 2997/100) with a denominator of at most 1001.
            size: width and height of the frames; None takes those of the first.

        Raises:
            InputError: the folder cannot be written to, or `fps` cannot be kept; see `frame_rate`.
        """
        self.path = Path(path)
        self.frame_count = 0
        self._rate = frame_rate(fps)
        self._size = size
        self._converter = VideoReformatter()
        self._output: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._file = atomic_path(self.path)
        self._partial = self._file.__enter__()
        self._is_open = True

    def write(self, image: NDArray[np.uint8]) -> None:
        """Add a frame.

        Args:
            image: uint8 `[H, W, 3]` RGB for a `VideoWriter`, `[H, W, 4]` RGBA, not premultiplied, for an `AlphaWriter`.
                Odd sides grow by one pixel, a copy of the edge, because the formats store colour for 2x2 pixels.

        Raises:
            InputError: another size than the frames before, or the disk is full; the video is gone then.
            ValueError: another shape or dtype, or the writer is closed.
        """
        if not self._is_open:
            raise ValueError(f"{self.path} is closed; expected an open writer.")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != self._channels:
            raise ValueError(f"got {image.dtype} {list(image.shape)}; expected uint8 [H, W, {self._channels}].")
        height, width, _ = image.shape
        self._size = self._size or (width, height)
        if (width, height) != self._size:
            raise InputError(
                f"{self.path}: frame {self.frame_count} is {width}x{height}, expected {self._size[0]}x{self._size[1]}. "
                "Scale all frames to one size."
            )
        padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        with self._giving_up_on_error():
            output, stream = self._encoder(padded.shape[1], padded.shape[0])
            output.mux(stream.encode(self._frame(padded)))
        self.frame_count += 1

    def close(self) -> None:
        """Finish the video and give it its name. To close twice does nothing.

        Raises:
            InputError: no frame was written, so there is no file; or the disk is full.
        """
        if not self._is_open:
            return
        if self._output is None or self._stream is None:
            self.discard()
            raise InputError(f"{self.path}: no frame to write, so no video was made; expected at least one.")
        with self._giving_up_on_error():
            self._output.mux(self._stream.encode(None))
            self._output.close()
        self._is_open = False
        self._file.__exit__(None, None, None)

    def discard(self) -> None:
        """Leave nothing behind. A finished video stays."""
        if self._is_open:
            self._give_up(ValueError("discarded"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def _encoder(self, width: int, height: int) -> tuple[OutputContainer, VideoStream]:
        if self._output is None or self._stream is None:
            self._output = av.open(
                str(self._partial), "w", format=self._container, container_options=self._container_options
            )
            stream = self._output.add_stream(self._codec, self._rate, options=dict(self._codec_options))
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, self._pixel_format
            # Untagged, each player guesses by the frame's size, and colours shift.
            stream.codec_context.colorspace = Colorspace.ITU709
            stream.codec_context.color_range = ColorRange.MPEG
            stream.codec_context.color_primaries = ColorPrimaries.BT709
            stream.codec_context.color_trc = ColorTrc.BT709
            self._stream = stream
        return self._output, self._stream

    def _frame(self, image: NDArray[np.uint8]) -> VideoFrame:
        frame = VideoFrame.from_ndarray(image, format=self._input_format)
        frame.pts = self.frame_count
        # One thread, for the reason given in `decode`; the encoder has its own.
        return self._converter.reformat(
            frame,
            format=self._pixel_format,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    @contextmanager
    def _giving_up_on_error(self) -> Iterator[None]:
        try:
            yield
        except av.FFmpegError as error:
            # Not all of FFmpeg's errors are OSErrors, which is what atomic_path explains.
            self._give_up(OSError(error.errno, error.strerror))

    def _give_up(self, error: Exception) -> None:
        """Close and remove the file; an OSError comes out as atomic_path's InputError."""
        self._is_open = False
        if self._output is not None:
            with suppress(av.FFmpegError):  # of a file that goes anyway
                self._output.close()
        self._file.__exit__(type(error), error, error.__traceback__)


class VideoWriter(_Writer):
    """H.264 in MP4, as every browser and phone plays it. Frames are RGB."""

    _container = "mp4"
    # The index goes first, so that a browser plays before it has loaded all.
    _container_options: ClassVar = {"movflags": "+faststart"}
    _codec = "libx264"
    _codec_options: ClassVar = {"preset": "veryfast", "crf": "23"}
    _pixel_format = "yuv420p"
    _input_format = "rgb24"
    _channels = 3


class AlphaWriter(_Writer):
    """VP9 with transparency in WebM, as Chromium and Firefox play it over a page. Frames are RGBA."""

    _container = "webm"
    _codec = "libvpx-vp9"
    # Alpha allows no alternate reference frames. "realtime" is four times as fast as "good" and twice the size; its
    # alpha is off by 0.03 of 255 on average. A bit rate of 0 lets crf alone decide.
    _codec_options: ClassVar = {
        "auto-alt-ref": "0",
        "deadline": "realtime",
        "cpu-used": "5",
        "row-mt": "1",
        "crf": "30",
        "b": "0",
    }
    _pixel_format = "yuva420p"
    _input_format = "rgba"
    _channels = 4
