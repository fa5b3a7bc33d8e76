"""What governance decides on a dYdX network: markets, margins, fee tiers, limits, genesis money.

Read from one data file, by default the one beside this module, whose figures are those of the local
test genesis in the shape in which its node answers them. Source: docs/protocol.md, limits and
market mathematics.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

from core.dydx.quantums import Scale

DATA_FILE: Final = Path(__file__).with_name("data") / "governance.json"


@dataclass(frozen=True)
class LiquidityTier:
    """Margin class of a market. Open interest caps and the impact notional, at which a premium is
    measured, are in quote quantums; an upper cap of 0 turns scaling off.
    """

    id: int
    initial_margin_ppm: int
    maintenance_fraction_ppm: int
    open_interest_lower_cap: int
    open_interest_upper_cap: int
    impact_notional: int = 0

    @property
    def maintenance_margin_ppm(self) -> int:
        """Maintenance margin in parts per million of the notional, from the base initial margin."""
        return self.initial_margin_ppm * self.maintenance_fraction_ppm // 1_000_000


@dataclass(frozen=True)
class Market:
    """One perpetual market. Perpetual id and clob pair id are the same number; USD price of the
    oracle = integer × 10^price_exponent.
    """

    id: int
    ticker: str
    market_id: int
    scale: Scale
    tier: LiquidityTier
    market_type: Literal["CROSS", "ISOLATED"]
    default_funding_ppm: int
    price_exponent: int
    min_price_change_ppm: int
    genesis_price: int

    def price_integer(self, usd: Decimal) -> int:
        """The oracle's integer of a USD price, rounded down. Raises ValueError below 1."""
        integer = int(usd.scaleb(-self.price_exponent))
        if integer < 1:
            raise ValueError("the price was not positive")
        return integer

    def price_usd(self, integer: int) -> Decimal:
        """USD price of the oracle's integer, exact."""
        return Decimal(integer).scaleb(self.price_exponent)

    def notional(self, quantums: int, price: int) -> int:
        """Quote quantums of a size at the oracle's price, cut toward zero; keeps the sign."""
        exponent = self.scale.atomic_resolution + self.price_exponent + 6
        product = abs(quantums) * price
        value = product * int(10**exponent) if exponent >= 0 else product // int(10**-exponent)
        return value if quantums >= 0 else -value

    def quantums(self, quote_quantums: int, price: int) -> int:
        """Quantums that are worth so much at the oracle's price, cut."""
        exponent = self.scale.atomic_resolution + self.price_exponent + 6
        if exponent < 0:
            return quote_quantums * int(10**-exponent) // price
        return quote_quantums // int(10**exponent) // price


@dataclass(frozen=True)
class Limit:
    """At most `limit` within `blocks` blocks."""

    blocks: int
    limit: int


@dataclass(frozen=True)
class GenesisAccount:
    """A published test account and what it holds at the start."""

    name: str
    address: str
    wallet: tuple[tuple[str, int], ...]
    subaccount_quote_quantums: int


@dataclass(frozen=True)
class Governance:
    """All parameters. `answers` are the recorded answers of parameter queries as protobuf JSON,
    by full gRPC method. `short_block_window` is how many blocks past the next one a short-term
    order may be valid.
    """

    markets: dict[int, Market]
    short_term_limits: tuple[Limit, ...]
    stateful_limits: tuple[Limit, ...]
    stateful_equity_tiers: tuple[tuple[int, int], ...]
    gas_prices: tuple[tuple[str, Decimal], ...]
    genesis: tuple[GenesisAccount, ...]
    answers: dict[str, dict[str, Any]]
    short_block_window: int

    def by_ticker(self, ticker: str) -> Market:
        """The market of a ticker. Raises KeyError for an unknown one."""
        for market in self.markets.values():
            if market.ticker == ticker:
                return market
        raise KeyError(ticker)


class GovernanceUnusable(Exception):
    """A governance file could not be read; the text is one line for the operator."""


def load_governance(path: Path | None = None) -> Governance:
    """Governance from a file, by default the recorded one. Raises GovernanceUnusable."""
    path = path or DATA_FILE
    try:
        return _governance(json.loads(path.read_text()))
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise GovernanceUnusable(
            f"the governance file {path} could not be used ({type(error).__name__}: {error})"
        ) from error


# What the money side reads of the answers by itself.
_READ_ELSEWHERE: Final = (
    "/dydxprotocol.blocktime.Query/DowntimeParams",
    "/dydxprotocol.clob.Query/LiquidationsConfiguration",
    "/dydxprotocol.feetiers.Query/PerpetualFeeParams",
    "/dydxprotocol.perpetuals.Query/Params",
    "/dydxprotocol.rewards.Query/Params",
    "/dydxprotocol.stats.Query/Params",
)


def _governance(raw: dict[str, Any]) -> Governance:
    answers = raw["answers"]
    tiers = {
        row["id"]: LiquidityTier(
            row["id"],
            row["initial_margin_ppm"],
            row["maintenance_fraction_ppm"],
            int(row["open_interest_lower_cap"]),
            int(row["open_interest_upper_cap"]),
            int(row["impact_notional"]),
        )
        for row in answers["/dydxprotocol.perpetuals.Query/AllLiquidityTiers"]["liquidity_tiers"]
    }
    missing = [method for method in _READ_ELSEWHERE if method not in answers]
    if missing:
        raise LookupError(f"no answer for {', '.join(missing)}")
    rates = answers["/dydxprotocol.clob.Query/BlockRateLimitConfiguration"][
        "block_rate_limit_config"
    ]
    equity = answers["/dydxprotocol.clob.Query/EquityTierLimitConfiguration"][
        "equity_tier_limit_config"
    ]
    return Governance(
        markets=_markets(raw["markets"], tiers),
        short_term_limits=_limits(rates["max_short_term_orders_and_cancels_per_n_blocks"]),
        stateful_limits=_limits(rates["max_stateful_orders_per_n_blocks"]),
        stateful_equity_tiers=tuple(
            (_integer(row["usd_tnc_required"]), row["limit"])
            for row in equity["stateful_order_equity_tiers"]
        ),
        gas_prices=tuple((denom, Decimal(text)) for denom, text in raw["gas_prices"].items()),
        genesis=tuple(
            GenesisAccount(
                row["name"],
                row["address"],
                tuple((denom, int(amount)) for denom, amount in row["wallet"].items()),
                int(row["subaccount_quote_quantums"]),
            )
            for row in raw["genesis_accounts"]
        ),
        answers=answers,
        short_block_window=int(raw["short_block_window"]),
    )


def _markets(rows: list[dict[str, Any]], tiers: dict[int, LiquidityTier]) -> dict[int, Market]:
    markets: dict[int, Market] = {}
    for row in rows:
        usd = Decimal(row["genesis_price"])
        markets[row["id"]] = Market(
            id=row["id"],
            ticker=row["ticker"],
            market_id=row["market_id"],
            scale=Scale(
                row["atomic_resolution"],
                row["quantum_conversion_exponent"],
                row["step_base_quantums"],
                row["subticks_per_tick"],
            ),
            tier=tiers[row["liquidity_tier"]],
            market_type=row["market_type"],
            default_funding_ppm=row["default_funding_ppm"],
            price_exponent=row["price_exponent"],
            min_price_change_ppm=row["min_price_change_ppm"],
            genesis_price=int(usd.scaleb(-row["price_exponent"])),
        )
    return markets


def _limits(rows: list[dict[str, int]]) -> tuple[Limit, ...]:
    return tuple(Limit(row["num_blocks"], row["limit"]) for row in rows)


def _integer(text: str) -> int:
    """A SerializableInt as protobuf JSON shows it: base64 of a sign byte and the magnitude."""
    raw = base64.b64decode(text)
    magnitude = int.from_bytes(raw[1:], "big")
    return -magnitude if raw[:1] == b"\x03" else magnitude
