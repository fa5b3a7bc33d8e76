"""Writes that are a transaction of their own: committed where they stand, together with nothing.

Everything else is written inside `Ledger.executing` or by `Ledger.commit`.
"""

from __future__ import annotations

import contextvars
import functools
import os
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from core import failpoints

P = ParamSpec("P")
T = TypeVar("T")

_declared: contextvars.ContextVar[bool] = contextvars.ContextVar("alone", default=False)


def alone(write: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Declares a function that is one such write; behind it lies a failpoint."""

    @functools.wraps(write)
    async def declared(*args: P.args, **kwargs: P.kwargs) -> T:
        place = failpoints.site()
        token = _declared.set(True)
        try:
            told = await write(*args, **kwargs)
        finally:
            _declared.reset(token)
        failpoints.done(place)
        return told

    return declared


def undeclared(query: str) -> None:
    """Called with each statement outside a transaction: a test that lets the process die behind
    every write hears of one that nobody declared.
    """
    if failpoints.EACH not in os.environ or _declared.get():
        return
    if query.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
        failpoints.done(f"undeclared {failpoints.site()}")
