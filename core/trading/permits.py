"""Whether an order may be made at all: whose market it is, what the strategy's mode and limits
allow, whether the network is known well enough. What only reduces a position passes.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

from core.dydx.markets import Market
from core.dydx.protocol import Side
from core.ledger import intents, strategies
from core.ledger.models import Account, Intent, Position
from core.signals.alert import Action
from core.trading.course import Leg
from core.trading.decision import Held, Refusal, check_age, check_market
from core.trading.key_loss import check_key
from core.trading.parking import Parked
from core.trading.parts import Parts
from core.trading.plan import level_from_json, level_price, side_fault, targets_from_json
from core.trading.resting import Resting
from core.trading.risk.ask import Ask
from core.trading.rows import opens
from core.trading.wishes import wish_of

_SELLING: Final = frozenset({Action.SELL, Action.SHORT})
SUPERSEDED: Final = (
    "superseded",
    "A close came before this was carried out; nothing was opened.",
)


class Permits:
    """The gate before new exposure of one account."""

    def __init__(self, account: Account, resting: Resting, parts: Parts) -> None:
        self._account = account
        self._resting = resting
        self._parts = parts

    async def look(self, intent: Intent, market: Market) -> None:
        """Before the lane's lock: lets the firewall read what a limit needs from the network."""
        firewall = self._parts.firewall
        if firewall is not None:
            side = Side.SELL if wish_of(intent).action in _SELLING else Side.BUY
            entry = Leg("open", side, Decimal(0))
            await firewall.look(self._ask(intent, entry, Decimal(0), market))

    async def check_opening(
        self, intent: Intent, leg: Leg, held: Held | None, market: Market, stale: str | None
    ) -> None:
        """Raises Refusal where nothing may be opened now, Parked where the strategy's mode says
        that it is not to be.
        """
        assert market.oracle_price is not None
        check_intent_age(intent, self._parts.clock.now())
        mode = intent.payload.get("mode", "live")
        if mode == "paused":
            raise Refusal("strategy_paused", "The strategy is paused; nothing was sent.")
        check_key(self._account)
        self._check_standing()
        if stale is not None:
            raise Refusal("prices_stale", f"{stale} Nothing was sent.")
        self._check_levels(intent, market)
        check_market(market)
        _check_plan(intent, leg, market)
        if mode in ("ask", "shadow"):
            raise Parked("asking" if mode == "ask" else "shadow", mode, _would(leg, market))
        if self._parts.firewall is not None:
            before = held.size if held is not None and leg.kind == "add" else Decimal(0)
            await self._parts.firewall.check(self._ask(intent, leg, before, market))

    def note_stored(self) -> None:
        """What was allowed to open something is in the ledger; the next order is held against it,
        also where the figures were read again before it was there.
        """
        if self._parts.firewall is not None:
            self._parts.firewall.note_change(self._account.id)

    def _ask(self, intent: Intent, leg: Leg, before: Decimal, market: Market) -> Ask:
        terms = wish_of(intent).terms
        return Ask(
            trader_id=self._account.trader_id,
            account_id=self._account.id,
            strategy_id=intent.payload.get("strategy_id"),
            ticker=market.ticker,
            side=leg.side,
            size=leg.size,
            price=terms.price,
            before=before,
            after=before + leg.side.sign * leg.size,
            reduce_only=False,
            kind=terms.kind.value,
            market=market,
            now=self._parts.clock.now(),
        )

    async def check_owner(self, intent: Intent, position: Position | None, ticker: str) -> None:
        """A market belongs to the strategy that opened it until it is flat. Raises Refusal."""
        if self._account.sharing or not speaks_for_strategy(intent):
            return
        mine = intent.payload["strategy_id"]
        owner = position.strategy_id if position is not None else await self._waiting(ticker, mine)
        if position is not None and owner is None:
            raise Refusal(
                "position_external",
                f"The {ticker} position was opened by hand; the bot does not touch it. Adopt it "
                "into a strategy to have alerts act on it. Nothing was sent.",
            )
        if owner is None or owner == mine:
            return
        strategy = await strategies.get(owner)
        raise Refusal(
            "market_in_use",
            f"{ticker} belongs to strategy {strategy.name if strategy is not None else owner} "
            "until it is flat. Nothing was sent.",
        )

    async def _waiting(self, ticker: str, mine: int) -> int | None:
        """The strategy whose entry waits in a flat market: this one's own before others."""
        waiting = [row for row in self._resting.living() if row.ticker == ticker and opens(row)]
        owners = await intents.strategies_of({row.intent_id for row in waiting if row.intent_id})
        found = {owner for owner in owners.values() if owner is not None}
        return mine if mine in found else min(found, default=None)

    def _check_levels(self, intent: Intent, market: Market) -> None:
        """A stop or target read off a chart is refused where the prices follow no chart."""
        plan = intent.payload.get("plan") or {}
        levels = [target.level for target in targets_from_json(plan.get("take_profit"))]
        for level in [*levels, level_from_json(plan.get("stop_loss"))]:
            if level is None or level.price is None:
                continue
            far = self._parts.venue.far_from_paper_price(level.price, market)
            if far is not None:
                raise Refusal("price_not_of_paper", f"{far} Nothing was sent.")

    def _check_standing(self) -> None:
        standing = self._parts.venue.compliance.state(self._account.id)
        if not standing.may_open:
            raise Refusal(
                f"account_{standing.value}",
                "dYdX lets this account only close positions. Nothing was sent."
                if not standing.blocked
                else "dYdX does not serve this account: it refuses its address or the place from "
                "which it is asked. Nothing was sent.",
            )


def speaks_for_strategy(intent: Intent) -> bool:
    """Whether an intent acts on what its strategy holds, and not on a position as such, as a plan's
    close does.
    """
    return intent.source == "signal" or ("wish" in intent.payload and intent.source != "watch")


def check_intent_age(intent: Intent, now: dt.datetime) -> None:
    """Raises Missed where an alert is too old to act on."""
    age_s = max_age_s(intent)
    if age_s is not None:
        check_age(asked_at(intent), None, age_s, now)


def asked_at(intent: Intent) -> dt.datetime:
    """When an intent was asked for: the alert's own time, or when it came."""
    given = intent.payload.get("asked_at")
    return dt.datetime.fromisoformat(given) if given else intent.created_at


def max_age_s(intent: Intent) -> int | None:
    """How old the alert of an intent may be, in seconds; None for what a person asks."""
    limits = intent.payload.get("limits")
    return None if limits is None else int(limits["max_alert_age_s"])


def check_version(intent: Intent, position: Position | None) -> None:
    """A button acts on the position that its presser saw, not on what became of it meanwhile."""
    version = intent.payload.get("version")
    if version is None or position is None:
        return
    if position.id != intent.position_id or position.version != version:
        raise Refusal(
            "position_changed",
            f"The {position.ticker} position changed before this was carried out. "
            "Nothing was sent; look at it again.",
        )


def _would(leg: Leg, market: Market) -> str:
    """What an order would do, as a sentence."""
    assert market.oracle_price is not None
    size = market.scale.size_of(market.scale.quantums_down(leg.size)).normalize()
    verb = "buy" if leg.side is Side.BUY else "sell"
    return f"It would {verb} {size:f} {market.ticker} at about {market.oracle_price.normalize():f}."


def _check_plan(intent: Intent, leg: Leg, market: Market) -> None:
    """A plan whose prices would close the position at once is refused before anything is sent."""
    plan = intent.payload.get("plan") or {}
    price, tick = market.oracle_price, market.tick_size
    assert price is not None
    price = wish_of(intent).terms.price or price
    long = leg.side is Side.BUY
    stop = level_price(
        level_from_json(plan.get("stop_loss")), long=long, above=False, entry=price, tick=tick
    )
    targets = [
        level_price(target.level, long=long, above=True, entry=price, tick=tick)
        for target in targets_from_json(plan.get("take_profit"))
    ]
    for target in targets or [None]:
        fault = side_fault(long=long, price=price, take_profit=target, stop_loss=stop)
        if fault is not None:
            raise Refusal("plan_side", f"{fault} Nothing was sent.")
