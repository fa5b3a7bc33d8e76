"""Moments of work on keys at which a test lets the process die, as `core.failpoints` has them."""

from __future__ import annotations

from typing import Final

STEP: Final = "core.trading.key_steps.move"
MAKER: Final = "core.trading.key_making.KeyMaker"
ERASED: Final = f"{MAKER}._erase"
# In their order, each as counted in one life of the process.
MAKING: Final = (
    "core.trading.key_desk.KeyDesk.make_key",  # the keys are sealed, nothing is signed
    STEP,  # the transaction that gives the key its permission is committed, no byte left
    f"{MAKER}._send",  # a node answered for it
    f"{STEP} 2",  # a block holds it, the ledger knows
    f"{MAKER}._prove",  # a node answered for the order that proves the key
    f"{STEP} 3",  # the ledger knows that such an order was accepted; it is not cancelled
    ERASED,  # the owner's key is erased, its traces are not
)
CANCELLED: Final = "core.trading.sweeping.OrderSweep._cancel_one"  # a node answered for a cancel
LEFT: Final = "core.trading.key_leaving.erase"  # its key is erased, the traces are not
REMOVAL: Final = "core.trading.key_desk.KeyDesk.remove_key"  # signed and stored, no byte left
LEAVING: Final = (CANCELLED, LEFT, REMOVAL)
KEYS: Final = (*MAKING, *LEAVING)
