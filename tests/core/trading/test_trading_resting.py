"""The same bytes go out again only while nobody else sends them and nothing is decided."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core.dydx.node import Outcome
from core.ledger import orders
from core.trading.resting import Resting


class Room:
    """An order that was looked up while it was `known` to the lookup as being broadcast."""

    def __init__(self, in_hand: bool) -> None:
        self.sent: list[bytes] = []
        venue = SimpleNamespace(broadcast=self._broadcast)
        ledger = SimpleNamespace(check_granted=lambda: None)
        bench: Any = SimpleNamespace(parts=SimpleNamespace(venue=venue, ledger=ledger))
        sender: Any = SimpleNamespace(has_in_hand=lambda order: in_hand)
        self.resting = Resting(bench, sender, self._book)

    async def _broadcast(self, tx: bytes, *, resend: bool) -> Any:
        self.sent.append(tx)
        return SimpleNamespace(outcome=Outcome.UNKNOWN, endpoint="a")

    async def _book(self, fills: Any) -> None:
        raise AssertionError("nothing filled")


@pytest.mark.parametrize(
    ("state", "in_hand", "sent"),
    [
        ("broadcasting", False, [b"tx"]),
        ("unknown", False, [b"tx"]),
        ("broadcasting", True, []),
        ("refused", False, []),
        ("canceled", False, []),
    ],
)
async def test_an_order_that_was_decided_while_it_was_looked_up_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch, state: str, in_hand: bool, sent: list[bytes]
) -> None:
    room = Room(in_hand)
    looked_up: Any = SimpleNamespace(id=1, tx=b"tx", state="broadcasting")

    async def get(order_id: int) -> Any:
        return SimpleNamespace(id=order_id, tx=b"tx", state=state)

    monkeypatch.setattr(orders, "get", get)
    await room.resting._send_again(looked_up)
    assert room.sent == sent
