"""What the indexer's REST service can answer other than what it was asked for."""

from __future__ import annotations

from enum import StrEnum

from core.dydx.answers import Fault


class BlockCode(StrEnum):
    """Why dYdX does not serve somebody. Source: docs/protocol.md, REST."""

    GEOBLOCKED = "GEOBLOCKED"
    """The place from which it is asked."""
    COMPLIANCE_BLOCKED = "COMPLIANCE_BLOCKED"
    """The address that is asked for."""


class IndexerError(Exception):
    """The indexer gave no usable answer; nothing may be concluded from it."""


class IndexerUnreachable(IndexerError):
    """No answer, or only that it cannot answer now. Try again later."""


class IndexerUnreadable(IndexerError):
    """An answer whose content is not understood."""


class IndexerRefused(IndexerError):
    """The indexer refuses this request; the same one will be refused again."""

    def __init__(self, status: int, errors: tuple[Fault, ...]) -> None:
        super().__init__(f"{status}: {'; '.join(fault.msg for fault in errors)}"[:300])
        self.status = status
        self.errors = errors


class IndexerBlocked(IndexerRefused):
    """dYdX does not serve this address or place: stop, tell its trader, never work around it."""

    def __init__(self, status: int, errors: tuple[Fault, ...], code: BlockCode) -> None:
        super().__init__(status, errors)
        self.code = code


def refusal(status: int, errors: tuple[Fault, ...]) -> IndexerRefused:
    """The error for an answer with this status and these reasons."""
    known = {code.value: code for code in BlockCode}
    if status == 403:
        for fault in errors:
            if fault.code in known:
                return IndexerBlocked(status, errors, known[fault.code])
    return IndexerRefused(status, errors)
