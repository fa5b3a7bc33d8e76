"""`python -m bot alert`: what alerts would do. JSON lines in, one JSON line out for each."""

from __future__ import annotations

import json
import sys
import traceback
from typing import BinaryIO, Final, TextIO

from core.signals.evaluate import answer, rejected

_FAILED: Final = rejected("internal_error", "The line could not be answered; see the log.")


def answer_alerts(lines: BinaryIO, answers: TextIO, log: TextIO) -> int:
    """Answers every line in order, the empty ones too; returns the exit status. A mistake of ours
    costs its line a rejection and a stack in the log, and never the lines after it.
    """
    for line in lines:
        try:
            told = answer(line)
        except Exception:
            traceback.print_exc(file=log)
            told = _FAILED
        answers.write(f"{json.dumps(told)}\n")
    answers.flush()
    return 0


def answer_standard_input() -> int:
    """The command: standard input to its end, answers to standard output."""
    return answer_alerts(sys.stdin.buffer, sys.stdout, sys.stderr)
