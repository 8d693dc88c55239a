"""The "Reproduce" command makes the same masks again, to the last bit; the snippet is Python."""

from __future__ import annotations

import ast
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vos_kd.checkpoint import save_weights
from vos_kd.data.masks import write_mask
from vos_kd.data.synthetic import SyntheticClip
from vos_kd.errors import InputError
from vos_kd.modeling.registry import build_model, get_config
from vos_kd.segment import _masks, _parser, _request, main
from vos_kd.segment_request import Request
from vos_kd.segment_run import run
from vos_kd.takeaway import client_snippet, command_line
from vos_kd.video_io import VideoWriter

PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).map(Path)
MAYBE = st.none() | st.integers(16, 4000)
REQUESTS = st.builds(
    Request,
    clip=PATHS,
    masks=st.just({}),
    models=st.lists(st.sampled_from(["student", "teacher", "a b/w.safetensors", "me/m@1"]), min_size=1).map(tuple),
    out=PATHS,
    start=st.integers(0, 50),
    end=st.none() | st.integers(51, 99),
    every=st.integers(1, 4),
    short_side=MAYBE,
    max_side=MAYBE,
    fps=st.none() | st.floats(0.1, 240),
    device=st.sampled_from([None, "cpu", "cuda:1"]),
    dtype=st.sampled_from([None, "float32"]),
    backend=st.sampled_from([None, "openvino", "onnxruntime"]),
    threads=st.none() | st.integers(1, 64),
    overlay=st.booleans(),
    overwrite=st.booleans(),
    quiet=st.booleans(),
)


def understood(command: str) -> Request:
    """What the command's own parser makes of it."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "vos_kd.segment"]
    args = _parser().parse_args(words[3:])
    return _request(args, _masks(args))


@given(request=REQUESTS, paths=st.lists(PATHS, min_size=1, max_size=3))
def test_command_asks_for_what_the_request_asks_for(request: Request, paths: list[Path]) -> None:
    asked = replace(request, masks={request.start + 7 * n: path for n, path in enumerate(paths)})
    assert understood(command_line(asked)) == asked


def test_command_makes_equal_masks(
    small_clip: SyntheticClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    save_weights(Path("tiny.safetensors"), build_model("student_small").state_dict(), get_config("student_small"))
    with VideoWriter("my clip.mp4", 24) as video:
        for image in [*small_clip.images, *small_clip.images]:
            video.write(image)
    write_mask(Path("prompts/00001.png"), small_clip.masks[1])
    write_mask(Path("prompts/00005.png"), small_clip.masks[3])
    request = Request(
        clip=Path("my clip.mp4"),
        masks={1: Path("prompts/00001.png"), 5: Path("prompts/00005.png")},
        models=("tiny.safetensors",),
        out=Path("results"),
        start=1,
        end=8,
        every=2,
        short_side=48,
        device="cpu",
        dtype="float32",
        threads=1,
        overlay=False,
        quiet=True,
    )
    run(request, "")
    first = {path.name: path.read_bytes() for path in Path("results").glob("tiny/Annotations/my clip/*.png")}
    assert sorted(first) == ["00001.png", "00003.png", "00005.png", "00007.png"]
    assert len(set(first.values())) > 1
    shutil.rmtree("results")
    assert main(shlex.split(command_line(request))[3:]) == 0
    capsys.readouterr()
    again = {path.name: path.read_bytes() for path in Path("results").glob("tiny/Annotations/my clip/*.png")}
    assert again == first


def test_model_with_a_comma_is_refused() -> None:
    with pytest.raises(InputError, match="rename the weight file"):
        command_line(Request(Path("c.mp4"), {0: Path("m.png")}, ("a,b.safetensors",), Path("out")))


def test_snippet_calls_the_endpoint_with_files_and_values() -> None:
    text = client_snippet(
        "http://127.0.0.1:7860/",
        "/compare",
        {"clip": Path("it's.mp4"), "masks": {0: Path("0.png"), 9: Path("9.png")}, "models": ["student"], "end": None},
    )
    call = ast.parse(text).body[-1].value  # type: ignore[attr-defined]
    given_words = {word.arg: ast.unparse(word.value) for word in call.keywords}
    assert given_words == {
        "clip": ast.unparse(ast.parse('handle_file("it\'s.mp4")')),
        "masks": "{0: handle_file('0.png'), 9: handle_file('9.png')}",
        "models": "['student']",
        "end": "None",
        "api_name": "'/compare'",
    }
    assert "http://127.0.0.1:7860/" in text
