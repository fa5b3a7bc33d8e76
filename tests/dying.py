"""Has what runs in the test's own process stop at a moment at which a process would die."""

from __future__ import annotations

import asyncio
import os

import pytest

from core import failpoints


class Died(BaseException):
    """The process is gone at this moment."""


def die_at(monkeypatch: pytest.MonkeyPatch, moment: str) -> asyncio.Event:
    """Raises Died once behind a write or a send of a function, or behind the second one with
    `<function> 2`; see `core.failpoints`. The event tells that it did.
    """
    wanted, _, number = moment.partition(" ")
    left, died = int(number or 1), asyncio.Event()

    def done(place: str) -> None:
        nonlocal left
        if failpoints.function_of(place) != wanted or died.is_set():
            return
        left -= 1
        if not left:
            died.set()
            raise Died(place)

    monkeypatch.setenv(failpoints.ONE, os.devnull)
    monkeypatch.setattr(failpoints, "done", done)
    return died
