"""Results in a data set on the Hugging Face hub: pulled over the bundled ones, pushed as a pull request.

    python -m leaderboard.hub pull OWNER/NAME
    python -m leaderboard.hub push OWNER/NAME FILE.json

What was pulled stays in a cache: when the hub is down or slow, the last copy is shown, and said to be one.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import CommitOperationAdd, HfApi

from evaluation.results import ProtocolError, load

REPOSITORY = "VOS_KD_LEADERBOARD"
"""Environment variable: the data set OWNER/NAME whose results are shown over the bundled ones."""
TIMEOUT_S = 10.0
MAX_FILES = 1000
MAX_BYTES = 16 * 2**20
"""Of a file; larger ones are left out."""


class Pulled(NamedTuple):
    """Where pulled results lie."""

    folder: Path
    problem: str | None
    """Why it is an old copy or none at all; None when it is up to date."""


def cache_folder(repository: str) -> Path:
    """Where a data set's results are kept between starts."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "vos-kd" / "leaderboard" / repository.replace("/", "--")


def pull(
    repository: str, *, folder: Path | None = None, endpoint: str | None = None, timeout_s: float = TIMEOUT_S
) -> Pulled:
    """Bring a data set's `*.json` to a folder, and never wait longer than `timeout_s`.

    Args:
        repository: OWNER/NAME of a data set.
        folder: where the files go; by default `cache_folder`.
        endpoint: of the hub; by default the public one, or `HF_ENDPOINT`.
        timeout_s: for everything together. A later answer still renews the folder for the next start.
    """
    folder = folder or cache_folder(repository)
    failure: list[str] = []

    def fetch() -> None:
        try:
            _fetch(repository, folder, HfApi(endpoint=endpoint), timeout_s)
        except Exception as error:  # the hub's client lets errors of several libraries through; all are told
            failure.append((str(error).strip() or type(error).__name__).splitlines()[0])

    thread = threading.Thread(target=fetch, daemon=True, name="leaderboard-pull")
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        failure.append(f"it did not answer within {timeout_s:g} s")
    if not failure:
        return Pulled(folder, None)
    copy = "the last copy is shown" if any(folder.glob("*.json")) else "the bundled results are shown alone"
    return Pulled(folder, f"{repository} on the hub could not be read ({failure[0][:300]}); {copy}.")


def push(files: Sequence[Path], repository: str, *, endpoint: str | None = None, token: str | None = None) -> str:
    """Offer records to a data set as a pull request.

    Args:
        files: records, checked before anything is sent.
        repository: OWNER/NAME of a data set.
        endpoint: of the hub.
        token: to write with; by default the one of `hf auth login`.

    Returns:
        Address of the pull request.

    Raises:
        ProtocolError: a file is no record, or the hub refuses; says why.
    """
    names = [load(path).model.name for path in files]
    operations = [CommitOperationAdd(path_in_repo=path.name, path_or_fileobj=path.read_bytes()) for path in files]
    try:
        commit = HfApi(endpoint=endpoint, token=token).create_commit(
            repository,
            operations,
            commit_message=f"Results of {', '.join(names)}",
            repo_type="dataset",
            create_pr=True,
        )
    except Exception as error:  # the hub's client lets errors of several libraries through
        raise ProtocolError(f"the hub did not take the pull request: {error}. Check `hf auth login`.") from error
    return str(commit.pr_url or commit.commit_url)


def _fetch(repository: str, folder: Path, api: HfApi, timeout_s: float) -> None:
    files = [
        item
        for item in api.list_repo_tree(repository, repo_type="dataset")
        if item.path.endswith(".json") and "/" not in item.path and getattr(item, "size", MAX_BYTES + 1) <= MAX_BYTES
    ][:MAX_FILES]
    folder.mkdir(parents=True, exist_ok=True)
    for item in files:
        api.hf_hub_download(repository, item.path, repo_type="dataset", local_dir=folder, etag_timeout=timeout_s)
    gone = {path.name for path in folder.glob("*.json")} - {item.path for item in files}
    for name in gone:
        (folder / name).unlink()


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done, 2 when the hub or a file is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m leaderboard.hub", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("pull", "bring results to the cache"), ("push", "offer records as a pull request")):
        command = commands.add_parser(name, help=text)
        command.add_argument("repository", metavar="OWNER/NAME")
        command.add_argument("--endpoint", help="of the hub, if not the public one")
        if name == "pull":
            command.add_argument("--timeout", type=float, default=TIMEOUT_S, metavar="SECONDS", help="for everything")
        else:
            command.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    arguments = parser.parse_args(argv)
    if arguments.command == "push":
        try:
            sys.stdout.write(push(arguments.files, arguments.repository, endpoint=arguments.endpoint) + "\n")
        except ProtocolError as error:
            sys.stderr.write(f"leaderboard.hub: error: {error}\n")
            return 2
        return 0
    pulled = pull(arguments.repository, endpoint=arguments.endpoint, timeout_s=arguments.timeout)
    if pulled.problem:
        sys.stderr.write(f"leaderboard.hub: error: {pulled.problem}\n")
        return 2
    sys.stdout.write(f"{pulled.folder}: {len(list(pulled.folder.glob('*.json')))} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
