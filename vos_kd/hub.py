"""Files of Hugging Face repositories, each at a pinned revision: `OWNER/REPO@REVISION`."""

from __future__ import annotations

import re
from pathlib import Path

from vos_kd.errors import InputError


def is_repository(name: str) -> bool:
    """Whether a text may be the name of a hub repository, with or without a revision."""
    return re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", name) is not None


def hub_file(name: str, file: str) -> Path:
    """A file of a repository; one that is in the hub's local cache is used from there without asking the network.

    Args:
        name: `OWNER/REPO@REVISION`.
        file: its name in the repository.

    Raises:
        InputError: no revision, no such repository or file, or the hub is out of reach.
    """
    # Imported here: a second of start-up that bundled weights need not pay.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    if not revision:
        raise InputError(f"hub repository {name!r} has no revision; pin one as {name}@COMMIT, so that runs repeat.")
    try:
        return Path(hf_hub_download(repository, file, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        pass  # not in the local cache: ask the network
    except HFValidationError as error:
        raise InputError(f"{name!r} is no hub repository: {str(error).splitlines()[0]}") from error
    try:
        return Path(hf_hub_download(repository, file, revision=revision, etag_timeout=10))
    except Exception as error:  # the hub's client lets errors of several libraries through; all are told
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"cannot get {file} of hub repository {name!r}: {reason}") from error
