"""Who trades in the simulation: traders with their accounts and strategies, and what they send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from bip_utils import Bip39MnemonicGenerator

from core.dydx.keys import SigningKey
from core.paper.happenings import SubaccountKey

ROUNDING = Decimal("0.000000001")


@cache
def phrase_of(number: int) -> str:
    """A valid phrase of twelve words."""
    return str(Bip39MnemonicGenerator().FromEntropy(bytes([number]) * 16).ToStr())


@cache
def key_of(number: int) -> SigningKey:
    return SigningKey.from_phrase(phrase_of(number))


@dataclass(frozen=True)
class Cast:
    """A trader with one account: funds in USD, sizes by ticker, and the names of his strategies,
    which share markets or keep to their own.
    """

    number: int
    name: str
    usd: int
    sizes: Mapping[str, tuple[str, ...]]
    strategies: tuple[str, ...] = ("one",)
    shares: bool = False


_LARGE = {
    "BTC-USD": ("0.01", "0.02", "0.03"),
    "ETH-USD": ("0.2", "0.5", "1"),
    "SOL-USD": ("4", "8", "16"),
}
_SMALL = {"ETH-USD": ("0.01", "0.02"), "SOL-USD": ("0.2", "0.4")}

CASTS = (
    Cast(1, "Ada", 20_000, _LARGE, ("trend", "swing")),
    Cast(2, "Ben", 10_000, _LARGE, ("fast", "slow"), shares=True),
    Cast(3, "Cem", 130, _SMALL),
)


@dataclass
class Strategy:
    """A webhook as its owner knows it."""

    owner: Person
    name: str
    id: int
    webhook: str
    secret: str


@dataclass
class Person:
    """A trader as the world knows him."""

    cast: Cast
    key: SubaccountKey
    view: Any = None
    account_id: int = 0
    strategies: list[Strategy] = field(default_factory=list)
    panic_key: str | None = None
    """Of the panic that he called in this episode."""


@dataclass
class Sent:
    """An alert and what it may do at most, in coins: `opens` more exposure, `closes` of it (None:
    all that is held). `target`: where it says that its chart stands; `sized`: and with how much.
    """

    id: str
    strategy: Strategy
    ticker: str
    action: str
    body: bytes
    opens: Decimal
    closes: Decimal | None
    at: float
    target: str | None = None
    sized: bool = False
    answers: list[Any] = field(default_factory=list)
    sendings: int = 0

    @property
    def accepted(self) -> bool:
        """Whether the bot said that it has it."""
        return any(answer.http_status == 200 for answer in self.answers)


def alert_body(
    strategy: Strategy, ticker: str, action: str, alert_id: str, at: str, fields: dict[str, Any]
) -> bytes:
    """What TradingView sends."""
    symbol = ticker.replace("-", "")
    content = {
        "secret": strategy.secret,
        "symbol": symbol,
        "action": action,
        "id": alert_id,
        "time": at,
    }
    return json.dumps(content | fields).encode()
