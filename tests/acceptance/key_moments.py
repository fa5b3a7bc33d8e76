"""The moments of work on keys at which a test lets the process die."""

from __future__ import annotations

from typing import Final

MAKING: Final = (
    "key_sealed",
    "key_signed",
    "key_sent",
    "key_included",
    "key_tried",
    "key_proved",
    "key_erased",
)
LEAVING: Final = ("leave_cancelled", "leave_erased")
REMOVING: Final = ("removal_signed",)
KEYS: Final = (*MAKING, *LEAVING, *REMOVING)
