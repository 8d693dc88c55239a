"""What the page may ask, and what a visitor may send: good answers, and messages for everything else."""

from __future__ import annotations

import base64
import io
import json
import runpy
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evaluation import results
from leaderboard import mask_zip, session
from leaderboard.api import Api
from leaderboard.build import questions
from leaderboard.filmstrip import Folders
from leaderboard.session import MOST_PREVIEWS, Server
from leaderboard.store import Board, load_board
from leaderboard.submission import MAX_BYTES, submit
from vos_kd.demo.limits import Limits

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "leaderboard_factory.py")))
Send = Callable[..., dict[str, Any]]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return load_board(made.write_folder(tmp_path / "results"))


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


@pytest.fixture
def server(board: Board, uploads: Path) -> Server:
    return Server(board, Folders({}, None), runnable={"student"}, uploads=lambda: uploads)


@pytest.fixture
def send(server: Server, uploads: Path) -> Send:
    def send(data: bytes | str, *more: str, name: str = "record.json") -> dict[str, Any]:
        path = uploads / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return server.answer(["submit", [str(path), *more], ""])

    return send


def text_of(record: Any) -> str:
    return json.dumps(results.to_json(record))


def test_a_zip_of_masks_may_not_be_larger_than_what_the_page_takes() -> None:
    told = (Path(mask_zip.__file__).parent / "page" / "submit.js").read_text(encoding="utf-8")
    assert f"MOST_ZIP = {mask_zip.MAX_BYTES // 2**20} * 2 ** 20" in told
    assert Limits().max_upload_mib * 2**20 >= mask_zip.MAX_BYTES


def test_every_question_has_a_plain_answer(board: Board) -> None:
    api = Api(board)
    asked = list(questions(board))
    assert {question for question, _ in asked} == {
        *("trade_off", "export", "detail", "costs", "ablation", "over_time", "compare")
    }
    for question, arguments in asked:
        answer = api.answer(question, arguments)
        assert "error" not in answer, (question, arguments, answer)
        json.dumps(answer, allow_nan=False)


def test_detail_has_every_object_and_the_command(board: Board) -> None:
    answer = Api(board).answer("detail", ["student-davis2016", "speed-cpu"])
    record = board.entry("student-davis2016").record
    assert len(answer["sequences"]) == 6
    assert answer["sequences"][0][:4] == ["clip-00", "1", "12", f"{100 * record.sequences[0].scores.jf_mean:.1f}"]
    assert answer["provenance"]["command"] == record.command
    facts = dict(answer["provenance"]["facts"])
    assert facts["Record"] == "student-davis2016.json"
    assert facts["Weights (SHA-256)"] == record.model.weights_sha256
    speed = answer["provenance"]["speed"]
    assert speed["command"].startswith("python evaluation/run.py speed")
    assert dict(speed["facts"])["Threads"] == "2"


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        [],
        ["detail"],
        ["detail", "x", ""],
        ["detail", ["nobody", ""], ""],
        ["detail", ["student-davis2016", "no-run"], ""],
        ["detail", ["arch:nobody", "speed-cpu"], ""],
        ["detail", [], ""],
        ["__init__", [], ""],
        [["detail"], [], ""],
        ["detail", [{"a": 1}, ""], ""],
        ["trade_off", ["nowhere", "", "params", "jf_mean"], ""],
        ["trade_off", ["davis2016-val-480p-davis", "", "__class__", "jf_mean"], ""],
        ["compare", ["student-davis2016", "nobody"], ""],
        ["ablation", ["../../etc/passwd"], ""],
        ["export", ["exe", "davis2016-val-480p-davis", ""], ""],
        ["filmstrip", ["student-davis2016", "clip-00"], ""],
        ["filmstrip", ["student-davis2016", "../../x"], ""],
        ["submit", [], ""],
        ["submit", ["/etc/passwd"], ""],
        ["submit", ["\0"], ""],
        ["submit", ["a", "b", "c", "d"], ""],
        ["submit", None, ""],
        ["detail", ["student-davis2016", ""], {"token": 1}, 4],
    ],
)
def test_odd_questions_get_a_message(server: Server, body: object) -> None:
    answer = server.answer(body)
    assert set(answer) == {"error"}
    assert "Traceback" not in answer["error"]
    assert len(answer["error"]) < 400


def test_a_sound_result_is_previewed_for_its_visitor_alone(server: Server, send: Send) -> None:
    record = made.make_record("new <i>net</i>", "baseline", 0.83, 50)
    answer = send(text_of(record))
    assert "error" not in answer
    assert answer["file_name"] == "new-i-net-i-davis2016-val-480p-davis-made-up-cpu.json"
    mine = server.answer(["payload", [], answer["token"]])
    assert mine["submitted"] == "new-i-net-i-davis2016-val-480p-davis-made-up-cpu"
    assert "new <i>net</i>" in {row["model"] for row in mine["rows"].values()}
    everybody = server.answer(["payload", [], ""])
    assert everybody["submitted"] is None
    assert "new <i>net</i>" not in {row["model"] for row in everybody["rows"].values()}
    benchmark, run = mine["benchmarks"][0]["id"], mine["runs"][0]["id"]
    drawn = server.answer(["trade_off", [benchmark, run, "params", "jf_mean"], answer["token"]])
    assert mine["submitted"] in {key for trace in drawn["data"] for key in trace.get("customdata", [])}


def test_the_pull_request_says_what_is_added_as_text(send: Send) -> None:
    text = send(text_of(made.make_record("new <i>net</i> `x`", "baseline", 0.83, 50)))["pull_request"]
    assert "# Leaderboard: new &lt;i&gt;net&lt;/i&gt; \\`x\\` on DAVIS\\-2016" in text.replace("DAVIS-", "DAVIS\\-")
    assert "leaderboard/results/new-i-net-i-x-davis2016-val-480p-davis-made-up-cpu.json" in text
    assert "    python evaluation/run.py all --dataset davis2016 --root DAVIS" in text
    assert "| J&F" in text


def test_what_is_missing_is_noted(send: Send) -> None:
    bare = replace(made.make_record("bare", None, 0.5, 60), speed=None, complexity=None, commit=None, is_partial=True)
    notes = " ".join(send(text_of(bare))["notes"])
    for part in ("lacks sequences", "no speed", "no parameters", "not made with a committed state", "first result on"):
        assert part in notes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not the JSON of one"),
        (b"\x89PNG\r\n", "is not the JSON of one"),
        (b'{"kind": "speed", "schema_version": 1}', "kind is 'speed'; expected 'record'"),
        (b"[" * 100000, "is not the JSON of one"),
        (b'{"kind": "record", "schema_version": 99}', "schema_version is 99"),
    ],
)
def test_what_is_no_record_is_refused(send: Send, data: bytes, message: str) -> None:
    assert message in send(data)["error"]


def test_an_edited_mean_is_refused(send: Send) -> None:
    data = results.to_json(made.make_record("x", None, 0.5, 70))
    data["sequences"][0]["j_mean"] = 0.99
    assert "j_mean is 0.99, but its values give" in send(json.dumps(data))["error"]


def test_a_repeated_result_is_refused(send: Send, board: Board) -> None:
    record = board.entry("student-davis2016").record
    assert "it repeats student-davis2016.json" in send(text_of(record))["error"]
    renamed = replace(record, model=replace(record.model, name="mine"))
    assert "it repeats student-davis2016.json, value by value" in send(text_of(renamed))["error"]


def test_fifty_megabytes_are_refused(send: Send) -> None:
    answer = send(b"[" + b"0," * (25 * 2**20) + b"0]")
    assert answer["error"].startswith(f"the file has {(MAX_BYTES + 1) / 2**20:.1f} MiB; a result has at most 16")


def test_previews_are_forgotten_in_turn(server: Server, send: Send) -> None:
    first = send(text_of(made.make_record("first", "baseline", 0.5, 100)))["token"]
    for n in range(MOST_PREVIEWS):
        send(text_of(made.make_record("more", "baseline", 0.5, 101 + n)))
    assert server.answer(["payload", [], first])["submitted"] is None


def test_previews_have_a_size_together(server: Server, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text_of(made.make_record(name, "baseline", 0.5, 100 + n)) for n, name in enumerate("abc")]
    monkeypatch.setattr(session, "MOST_BYTES", len(texts[1]) + len(texts[2]))
    tokens = [send(text)["token"] for text in texts]
    shown = [server.answer(["payload", [], token])["submitted"] for token in tokens]
    assert [one is None for one in shown] == [True, False, False]
    monkeypatch.setattr(session, "MOST_BYTES", 1)
    last = send(text_of(made.make_record("d", "baseline", 0.5, 104)))["token"]
    assert server.answer(["payload", [], last])["submitted"] is not None, "the newest is shown however large it is"
    assert server.answer(["payload", [], tokens[2]])["submitted"] is None


def test_results_are_checked_one_by_one(server: Server, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        began.set()
        go_on.wait(10)
        return submit(*arguments)

    monkeypatch.setattr(session, "submit", slow)
    monkeypatch.setattr(session, "PATIENCE_S", 0.05)
    text = text_of(made.make_record("first", "baseline", 0.5, 100))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, text)
        assert began.wait(10)
        second = send(text, name="second.json")
        go_on.set()
        assert "token" in first.result()
    assert second == {"error": "other results are being checked; try again in a minute."}
    assert "token" in send(text), "the place is free again"


@pytest.mark.parametrize(
    "changes",
    [
        {"complexity": {"params": 10**400}},
        {"speed": {"fps_end_to_end": 10**400}},
        {"environment": {"cpu": "\ud800 chip"}},
        {"date": "9999-12-31T23:59:59+00:00"},
    ],
)
def test_odd_values_are_refused(send: Send, changes: dict[str, Any]) -> None:
    answer = send(text_of(made.make_record("mine", "baseline", 0.5, 100, **changes)))
    assert set(answer) == {"error"}
    json.dumps(answer, ensure_ascii=False).encode()


# A data set of two clips, and masks of it.


def write_masks(folder: Path, names: list[str], shift: int) -> None:
    for name in names:
        (folder / name).mkdir(parents=True)
        for n in range(5):
            mask = np.zeros((40, 60), np.uint8)
            mask[10:30, 10 + n + shift : 40 + n + shift] = 255
            Image.fromarray(mask).save(folder / name / f"{n:05}.png")


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    root = tmp_path / "DAVIS"
    write_masks(root / "Annotations" / "480p", ["bear", "cow"], 0)
    (root / "ImageSets" / "480p").mkdir(parents=True)
    (root / "ImageSets" / "2016").mkdir(parents=True)
    (root / "ImageSets" / "2016" / "val.txt").write_text("bear\ncow\n")
    return root


def zip_of(folder: Path, target: Path) -> bytes:
    with zipfile.ZipFile(target, "w") as file:
        for path in sorted(folder.rglob("*.png")):
            file.write(path, path.relative_to(folder))
    return target.read_bytes()


def test_a_zip_of_masks_is_scored(board: Board, uploads: Path, davis: Path, tmp_path: Path) -> None:
    write_masks(tmp_path / "mine", ["bear", "cow"], 3)
    server = Server(board, Folders({"davis2016": davis}, None), uploads=lambda: uploads)
    path = uploads / "masks.zip"
    zip_of(tmp_path / "mine", path)
    answer = server.answer(["submit", [str(path), "davis2016", "my net"], ""])
    assert "error" not in answer, answer
    payload = server.answer(["payload", [], answer["token"]])
    row = next(row for row in payload["rows"].values() if row["model"] == "my net")
    assert row["values"]["j_mean"] == pytest.approx(27 / 33)
    assert "scored from masks" in " ".join(answer["notes"])
    assert "--root DAVIS2016 --results masks.zip --name 'my net'" in answer["pull_request"]
    assert str(tmp_path) not in json.dumps(answer) + json.dumps(payload), "this machine's folders stay out of it"


@pytest.mark.parametrize(
    ("masks", "dataset", "name", "message"),
    [
        (["bear"], "davis2016", "x", "cow"),
        (["bear", "cow"], "davis2017", "x", "the truth of 'davis2017' is not on this machine (there is: davis2016)"),
        (["bear", "cow"], "davis2016", "  ", "expected a name"),
        (["bear", "cow"], "davis2016", "--output=/x", "that can be printed and does not start with '-'"),
        (["bear", "cow"], "davis2016", "a\0b", "the model's name is 'a\\x00b'; expected a name of at most 80 letters"),
        (["bear", "cow"], "davis2016", "a\ud800", "the model's name is 'a\\ud800'; expected a name"),
        (["bear", "cow"], "davis2016", "a" * 200_000, "expected a name of at most 80 letters"),
    ],
)
def test_odd_zips_get_a_message(
    board: Board, uploads: Path, davis: Path, tmp_path: Path, masks: list[str], dataset: str, name: str, message: str
) -> None:
    write_masks(tmp_path / "mine", masks, 3)
    server = Server(board, Folders({"davis2016": davis}, None), uploads=lambda: uploads)
    zip_of(tmp_path / "mine", uploads / "masks.zip")
    answer = server.answer(["submit", [str(uploads / "masks.zip"), dataset, name], ""])
    assert message in answer["error"]
    assert str(tmp_path) not in answer["error"]


def test_no_zip_at_all(board: Board, uploads: Path, davis: Path) -> None:
    server = Server(board, Folders({"davis2016": davis}, None), uploads=lambda: uploads)
    (uploads / "masks.zip").write_bytes(b"not a zip")
    answer = server.answer(["submit", [str(uploads / "masks.zip"), "davis2016", "x"], ""])
    assert "zip" in answer["error"]


@pytest.fixture
def pictures(board: Board, davis: Path, tmp_path: Path) -> Api:
    """A board with a result on `bear`, whose masks lie 10 pixels beside the truth."""
    write_masks(tmp_path / "predictions" / "student", ["bear"], 10)
    record = made.make_record("student", "student", sequences=1)
    sequence = replace(record.sequences[0], name="bear", frames=tuple(f"{n:05}" for n in range(5)))
    entry = replace(board.entries[0], record=replace(record, sequences=(sequence,)), entry_id="x")
    return Api(replace(board, entries=(entry,)), Folders({"davis2016": davis}, tmp_path / "predictions"))


def test_the_filmstrip_shows_where_masks_differ(pictures: Api) -> None:
    frames = pictures.answer("filmstrip", ["x", "bear"])["frames"]
    assert [one["frame"] for one in frames] == [f"{n:05}" for n in range(5)]
    data = frames[0]["difference"].removeprefix("data:image/jpeg;base64,")
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), int)
    missed, wrong, right = picture[20, 14], picture[20, 45], picture[20, 30]
    assert missed[0] > 150 > missed[1], "red is missed"
    assert min(wrong[0], wrong[1]) > 120 > wrong[2], "yellow is too much"
    assert np.ptp(right) < 25, "grey is right"


@pytest.mark.parametrize(
    ("note", "message"),
    [
        (json.dumps({"weights_sha256": "0" * 64}), ""),  # those of the record
        (
            json.dumps({"weights_sha256": "f" * 64}),
            "are of other weights (ffffffffffff) than this result (000000000000)",
        ),
        (json.dumps({"weights_sha256": None}), "are of other weights (None)"),
        ("{", "model.json beside the masks of student cannot be read"),
        ("[]", "model.json beside the masks of student cannot be read"),
        ("{}", "model.json beside the masks of student cannot be read"),
    ],
)
def test_masks_of_other_weights_are_not_shown(pictures: Api, tmp_path: Path, note: str, message: str) -> None:
    (tmp_path / "predictions" / "student" / "model.json").write_text(note)
    answer = pictures.answer("filmstrip", ["x", "bear"])
    assert message in answer.get("error", "")
    assert ("frames" in answer) == (message == "")
    assert str(tmp_path) not in str(answer)


@pytest.mark.parametrize("place", ["DAVIS/JPEGImages/480p/bear/00000.jpg", "predictions/student/bear/00000.png"])
def test_a_damaged_picture_is_named_without_its_folder(pictures: Api, tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_bytes(b"no picture")
    error = pictures.answer("filmstrip", ["x", "bear"])["error"]
    assert f"bear/{Path(place).name} cannot be read" in error
    assert str(tmp_path) not in error


@pytest.mark.parametrize("name", ["..", "../other", "a/b", "\0", ""])
def test_a_model_name_leads_to_no_other_folder(davis: Path, tmp_path: Path, name: str) -> None:
    folders = Folders({"davis2016": davis}, tmp_path)
    assert not folders.has(made.make_record(name or ".", "student"))


def test_a_frame_name_leads_to_no_other_folder(davis: Path, tmp_path: Path) -> None:
    write_masks(tmp_path / "predictions" / "student", ["bear"], 0)
    folders = Folders({"davis2016": davis}, tmp_path / "predictions")
    record = made.make_record("student")
    with pytest.raises(ValueError, match="is no name of a frame"):
        folders.files(record, "../../DAVIS/Annotations/480p/../../..", "secret")
