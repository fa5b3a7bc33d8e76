"""Checks that are sentences: how one is carried out, noted and printed."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TextIO, TypeVar

Verdict = Literal["PASS", "FAIL", "SKIP"]
T = TypeVar("T")


class Mismatch(Exception):
    """The network did something else than the sentence says."""


class Skip(Exception):
    """The check cannot be made here; the text says why."""


@dataclass(frozen=True)
class Noted:
    """One check's end. `took_s` is wall-clock seconds."""

    chapter: str
    sentence: str
    verdict: Verdict
    reason: str
    took_s: float

    @property
    def failed(self) -> bool:
        return self.verdict == "FAIL"


@dataclass
class Report:
    """All checks of a run, printed as they end."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    only_failures: bool = False
    noted: list[Noted] = field(default_factory=list)

    def note(self, noted: Noted) -> None:
        self.noted.append(noted)
        if self.only_failures and noted.verdict == "PASS":
            return
        tail = f"  ({noted.reason})" if noted.reason else ""
        print(
            f"{noted.verdict}  {noted.chapter}: {noted.sentence}{tail}", file=self.out, flush=True
        )

    def count(self, verdict: Verdict) -> int:
        return sum(row.verdict == verdict for row in self.noted)

    @property
    def good(self) -> bool:
        """Whether something was checked and nothing failed."""
        return self.count("PASS") > 0 and self.count("FAIL") == 0

    def end(self, network: str, took_s: float) -> None:
        """The counts, as a line for people and as the last line for programs."""
        passed, failed, skipped = (self.count(v) for v in ("PASS", "FAIL", "SKIP"))
        print(
            f"{passed} passed, {failed} failed, {skipped} skipped on {network} in {took_s:.0f} s",
            file=self.out,
        )
        counts = {
            "network": network,
            "passed": passed,
            "failed": failed,
            "skipped": skipped,
            "seconds": round(took_s, 1),
        }
        print(json.dumps(counts), file=self.out, flush=True)


class Chapter:
    """The part of a run that one chapter's function carries out."""

    def __init__(self, report: Report, name: str) -> None:
        self.name = name
        self._report = report

    @asynccontextmanager
    async def check(self, sentence: str, within_s: float = 40.0) -> AsyncIterator[None]:
        """One check. What goes wrong inside is noted as its failure, and the chapter goes on."""
        started = time.monotonic()
        verdict: Verdict = "FAIL"
        reason = ""
        try:
            async with asyncio.timeout(within_s):
                yield
            verdict = "PASS"
        except Skip as skip:
            verdict, reason = "SKIP", str(skip)
        except Mismatch as mismatch:
            reason = str(mismatch)
        except TimeoutError:
            reason = f"not within {within_s:.0f} s"
        except Exception as error:
            reason = _where(error)
        self._report.note(Noted(self.name, sentence, verdict, reason, time.monotonic() - started))

    def skip(self, reason: str, *sentences: str) -> None:
        """Notes checks that cannot be made here."""
        for sentence in sentences:
            self._report.note(Noted(self.name, sentence, "SKIP", reason, 0.0))


def _where(error: BaseException) -> str:
    """An error and the line of this suite that met it."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "tests/conformance" in frame.filename
    ]
    at = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {str(error)[:300]}{at}"


def expect(actual: object, wanted: object, what: str = "") -> None:
    """Raises Mismatch unless both are equal."""
    if actual != wanted:
        raise Mismatch(f"{what + ': ' if what else ''}was {actual!r}, not {wanted!r}")


def expect_that(holds: object, otherwise: str) -> None:
    """Raises Mismatch with the text unless it holds."""
    if not holds:
        raise Mismatch(otherwise)


async def until(
    what: str,
    ask: Callable[[], Awaitable[T | None]],
    within_s: float = 20.0,
    pause_s: float = 0.25,
) -> T:
    """The first answer that is not None or False. Raises Mismatch after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while True:
        answer = await ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() >= deadline:
            raise Mismatch(f"{what} was not seen within {within_s:.0f} s")
        await asyncio.sleep(pause_s)
