"""How to do a run again: its command line, and the same through the page's API."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from vos_kd.errors import InputError
from vos_kd.segment_request import Request

PROGRAM = "python -m vos_kd.segment"

_DEFAULT = {field.name: field.default for field in fields(Request)}


def command_line(request: Request) -> str:
    """The command that does what a request asks for, to be pasted into a shell.

    Paths stand as the request has them: the page replaces its temporary ones by names that mean something to the user,
    such as the clip's own and `vos_kd.takeaway.prompt_file(frame)`. For equal masks to the last bit on the same machine
    the request should name device, dtype and threads.

    Raises:
        InputError: a model's name has a comma in it, which the command takes for two models.
    """
    if any("," in name or not name.strip() for name in request.models):
        raise InputError(
            f"the models {', '.join(request.models)} cannot be named in a command; rename the weight file."
        )
    words = [_path(request.clip), f"--mask={request.masks[request.start]}"]
    words += [f"--masks-at={frame}={path}" for frame, path in sorted(request.masks.items()) if frame != request.start]
    words += [f"--model={','.join(request.models)}", f"--out={request.out}"]
    for name in ("start", "end", "every", "short_side", "max_side", "fps", "device", "dtype", "backend", "threads"):
        value = getattr(request, name)
        if value != _DEFAULT[name]:
            words.append(f"--{name.replace('_', '-')}={0 if value is None else value}")
    words += ["--no-overlay"] if not request.overlay else []
    words += [f"--{name}" for name in ("overwrite", "quiet") if getattr(request, name)]
    return f"{PROGRAM} {shlex.join(words)}"


def client_snippet(url: str, api_name: str, arguments: Mapping[str, object]) -> str:
    """Python that calls an endpoint of the page.

    Args:
        url: of the page.
        api_name: of the endpoint, such as "/segment".
        arguments: by name; a `Path` is a file to hand over, also within a list or mapping. The rest is written as
            `repr` does.
    """
    lines = [f"    {name}={_argument(value)},\n" for name, value in arguments.items()]
    return (
        "from gradio_client import Client, handle_file\n\n"
        f"client = Client({url!r})\n"
        f"masks, video, figures = client.predict(\n{''.join(lines)}    api_name={api_name!r},\n)\n"
    )


def _path(path: Path) -> str:
    """A path that cannot be taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _argument(value: object) -> str:
    if isinstance(value, Path):
        return f"handle_file({str(value)!r})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {_argument(one)}' for key, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_argument, value))}]"
    return repr(value)
