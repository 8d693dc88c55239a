"""Files of the hub: the local cache first, the network only where needed, and every failure in a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from vos_kd.errors import InputError
from vos_kd.hub import hub_file, is_repository


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is asked of the hub; each call is answered by its `answer` of those set below."""
    asked: list[dict[str, Any]] = []

    def download(repository: str, file: str, **options: Any) -> str:
        asked.append({"repository": repository, "file": file, **options})
        answer = download.cached if options.get("local_files_only") else download.remote  # type: ignore[attr-defined]
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    download.cached, download.remote = LocalEntryNotFoundError("not cached"), "/remote/file"  # type: ignore[attr-defined]
    return asked


def answers(cached: object = None, remote: object = None) -> None:
    download: Any = huggingface_hub.hf_hub_download
    download.cached = cached or download.cached
    download.remote = remote or download.remote


def test_what_is_in_the_cache_needs_no_network(calls: list[dict[str, Any]]) -> None:
    answers(cached="/cache/file")
    assert hub_file("owner/repo@abc123", "model.safetensors") == Path("/cache/file")
    [only] = calls
    assert only == {
        "repository": "owner/repo",
        "file": "model.safetensors",
        "revision": "abc123",
        "local_files_only": True,
    }


def test_what_is_not_there_is_fetched_without_waiting_for_ever(calls: list[dict[str, Any]]) -> None:
    assert hub_file("owner/repo@v1/x", "f") == Path("/remote/file")
    assert [call["revision"] for call in calls] == ["v1/x", "v1/x"]
    assert "local_files_only" not in calls[1]
    assert calls[1]["etag_timeout"] == 10


@pytest.mark.parametrize(
    "failure",
    [
        LocalEntryNotFoundError("no connection\nand more"),
        OSError("no connection\n..."),
        httpx.RemoteProtocolError("no connection"),  # a download that breaks off: an error of another library
        HfHubHTTPError("no connection", response=httpx.Response(404, request=httpx.Request("GET", "http://hub"))),
    ],
)
def test_out_of_reach_is_told_in_a_line(calls: list[dict[str, Any]], failure: Exception) -> None:
    answers(remote=failure)
    with pytest.raises(InputError, match=r"cannot get f of hub repository 'o/r@1': .*no connection$"):
        hub_file("o/r@1", "f")
    assert len(calls) == 2


def test_a_revision_is_asked_for_before_the_hub_is(calls: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="pin one as owner/repo@COMMIT"):
        hub_file("owner/repo", "f")
    assert calls == []


def test_a_name_that_the_hub_does_not_take_is_told() -> None:
    with pytest.raises(InputError, match="'-bad-/--x@1' is no hub repository"):
        hub_file("-bad-/--x@1", "f")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("o/r", True), ("o/r@main", True), ("o", False), ("o/r/x", False), ("/etc/passwd", False), ("o/r@", False)],
)
def test_names_of_repositories(name: str, expected: bool) -> None:
    assert is_repository(name) is expected
