"""The boards that a server shows: everybody's, and those with a result that one visitor is looking at.

A preview is held under a token that only its visitor knows, and forgotten when others need the room.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from evaluation.results import ProtocolError
from leaderboard.api import Answer, Api
from leaderboard.filmstrip import Folders
from leaderboard.mask_zip import score_zip
from leaderboard.payload import make_payload
from leaderboard.store import Board
from leaderboard.submission import MAX_BYTES, Submission, submit

MOST_PREVIEWS = 32
MOST_BYTES = 32 * 2**20
"""Of the results that are previewed, together; in memory they take up to sixteen times as much."""
PATIENCE_S = 20.0
"""How long a result waits for its turn."""


class _Preview(NamedTuple):
    submission: Submission
    api: Api
    size: int
    """Bytes that were sent."""


class Server:
    """Answers the page. `uploads` is the folder that holds what visitors sent: nothing outside it is read for them."""

    def __init__(
        self, board: Board, folders: Folders, *, runnable: Collection[str] = (), uploads: Callable[[], Path]
    ) -> None:
        self._board = board
        self._folders = folders
        self._runnable = runnable
        self._uploads = uploads
        self._api = Api(board, folders)
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._previews: OrderedDict[str, _Preview] = OrderedDict()

    def answer(self, body: Any) -> Answer:
        """Answer `[question, arguments, token]`, which comes from a browser and may be anything."""
        if not isinstance(body, list) or len(body) != 3:
            return {"error": "the page asked in an unknown way. Reload it."}
        question, arguments, token = body
        with self._lock:
            preview = self._previews.get(token) if isinstance(token, str) else None
        if question == "payload":
            entry = preview.submission.entry.entry_id if preview else None
            board = preview.submission.board if preview else self._board
            return make_payload(board, runnable=self._runnable, submitted=entry, datasets=sorted(self._folders.roots))
        if question == "submit":
            return self._submit(arguments)
        return (preview.api if preview else self._api).answer(question, arguments)

    def _submit(self, arguments: Any) -> Answer:
        try:
            data = self._data_of(arguments)
            found = self._checked(data)
        except ProtocolError as error:
            return {"error": str(error)}
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._previews[token] = _Preview(found, Api(found.board, self._folders), len(data))
            while len(self._previews) > 1 and (
                len(self._previews) > MOST_PREVIEWS or sum(one.size for one in self._previews.values()) > MOST_BYTES
            ):
                self._previews.popitem(last=False)
        return {
            "token": token,
            "notes": list(found.notes),
            "file_name": found.file_name,
            "pull_request": found.pull_request,
        }

    def _checked(self, data: bytes) -> Submission:
        # One by one: the largest that is taken needs hundreds of MiB on the way.
        if not self._one_at_a_time.acquire(timeout=PATIENCE_S):
            raise ProtocolError("other results are being checked; try again in a minute.")
        try:
            return submit(data, self._board)
        finally:
            self._one_at_a_time.release()

    def _data_of(self, arguments: Any) -> bytes:
        """What was uploaded: the text of a record, or that which a zip of masks scores."""
        if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
            raise ProtocolError("the page sent no file. Reload it.")
        match arguments:
            case [path]:
                with self._uploaded(path).open("rb") as file:
                    return file.read(MAX_BYTES + 1)
            case [path, dataset, name]:
                return score_zip(self._uploaded(path), dataset, name, self._folders)
        raise ProtocolError("the page sent no file. Reload it.")

    def _uploaded(self, path: str) -> Path:
        folder = self._uploads().resolve()
        try:
            found = Path(path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise ProtocolError("the file did not arrive; send it again.") from error
        if not found.is_relative_to(folder) or not found.is_file():
            raise ProtocolError("the file did not arrive; send it again.")
        return found
