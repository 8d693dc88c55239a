"""Reading ahead gives what reading gives, keeps few items waiting, and leaves no thread behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos_kd.errors import InputError
from vos_kd.read_ahead import ReadAhead


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "vos-kd-reader"]


@given(st.lists(st.one_of(st.none(), st.integers(), st.tuples(st.integers()))), st.integers(1, 5))
def test_items_come_in_their_order(items: list[object], limit: int) -> None:
    with ReadAhead(iter(items), limit) as ahead:
        assert list(ahead) == items
        with pytest.raises(StopIteration):  # and again
            next(ahead)
    assert not readers()


def test_an_error_comes_after_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise InputError("frame 2 is damaged")

    with ReadAhead(broken()) as ahead:
        assert [next(ahead), next(ahead)] == [1, 2]
        for _ in range(2):  # and again
            with pytest.raises(InputError, match="frame 2"):
                next(ahead)


def test_few_items_wait_and_leaving_early_ends_the_thread() -> None:
    drawn = []
    asked = threading.Event()

    def endless() -> Iterator[int]:
        for n in range(10**9):
            drawn.append(n)
            if len(drawn) == 6:
                asked.set()
            yield n

    with ReadAhead(endless(), limit=3) as ahead:
        assert [next(ahead), next(ahead)] == [0, 1]
        assert asked.wait(20)  # two taken, three waiting, one in hand
        assert len(drawn) == 6
    assert not readers()
    assert len(drawn) == 6
