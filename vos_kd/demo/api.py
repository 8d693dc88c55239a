"""The endpoints for programs: the same runs, without a page."""

from __future__ import annotations

from vos_kd.demo.desk import Desk


def add_endpoints(desk: Desk) -> None:
    """Put `/segment` and `/compare` into the page that is being built."""
