"""`python -m bot alert`: one answer a line, in order, whatever the lines hold."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.alert import answer_alerts
from core.signals.evaluate import answer

ROOT = Path(__file__).parents[2]


def line(**fields: Any) -> bytes:
    body = {"symbol": "BTCUSDT.P", "action": "buy", "size": 1, **fields}
    return json.dumps({"body": json.dumps(body), "received_at": "2026-01-31T12:00:30Z"}).encode()


def run(given: bytes, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """The command as an operator starts it, without a setting, in an empty folder."""
    return subprocess.run(
        [sys.executable, "-m", "bot", "alert"],
        input=given,
        capture_output=True,
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        timeout=60,
        check=False,
    )


def test_every_line_is_answered_in_order_and_nothing_else_is_written(tmp_path: Path) -> None:
    lines = [line(), b"", b"not json", line(action="sell"), b"\xff", line(action="hold"), b"\r"]
    done = run(b"\n".join(lines), tmp_path)

    answers = [json.loads(text) for text in done.stdout.splitlines()]
    assert [answer["intent"] for answer in answers] == [
        *("open", "reject", "reject", "open", "reject", "reject", "reject"),
    ]
    assert [answer["side"] for answer in answers if answer["intent"] == "open"] == ["BUY", "SELL"]
    assert (done.returncode, done.stderr) == (0, b"")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("given", "answers"), [(b"", 0), (b"\n", 1), (b"\n\n", 2), (b"x", 1)])
def test_there_are_as_many_answers_as_lines(given: bytes, answers: int, tmp_path: Path) -> None:
    done = run(given, tmp_path)

    assert (done.returncode, len(done.stdout.splitlines())) == (0, answers)


def test_the_command_loads_neither_chat_nor_ledger_nor_network() -> None:
    code = (
        "import sys, bot.cli, bot.alert; "
        "print([n for n in ('aiogram', 'tortoise', 'aiohttp', 'grpc') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, cwd=ROOT, timeout=60, check=True
    )

    assert done.stdout.strip() == b"[]"


def test_a_mistake_of_ours_costs_one_line_and_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_once(given: bytes) -> dict[str, Any]:
        if given == b"bad\n":
            raise ZeroDivisionError
        return answer(given)

    monkeypatch.setattr("bot.alert.answer", fails_once)
    answers, log = io.StringIO(), io.StringIO()

    assert answer_alerts(io.BytesIO(b"bad\n" + line()), answers, log) == 0
    first, second = (json.loads(text) for text in answers.getvalue().splitlines())
    assert (first["intent"], first["error"]["code"]) == ("reject", "internal_error")
    assert second["intent"] == "open"
    assert "ZeroDivisionError" in log.getvalue()
