"""A clip and a mask of one frame in, masks and overlay out: `python -m vos_kd.segment CLIP --mask FIRST.png`."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from vos_kd.arguments import whole
from vos_kd.artefact import BACKENDS
from vos_kd.errors import InputError
from vos_kd.process import prepare_process

if TYPE_CHECKING:
    from vos_kd.segment_request import Request

PROG = "vos-kd-segment"
EPILOG = """\
Masks are palette PNGs of object ids, as in DAVIS, or grey ones: 0 is background, 255 void; white on black is one
object. Results: DIR/MODEL/Annotations/CLIP/*.png, DIR/MODEL/overlay.mp4, DIR/manifest.json, and for several models
DIR/side_by_side.mp4. Ctrl-C stops after the frame at hand and keeps what is done.
Exit codes: 0 done; 2 bad input or no room, one line on stderr says what to do; 130 stopped by Ctrl-C."""

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments; None takes the process's own.

    Returns:
        0 when done, 2 for bad input, 130 when stopped by Ctrl-C.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = _parser().parse_args(argv)
        logging.basicConfig(level=logging.WARNING, format=f"{PROG}: %(message)s", stream=sys.stderr)
        masks = _masks(args)
        prepare_process()
        # Here, as torch takes seconds to import, and --help and slips of the pen shall not wait for it.
        from vos_kd.segment_run import run

        request = _request(args, masks)
        manifest = run(request, shlex.join([PROG, *argv]))
    except InputError as error:
        sys.stderr.write(f"{PROG}: error: {' '.join(str(error).splitlines())}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"{PROG}: interrupted; no video was finished\n")
        return 130
    for warning in manifest["warnings"]:
        log.warning("warning: %s", warning)
    try:
        sys.stdout.write(json.dumps(manifest, indent=2) + "\n" if args.json else summary(manifest, request.out))
        sys.stdout.flush()
    except OSError as error:  # a full disk or a closed pipe behind stdout; the results are in their files
        sys.stderr.write(f"{PROG}: error: cannot print the summary: {error.strerror}; all is in {request.out}\n")
        return 2
    if manifest["interrupted"]:
        sys.stderr.write(
            f"{PROG}: interrupted; {manifest['timings']['frames']} finished frames are kept in {request.out}\n"
        )
        return 130
    return 0


def summary(manifest: Mapping[str, Any], out: Path) -> str:
    """What was made, where it lies and how fast it went, to be read by people.

    Args:
        manifest: of a run that wrote its results.
        out: the run's folder.
    """
    lines = []
    for label, model in manifest["models"].items():
        timing = model["timing"]
        lines.append(
            f"{label}: {timing['frames']} frames, {timing['fps']:.1f} frames/s on {model['device']} in "
            f"{model['dtype']} (median {timing['latency_median_ms']:.0f} ms, p95 {timing['latency_p95_ms']:.0f} ms)"
        )
        lines.append(f"  masks         {out / model['annotations']}")
        if model["overlay"]:
            lines.append(f"  overlay       {out / model['overlay']}")
    if manifest["side_by_side"]:
        lines.append(f"side by side    {out / manifest['side_by_side']}")
    lines.append(f"manifest        {out / 'manifest.json'}")
    timings = manifest["timings"]
    lines.append(
        f"{timings['total_seconds']:.1f} s in all, {timings['frames'] / timings['total_seconds']:.1f} frames/s, with "
        f"decoding ({timings['decode_seconds']:.1f} s) and waiting for files ({timings['write_wait_seconds']:.1f} s)"
    )
    return "\n".join(lines) + "\n"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for any other bad input, without the usage in front of it."""
        raise InputError(f"{message}; see {PROG} --help.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROG,
        description="Follow the objects of one frame's mask through a clip.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", type=Path, metavar="CLIP", help="a video, a folder of images, or a zip of images")
    parser.add_argument("--mask", type=Path, required=True, metavar="PNG", help="the mask of the start frame")
    parser.add_argument(
        "--masks-at",
        type=_mask_at,
        action="append",
        default=[],
        metavar="FRAME=PNG",
        help="a mask at a later frame, for new objects or corrections; repeatable",
    )
    parser.add_argument(
        "--model",
        type=_names,
        default="student",
        metavar="NAME[,NAME]",
        help="registry names, weight files, or OWNER/REPO@REVISION on the hub; default %(default)s",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go; default outputs/CLIP")
    parser.add_argument("--overwrite", action="store_true", help="replace another run's results in DIR")

    which = parser.add_argument_group("which frames, counted from 0")
    which.add_argument("--start", type=whole(0), default=0, metavar="N", help="the frame of --mask; default 0")
    which.add_argument("--end", type=whole(1), metavar="N", help="the frame to stop before; default the clip's end")
    which.add_argument("--every", type=whole(1), default=1, metavar="N", help="take each Nth frame; default 1")
    which.add_argument("--fps", type=_rate, metavar="X", help="the clip's frames a second, where its own are wrong")

    how = parser.add_argument_group("how")
    how.add_argument(
        "--short-side",
        type=_side,
        metavar="PIXELS",
        help="larger frames are segmented at this size; masks keep the clip's; default the model's own, 0 for no limit",
    )
    how.add_argument("--max-side", type=_side, metavar="PIXELS", help="likewise for the longer side; default no limit")
    how.add_argument("--device", help="cpu, cuda, mps; default the best there is")
    how.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="default the fastest that fits")
    how.add_argument("--backend", choices=BACKENDS, help="what runs exported models (default the first one installed)")
    how.add_argument(
        "--threads", type=whole(1, 1024), metavar="N", help="of the network on the CPU; default torch's own"
    )

    shown = parser.add_argument_group("what is written and shown")
    shown.add_argument("--no-overlay", dest="overlay", action="store_false", help="write no videos")
    shown.add_argument("--json", action="store_true", help="print the manifest instead of a summary")
    shown.add_argument("--quiet", action="store_true", help="show no progress bar")
    return parser


def _masks(args: argparse.Namespace) -> dict[int, Path]:
    """Mask files by frame; also checks what concerns several arguments at once."""
    if args.end is not None and args.end <= args.start:
        raise InputError(f"--end {args.end} is not behind --start {args.start}; no frame lies between them.")
    masks: dict[int, Path] = {args.start: args.mask}
    for frame, path in args.masks_at:
        if frame in masks:
            raise InputError(f"--masks-at {frame}={path}: frame {frame} has a mask already, {masks[frame]}.")
        masks[frame] = path
    return masks


def _request(args: argparse.Namespace, masks: Mapping[int, Path]) -> Request:
    from vos_kd.segment_request import Request, clip_name

    return Request(
        clip=args.clip,
        masks=masks,
        models=args.model,
        out=args.out or Path("outputs") / clip_name(args.clip),
        start=args.start,
        end=args.end,
        every=args.every,
        short_side=args.short_side,
        max_side=args.max_side or None,
        fps=args.fps,
        device=args.device,
        dtype=args.dtype,
        backend=args.backend,
        threads=args.threads,
        overlay=args.overlay,
        overwrite=args.overwrite,
        quiet=args.quiet,
    )


def _side(text: str) -> int:
    pixels = whole(0)(text)
    if 0 < pixels < 16:
        raise argparse.ArgumentTypeError(f"{pixels} pixels are too few; expected 16 or more, or 0 for no limit")
    return pixels


def _rate(text: str) -> float:
    try:
        return float(text)  # its range is open_clip's to check
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} names no model; expected NAME or NAME,NAME")
    return names


def _mask_at(text: str) -> tuple[int, Path]:
    frame, is_pair, path = text.partition("=")
    if not (is_pair and frame.isdecimal() and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not FRAME=PNG, such as 40=fix.png")
    return int(frame), Path(path)


if __name__ == "__main__":
    raise SystemExit(main())
