"""Moments at which a test lets the process die as by kill -9, without a last word.

Nothing happens unless the environment names one: `PERPGRAM_FAILPOINT=order_sent`, or
`order_sent:2` for the second time that this process comes there.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Final

VARIABLE: Final = "PERPGRAM_FAILPOINT"

NAMES: Final = (
    "alert_stored",  # signal and intent are committed, the alert is not answered
    "order_stored",  # the signed order is committed, no byte left
    "order_sent",  # a node answered, the ledger does not know what
    "fills_booking",  # fills are known and half booked
    "fills_booked",  # fills are committed, nobody was told
    "stop_stored",  # the signed order of a plan is committed, no byte left
    "stop_sent",  # a node answered for it, the ledger does not know what
    "cancel_stored",  # the wish to cancel an order is committed, no byte left
    "cancel_sent",  # a node answered for the cancel
    "close_stored",  # a plan was met and its closing intent committed
    "message_sent",  # Telegram took a new message, the outbox does not know
    "account_opening",  # a paper account is funded, its key not stored
    "key_sealed",  # the keys of a trading key in the making are sealed, nothing is signed
    "key_signed",  # the transaction that gives it its permission is committed, no byte left
    "key_sent",  # a node answered for it
    "key_included",  # a block holds it, the ledger knows
    "key_tried",  # a node answered for the order that proves the key, the ledger does not know
    "key_proved",  # the ledger knows that such an order was accepted; it is not cancelled
    "key_erased",  # the owner's key is erased, its traces are not
    "leave_cancelled",  # a node answered for a cancel of an account that is disconnected
    "leave_erased",  # its key is erased, the traces of it are not
    "removal_signed",  # the removal of a permission is signed and stored, no byte left
    "account_stored",  # an account is committed, its first strategy not made
)

_seen: Counter[str] = Counter()


def hit(name: str) -> None:
    """The process is at this moment now."""
    armed = os.environ.get(VARIABLE)
    if armed is None:
        return
    wanted, _, number = armed.partition(":")
    if wanted != name:
        return
    _seen[name] += 1
    if _seen[name] == int(number or 1):
        os.kill(os.getpid(), signal.SIGKILL)
