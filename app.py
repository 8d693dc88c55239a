"""The page: `python app.py`, and the same file as a Hugging Face Space.

Two models side by side on one clip, the leaderboard, and what is behind them. What is heavy is loaded once the page is
there, in the background.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Read when gradio is imported: nothing leaves this machine.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from leaderboard.store import Board, load_board
from leaderboard.tab import TAB as LEADERBOARD
from leaderboard.tab import build_tab as build_leaderboard
from vos_kd.demo import about, look
from vos_kd.demo.api import add_endpoints
from vos_kd.demo.desk import Desk
from vos_kd.demo.examples import Examples
from vos_kd.demo.limits import Limits
from vos_kd.demo.models import Shelf
from vos_kd.demo.running import Plan, Report, SegmenterFactory, follow
from vos_kd.demo.tab import TAB as COMPARE
from vos_kd.demo.tab import build_tab as build_compare
from vos_kd.errors import InputError
from vos_kd.process import prepare_process
from vos_kd.prompts import Segmenter
from vos_kd.prompts.grabcut import grabcut

if TYPE_CHECKING:
    from vos_kd.config import ModelConfig

ROOT = Path(__file__).resolve().parent


def make_desk(limits: Limits | None = None, segmenters: SegmenterFactory | None = None) -> Desk:
    """What answers the page.

    Args:
        limits: of visitors.
        segmenters: makes a model's segmenter; by default of the bundled weights.
    """
    prepare_process()
    shelf = Shelf(count_gmacs)
    make_segmenter = segmenters or shelf.segmenter

    def run_model(plan: Plan, model: str) -> Generator[Report, None, None]:
        segmenter = make_segmenter(model, plan.short_side)
        yield Report(0.0, 0.0, 0.0, 0.0, (), facts=shelf.facts[model])
        yield from follow(plan, model, segmenter, boundary_f)

    return Desk(
        _on_gpu(run_model),
        shelf.facts,
        limits=limits or Limits(),
        uploads=Path(gr.utils.get_upload_folder()),
        examples=Examples(Path(os.environ.get("VOS_KD_EXAMPLES", ROOT / "outputs" / "examples"))),
        segmenter=prompt_segmenter(os.environ.get("VOS_KD_MOBILE_SAM")),
    )


def prompt_segmenter(mobile_sam: str | None) -> Segmenter:
    """What makes masks of boxes and clicks: MobileSAM where the server was given it, else GrabCut.

    Raises:
        InputError: it was given, but cannot be loaded.
    """
    if not mobile_sam:
        return grabcut
    from vos_kd.prompts.mobile_sam import MobileSamPrompt, open_mobile_sam  # loads torch

    return MobileSamPrompt(open_mobile_sam(mobile_sam))


def boundary_f(truth: Any, prediction: Any, object_ids: Sequence[int]) -> list[float]:
    """F of each object, as the evaluation has it."""
    from evaluation.jf import count_frame

    return [counts.f for counts in count_frame(truth, prediction, object_ids)]


def count_gmacs(config: ModelConfig) -> float:
    """Multiply-adds of a frame in 1e9, as the leaderboard has them."""
    from evaluation.complexity import count

    return count(config).gmacs


def build_demo(desk: Desk, board: Board) -> gr.Blocks:
    """The whole page.

    Args:
        desk: answers the Compare tab.
        board: what the leaderboard shows.
    """
    limits = desk.limits
    with gr.Blocks(title="vos-kd", delete_cache=(600, int(60 * limits.idle_minutes))) as page:
        gr.HTML(look.HEADER, apply_default_css=False, padding=False, elem_id="page-header")
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Compare", id=COMPARE):
                picker = build_compare(desk, page=page)
            with gr.Tab("Leaderboard", id=LEADERBOARD):
                build_leaderboard(board, page=page, tabs=tabs, compare_tab=COMPARE, model_picker=picker)
            with gr.Tab("About", id="about"):
                gr.Markdown(about.TEXT, elem_id="about")
        add_endpoints(desk)
    page.queue(max_size=200, default_concurrency_limit=None)
    return page


def launch_options(desk: Desk) -> dict[str, Any]:
    """What the page needs when it is launched."""
    return {
        "theme": look.theme(),
        "css": look.CSS,
        # Sessions' folders have random names. Nothing else of the disk is served.
        "allowed_paths": [str(desk.sessions.root)],
        "max_file_size": f"{desk.limits.max_upload_mib}mb",
        "max_threads": 80,  # each visitor who waits in line holds one
        "footer_links": [],
    }


def _on_gpu(function: Callable[..., Any]) -> Callable[..., Any]:
    """On a Space with ZeroGPU: borrow a GPU for the call. Elsewhere: nothing."""
    if not os.environ.get("SPACES_ZERO_GPU"):
        return function
    import spaces

    return spaces.GPU(duration=120)(function)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until it is interrupted."""
    parser = argparse.ArgumentParser(prog="app.py", description="Serve the vos-kd page.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), help="default %(default)s")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    args = parser.parse_args(argv)
    try:
        desk = make_desk()
    except InputError as error:
        print(f"app.py: error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    page = build_demo(desk, load_board())
    # Services and containers end a program so; visitors' files shall go then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        desk.warm_up()
        page.launch(server_name=args.host, server_port=args.port, inbrowser=args.open, **launch_options(desk))
    finally:
        desk.sessions.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
