"""What the desk tells of keys: the offer to make one, and how work on one stands."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.dydx.network import NetworkName


@dataclass(frozen=True)
class FeeView:
    """The network fee in one coin and what the wallet holds of it, in whole coins."""

    coin: str
    amount: Decimal
    held: Decimal

    @property
    def missing(self) -> Decimal:
        return max(self.amount - self.held, Decimal(0))


@dataclass(frozen=True)
class KeyOffer:
    """What making a trading key takes. The fee is paid in one of the coins of `fees`, the first
    that the wallet can pay; `pays` names it, None when it can pay none. `markets`: what the key may
    trade, of `markets_listed` that the network lists for cross margin.
    `replaces`: the account is connected and gets this key in place of its own.
    """

    token: str
    network: NetworkName
    address: str
    subaccount_number: int
    equity: Decimal | None
    free_collateral: Decimal | None
    known_on_chain: bool
    fees: tuple[FeeView, ...]
    pays: str | None
    markets: tuple[str, ...]
    markets_listed: int
    replaces: bool = False


@dataclass(frozen=True)
class KeyWorkView:
    """How work on a key stands. `kind` and `state`: core/trading/key_states.py; `text` is a
    sentence for its trader where it is stuck or failed; `report` holds counts of what was done.
    """

    id: int
    trader_id: int
    kind: str
    state: str
    network: NetworkName
    address: str
    subaccount_number: int
    account_id: int | None
    authenticator_id: int | None
    markets: tuple[str, ...] | None
    tx_hash: str | None
    message_id: int | None
    code: str | None
    text: str | None
    fees: tuple[FeeView, ...]
    report: dict[str, Any]
