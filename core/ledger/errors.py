"""What can go wrong with the ledger, by the reaction it asks for."""

from __future__ import annotations


class LedgerRefused(Exception):
    """The ledger was not opened; the text is one line for the operator. Reaction: do not start."""


class LedgerInUse(LedgerRefused):
    """Another process executes on this ledger; the text names it."""


class LedgerTooNew(LedgerRefused):
    """The ledger was written by a newer version of the program."""


class LedgerLost(Exception):
    """Another process may execute on this ledger now. Reaction: stop acting at once."""


class LedgerMisuse(RuntimeError):
    """A mistake of ours: a nested transaction, or one that was used from another task."""
