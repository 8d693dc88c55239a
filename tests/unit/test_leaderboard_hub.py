"""Results on the hub, against a local stand-in of its HTTP interface: pull, push, a hub that is down or slow."""

from __future__ import annotations

import json
import runpy
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import pytest

from evaluation import results
from evaluation.results import ProtocolError
from leaderboard import hub, store
from leaderboard.hub import MAX_BYTES, pull, push
from leaderboard.store import load_board

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "leaderboard_factory.py")))
COMMIT = "1" * 40


class Hub:
    """What the stand-in holds and was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}
        self.gate = threading.Event()  # answers wait for it
        self.gate.set()
        self.status = 200
        self.commits: list[tuple[str, list[dict]]] = []
        self.endpoint = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, content: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(self.hub.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.gate.wait()
        path = self.path.split("?")[0]
        if path.startswith("/api/datasets/ann/board/tree/"):
            tree = [
                {
                    "type": "file",
                    "path": name,
                    "size": self.hub.sizes.get(name, len(data)),
                    "oid": sha256(data).hexdigest(),
                }
                for name, data in self.hub.files.items()
            ]
            return self.answer(json.dumps(tree).encode())
        if path.startswith("/datasets/ann/board/resolve/"):
            data = self.hub.files[path.split("/", 6)[6]]
            return self.answer(
                data, "application/octet-stream", ETag=f'"{sha256(data).hexdigest()}"', X_Repo_Commit=COMMIT
            )
        self.hub.status = 404
        return self.answer(b'{"error": "not found"}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "/preupload/" in self.path:
            paths = [one["path"] for one in json.loads(body)["files"]]
            files = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
            return self.answer(json.dumps({"files": files}).encode())
        self.hub.commits.append((self.path, [json.loads(line) for line in body.splitlines()]))
        url = f"{self.hub.endpoint}/datasets/ann/board/discussions/1"
        answer = {
            "commitUrl": f"{self.hub.endpoint}/datasets/ann/board/commit/{COMMIT}",
            "commitOid": COMMIT,
            "pullRequestUrl": url,
            "success": True,
        }
        return self.answer(json.dumps(answer).encode())


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)  # this hub is no network
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the hub's client waits long between its tries
    held = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": held}))
    held.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield held
    for thread_left in threading.enumerate():
        if thread_left.name == "leaderboard-pull":
            thread_left.join()
    server.shutdown()
    server.server_close()
    thread.join()


def text_of(name: str, seed: int = 0, **changes: object) -> bytes:
    return json.dumps(results.to_json(made.make_record(name, None, 0.6, seed, **changes))).encode()


def test_pull_brings_the_results_alone(stand_in: Hub, tmp_path: Path) -> None:
    stand_in.files = {"a.json": text_of("a"), "README.md": b"# x", "deep/b.json": text_of("b"), "huge.json": b"{}"}
    stand_in.sizes = {"huge.json": MAX_BYTES + 1}
    pulled = pull("ann/board", folder=tmp_path, endpoint=stand_in.endpoint)
    assert pulled == (tmp_path, None)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.json")} == {"a.json": stand_in.files["a.json"]}


def test_what_is_gone_there_goes_here(stand_in: Hub, tmp_path: Path) -> None:
    stand_in.files = {"a.json": text_of("a"), "b.json": text_of("b", 1)}
    pull("ann/board", folder=tmp_path, endpoint=stand_in.endpoint)
    stand_in.files = {"b.json": text_of("newer", 2)}
    assert pull("ann/board", folder=tmp_path, endpoint=stand_in.endpoint).problem is None
    assert [path.name for path in tmp_path.glob("*.json")] == ["b.json"]
    assert results.load(tmp_path / "b.json").model.name == "newer"


def test_a_hub_that_is_down_leaves_the_last_copy(stand_in: Hub, tmp_path: Path) -> None:
    stand_in.files = {"a.json": text_of("a")}
    pull("ann/board", folder=tmp_path, endpoint=stand_in.endpoint)
    stand_in.status = 500
    problem = pull("ann/board", folder=tmp_path, endpoint=stand_in.endpoint).problem
    assert problem is not None
    assert problem.startswith("ann/board on the hub could not be read")
    assert problem.endswith("the last copy is shown.")
    assert (tmp_path / "a.json").is_file()


def test_nobody_waits_for_a_slow_hub(stand_in: Hub, tmp_path: Path) -> None:
    stand_in.gate.clear()
    problem = pull("ann/board", folder=tmp_path, endpoint=stand_in.endpoint, timeout_s=0.2).problem
    stand_in.gate.set()  # only now it answers
    assert problem is not None
    assert "did not answer within 0.2 s" in problem
    assert problem.endswith("the bundled results are shown alone.")


@pytest.mark.parametrize("name", ["no such name", "a/b/c", "../../x"])
def test_an_odd_repository_is_a_problem(tmp_path: Path, name: str) -> None:
    problem = pull(name, folder=tmp_path / "x", endpoint="http://127.0.0.1:9").problem
    assert problem is not None
    assert "could not be read" in problem


def test_the_board_shows_the_hub_over_the_bundled(
    stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = made.write_folder(tmp_path / "results")
    student = made.make_record("student", "student", 0.9, 77, date="2020-01-01T00:00:00+00:00")
    stand_in.files = {
        "student-davis2016.json": json.dumps(results.to_json(student)).encode(),
        "guest.json": text_of("guest", 78),
        "broken.json": b"{",
    }
    monkeypatch.setattr(store, "RESULTS", bundled)
    monkeypatch.setenv("VOS_KD_LEADERBOARD", "ann/board")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "pull", lambda repository: pull(repository, endpoint=stand_in.endpoint))
    board = load_board()
    assert board.entry("student-davis2016").record == student, "the hub's file takes the place of ours"
    assert board.entry("guest").origin == "hub"
    assert board.entry("teacher-davis2016").origin == "bundled"
    assert [problem.file for problem in board.problems] == ["broken.json"]
    stand_in.status = 503
    again = load_board()
    assert [entry.entry_id for entry in again.entries] == [entry.entry_id for entry in board.entries]
    assert any("the last copy is shown" in problem.message for problem in again.problems)


def test_a_broken_file_of_the_hub_replaces_nothing(
    stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = text_of("student", 1, speed={"fps_end_to_end": 0})
    stand_in.files = {"student-davis2016.json": b'{"broken":', "teacher-davis2016.json": slow, "speed-cpu.json": b"{}"}
    monkeypatch.setattr(store, "RESULTS", made.write_folder(tmp_path / "results"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("VOS_KD_LEADERBOARD", "ann/board")
    monkeypatch.setattr(store, "pull", lambda repository: pull(repository, endpoint=stand_in.endpoint))
    board = load_board()
    assert [problem.file for problem in board.problems] == sorted(stand_in.files)
    assert {entry.entry_id for entry in board.entries} >= {"student-davis2016", "teacher-davis2016"}
    assert "speed-cpu" in {run.run_id for run in board.runs}


def test_push_opens_a_pull_request(stand_in: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.json"
    results.save(made.make_record("mine", "baseline"), path)
    assert push([path], "ann/board", endpoint=stand_in.endpoint, token="hf_x").endswith("/discussions/1")  # noqa: S106
    ((address, lines),) = stand_in.commits
    assert "create_pr=1" in address or "create_pr=true" in address.lower()
    assert lines[0]["value"]["summary"] == "Results of mine"
    assert lines[1]["value"]["path"] == "mine.json"


def test_push_sends_no_odd_file(stand_in: Hub, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text("{}")
    with pytest.raises(ProtocolError, match=r"(schema_version|kind) is None"):
        push([path], "ann/board", endpoint=stand_in.endpoint, token="hf_x")  # noqa: S106
    assert stand_in.commits == []


def test_the_command(
    stand_in: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    stand_in.files = {"a.json": text_of("a")}
    assert hub.main(["pull", "ann/board", "--endpoint", stand_in.endpoint]) == 0
    assert "1 files" in capsys.readouterr().out
    stand_in.status = 500
    assert hub.main(["pull", "ann/board", "--endpoint", stand_in.endpoint]) == 2
    assert "could not be read" in capsys.readouterr().err
    assert hub.main(["push", "ann/board", str(tmp_path / "none.json"), "--endpoint", stand_in.endpoint]) == 2
    assert "cannot be read" in capsys.readouterr().err
