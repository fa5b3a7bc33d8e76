"""The rows of the ledger. What each word means stands in docs/architecture.md.

Rules of this file: surrogate generated primary keys; amounts are MoneyField; a NOT NULL column that
is added later carries `db_default`; no foreign key cascades; nothing secret is stored outside
`Credential.sealed` and `SealedKey.sealed` but as a hash.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tortoise import fields
from tortoise.fields import OnDelete
from tortoise.models import Model

from core.ledger.fields import money, money_or_none

# Nothing that money hangs on disappears because its parent did.
RESTRICT = OnDelete.RESTRICT


class Meta(Model):
    """Facts about the ledger itself: vault canary, installation id, epoch of the executor."""

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=64, unique=True)
    value = fields.TextField()

    class Meta:
        table = "meta"


class Trader(Model):
    """A Telegram user who talks to the bot. role: pending, trader, admin, blocked, refused.

    `zone` (IANA name) is where his days begin; `next_zone` takes its place at `next_zone_from`.
    `mock_when_unreachable`: an order that no node could be given becomes a mock order.
    """

    id = fields.IntField(primary_key=True)
    telegram_id = fields.BigIntField(unique=True)
    name = fields.CharField(max_length=128)
    role = fields.CharField(max_length=16)
    reachable = fields.BooleanField(default=True, db_default=True)
    zone = fields.CharField(max_length=64, default="UTC", db_default="UTC")
    next_zone = fields.CharField(max_length=64, null=True)
    next_zone_from = fields.DatetimeField(null=True)
    mock_when_unreachable = fields.BooleanField(default=False, db_default=False)
    created_at = fields.DatetimeField()

    class Meta:
        table = "trader"


class AdminLink(Model):
    """A one-time link that makes its first visitor admin; only the hash of its token is kept."""

    id = fields.IntField(primary_key=True)
    token_hash = fields.CharField(max_length=64, unique=True)
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "admin_link"


class Account(Model):
    """A dYdX subaccount that the bot may trade for a trader. state: active, leaving (its orders are
    being cancelled, then its key is erased), disconnected.

    `sharing`: several strategies may hold one market. `without_stop_room`: what becomes of an entry
    whose stop cannot rest on chain: refuse, or watch (by the bot). `key_lost_at`: since when the
    chain refuses the account's key. `since_height`: the block whose positions were taken over; what
    was traded up to it is not booked. NULL until they are. `standing`: what dYdX lets the account
    do, as it was told last.
    """

    id = fields.IntField(primary_key=True)
    trader: fields.ForeignKeyRelation[Trader] = fields.ForeignKeyField(
        "ledger.Trader", related_name="accounts", on_delete=RESTRICT
    )
    trader_id: int
    network = fields.CharField(max_length=16)
    address = fields.CharField(max_length=64)
    subaccount_number = fields.IntField()
    chain_account_number = fields.BigIntField(null=True)
    partition = fields.IntField()
    next_client_id = fields.BigIntField()
    last_sequence = fields.BigIntField(default=0, db_default=0)
    fills_height = fields.BigIntField(default=0, db_default=0)
    since_height = fields.BigIntField(null=True)
    sharing = fields.BooleanField(default=False, db_default=False)
    without_stop_room = fields.CharField(max_length=8, default="refuse", db_default="refuse")
    key_lost_at = fields.DatetimeField(null=True)
    standing = fields.CharField(max_length=20, default="unknown", db_default="unknown")
    state = fields.CharField(max_length=16)
    created_at = fields.DatetimeField()

    class Meta:
        table = "account"
        unique_together = (("network", "address", "subaccount_number"),)


class Credential(Model):
    """What signs for an account, sealed by the vault. kind: mnemonic (kept as its derived signing
    key), trading_key (signs through an authenticator, by its id: ids begin at 0).

    `clob_pairs`: the markets that a trading key may trade; NULL for all.
    """

    id = fields.IntField(primary_key=True)
    record = fields.UUIDField(unique=True)
    account: fields.OneToOneRelation[Account] = fields.OneToOneField(
        "ledger.Account", related_name="credential", on_delete=RESTRICT
    )
    account_id: int
    trader_id = fields.IntField()
    kind = fields.CharField(max_length=16)
    sealed = fields.BinaryField()
    authenticator_id = fields.BigIntField(null=True)
    clob_pairs: list[int] | None = fields.JSONField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "credential"


class KeyWork(Model):
    """Work on a key that takes several steps on chain and goes on after a restart. kind: make (a
    trading key from a phrase), remove (its permission, with the phrase), leave (an account is
    disconnected). States and their transitions: core/trading/key_states.py.

    `tx` is what was signed last, `nonce` its timestamp nonce in milliseconds. `message_id`: the
    chat message that shows the progress. `report`: what came of it, for that message.
    """

    id = fields.IntField(primary_key=True)
    trader_id = fields.IntField()
    kind = fields.CharField(max_length=8)
    state = fields.CharField(max_length=12)
    network = fields.CharField(max_length=16)
    address = fields.CharField(max_length=64)
    subaccount_number = fields.IntField()
    account_id = fields.IntField(null=True)
    public_key = fields.CharField(max_length=66, null=True)
    authenticator_id = fields.BigIntField(null=True)
    clob_pairs: list[int] | None = fields.JSONField(null=True)
    nonce = fields.BigIntField(null=True)
    tx = fields.BinaryField(null=True)
    tx_hash = fields.CharField(max_length=64, null=True)
    message_id = fields.BigIntField(null=True)
    reason_code = fields.CharField(max_length=48, null=True)
    reason_text = fields.TextField(null=True)
    report: dict[str, Any] | None = fields.JSONField(null=True)
    created_at = fields.DatetimeField()
    changed_at = fields.DatetimeField()

    class Meta:
        table = "key_work"
        indexes = (("state",), ("trader_id",))


class SealedKey(Model):
    """A key that waits for the end of its work, sealed by the vault. role: owner (from a phrase;
    erased as soon as its trading key is proved), trading.
    """

    id = fields.IntField(primary_key=True)
    record = fields.UUIDField(unique=True)
    work: fields.ForeignKeyRelation[KeyWork] = fields.ForeignKeyField(
        "ledger.KeyWork", related_name="keys", on_delete=RESTRICT
    )
    work_id: int
    trader_id = fields.IntField()
    role = fields.CharField(max_length=8)
    sealed = fields.BinaryField()
    created_at = fields.DatetimeField()

    class Meta:
        table = "sealed_key"
        unique_together = (("work_id", "role"),)


class Strategy(Model):
    """One webhook with its account, sizing, plan and limits. state: active, paused, deleted.

    `mode`: live, ask (a signal waits for its trader), shadow (nothing is sent). `preset`: the
    grammar of its alerts. `sync`: `market_position` is the target. At most one default size is set.
    `take_profits`: [{percent, fraction}], in place of `take_profit_percent`; `trailing`,
    `break_even`: as in an intent's plan. `aliases`: symbols of its alerts that mean another ticker.
    After `silent_after_h` hours without an alert its trader is told, once.
    """

    id = fields.IntField(primary_key=True)
    trader: fields.ForeignKeyRelation[Trader] = fields.ForeignKeyField(
        "ledger.Trader", related_name="strategies", on_delete=RESTRICT
    )
    trader_id: int
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "ledger.Account", related_name="strategies", on_delete=RESTRICT
    )
    account_id: int
    partition = fields.IntField()
    name = fields.CharField(max_length=32)
    webhook_uuid = fields.UUIDField(unique=True)
    secret_hash = fields.CharField(max_length=64)
    state = fields.CharField(max_length=16)
    default_size = money_or_none()
    default_size_usd = money_or_none()
    take_profit_percent = money_or_none()
    stop_loss_percent = money_or_none()
    max_position_usd = money_or_none()
    allowed_symbols: list[str] | None = fields.JSONField(null=True)
    slippage_bps = fields.IntField(default=100, db_default=100)
    max_alert_age_s = fields.IntField(default=60, db_default=60)
    mode = fields.CharField(max_length=8, default="live", db_default="live")
    preset = fields.CharField(max_length=16, default="auto", db_default="auto")
    sync = fields.BooleanField(default=False, db_default=False)
    default_equity_percent = money_or_none()
    default_risk_percent = money_or_none()
    take_profits: list[dict[str, str]] | None = fields.JSONField(null=True)
    trailing: dict[str, Any] | None = fields.JSONField(null=True)
    break_even: dict[str, Any] | None = fields.JSONField(null=True)
    aliases: dict[str, str] | None = fields.JSONField(null=True)
    last_alert_at = fields.DatetimeField(null=True)
    silent_after_h = fields.IntField(null=True)
    silence_told_at = fields.DatetimeField(null=True)
    first_outside_alert_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "strategy"


class Signal(Model):
    """An alert that proved both factors. state: stored, asking (its trader), executed, refused,
    missed, shadow, mock.

    `answer` is what the webhook answered or would answer now; `body` has its secret masked.
    """

    id = fields.UUIDField(primary_key=True)
    strategy: fields.ForeignKeyRelation[Strategy] = fields.ForeignKeyField(
        "ledger.Strategy", related_name="signals", on_delete=RESTRICT
    )
    strategy_id: int
    account_id = fields.IntField()
    partition = fields.IntField()
    received_at = fields.DatetimeField()
    body_hash = fields.CharField(max_length=64)
    dedupe_key = fields.CharField(max_length=96, unique=True)
    body = fields.TextField()
    parsed: dict[str, Any] = fields.JSONField()
    outside = fields.BooleanField()
    state = fields.CharField(max_length=16)
    reason_code = fields.CharField(max_length=48, null=True)
    reason_text = fields.TextField(null=True)
    duplicates = fields.IntField(default=0, db_default=0)
    position_id = fields.IntField(null=True)
    telegram_message_id = fields.BigIntField(null=True)

    class Meta:
        table = "signal"
        indexes = (
            ("strategy_id", "body_hash", "received_at"),
            ("strategy_id", "state"),
            ("strategy_id", "received_at"),
        )


class Intent(Model):
    """What a signal, a button or the monitor wants of an account; lanes work these in `sequence`
    order.

    kind: open, add, reduce, close, trade (decided against the position). `key` makes it act at most
    once. `course`: what was decided, with the first order. state: waiting, running, asking (its
    trader), done, refused, missed, shadow, mock.
    """

    id = fields.IntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "ledger.Account", related_name="intents", on_delete=RESTRICT
    )
    account_id: int
    partition = fields.IntField()
    sequence = fields.BigIntField()
    key = fields.CharField(max_length=96, unique=True)
    source = fields.CharField(max_length=16)
    kind = fields.CharField(max_length=16)
    payload: dict[str, Any] = fields.JSONField()
    course: dict[str, Any] | None = fields.JSONField(null=True)
    signal_id = fields.UUIDField(null=True)
    position_id = fields.IntField(null=True)
    state = fields.CharField(max_length=16)
    reason_code = fields.CharField(max_length=48, null=True)
    reason_text = fields.TextField(null=True)
    epoch = fields.BigIntField(null=True)
    created_at = fields.DatetimeField()
    done_at = fields.DatetimeField(null=True)

    class Meta:
        table = "intent"
        unique_together = (("account_id", "sequence"),)
        indexes = (("account_id", "state"),)


class Order(Model):
    """One order on dYdX. States and their transitions: core/trading/states.py; `tx` is what was
    signed last.

    Short-term orders have a good-til-block; stateful ones a good-til-block-time (unix seconds), the
    nonce they were signed with and, once it is proved, the height of their block.
    """

    id = fields.IntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "ledger.Account", related_name="orders", on_delete=RESTRICT
    )
    account_id: int
    partition = fields.IntField()
    intent_id = fields.IntField(null=True)
    signal_id = fields.UUIDField(null=True)
    position_id = fields.IntField(null=True)
    target_id = fields.IntField(null=True)
    purpose = fields.CharField(max_length=16)
    order_uuid = fields.UUIDField(unique=True)
    client_id = fields.BigIntField()
    order_flags = fields.IntField()
    clob_pair_id = fields.IntField()
    ticker = fields.CharField(max_length=32)
    side = fields.CharField(max_length=4)
    size = money()
    limit_price = money()
    reference_price = money()
    quantums = fields.CharField(max_length=24)
    subticks = fields.CharField(max_length=24)
    reduce_only = fields.BooleanField()
    good_til_block = fields.BigIntField()
    good_til_block_time = fields.BigIntField(null=True)
    time_in_force = fields.IntField(default=1, db_default=1)
    condition_type = fields.IntField(default=0, db_default=0)
    trigger_price = money_or_none()
    nonce = fields.BigIntField(null=True)
    included_height = fields.BigIntField(null=True)
    cancel_asked_at = fields.DatetimeField(null=True)
    tx = fields.BinaryField()
    tx_hash = fields.CharField(max_length=64)
    state = fields.CharField(max_length=20)
    filled_size = money(default=Decimal(0), db_default="0")
    filled_quote = money(default=Decimal(0), db_default="0")
    code = fields.IntField(null=True)
    codespace = fields.CharField(max_length=32, null=True)
    epoch = fields.BigIntField()
    created_at = fields.DatetimeField()
    broadcast_at = fields.DatetimeField(null=True)
    accepted_at = fields.DatetimeField(null=True)
    resolved_at = fields.DatetimeField(null=True)

    class Meta:
        table = "order"
        unique_together = (("account_id", "client_id"),)
        indexes = (("account_id", "state"), ("signal_id",), ("intent_id",), ("position_id",))


class MockOrder(Model):
    """An order that was not sent, as no node could be reached and its trader wants such orders
    noted. `price`: the oracle's. It never counts as a position.
    """

    id = fields.IntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "ledger.Account", related_name="mock_orders", on_delete=RESTRICT
    )
    account_id: int
    partition = fields.IntField()
    signal_id = fields.UUIDField()
    order_id = fields.IntField(null=True)
    ticker = fields.CharField(max_length=32)
    side = fields.CharField(max_length=4)
    size = money()
    price = money()
    created_at = fields.DatetimeField()

    class Meta:
        table = "mock_order"
        indexes = (("signal_id",),)


class OrderTransition(Model):
    """One step of an order's state machine; appended, never changed."""

    id = fields.IntField(primary_key=True)
    order: fields.ForeignKeyRelation[Order] = fields.ForeignKeyField(
        "ledger.Order", related_name="transitions", on_delete=RESTRICT
    )
    order_id: int
    from_state = fields.CharField(max_length=20)
    to_state = fields.CharField(max_length=20)
    evidence = fields.TextField()
    epoch = fields.BigIntField()
    at = fields.DatetimeField()

    class Meta:
        table = "order_transition"
        indexes = (("order_id",),)


class Position(Model):
    """From first fill to flat, per account and market. state: open, closed. side: LONG, SHORT.

    `size` is what is open now (0 when closed). `version` grows with each change; buttons carry it.
    """

    id = fields.IntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "ledger.Account", related_name="positions", on_delete=RESTRICT
    )
    account_id: int
    partition = fields.IntField()
    strategy_id = fields.IntField(null=True)
    signal_id = fields.UUIDField(null=True)
    ticker = fields.CharField(max_length=32)
    side = fields.CharField(max_length=5)
    state = fields.CharField(max_length=8)
    external = fields.BooleanField(default=False, db_default=False)
    size = money()
    max_size = money()
    entry_price = money()
    exit_price = money_or_none()
    closed_size = money(default=Decimal(0), db_default="0")
    realized_pnl = money()
    fees = money()
    funding = money(default=Decimal(0), db_default="0")
    version = fields.IntField(default=1, db_default=1)
    close_reason = fields.CharField(max_length=24, null=True)
    opened_at = fields.DatetimeField()
    enlarged_at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "position"
        indexes = (("account_id", "state"), ("signal_id",))


class Protection(Model):
    """The plan of a position. state (of its stop): armed, closing (the bot is closing all of it),
    done. What of it rests on chain is told by the orders of its position.

    `levels` is the plan as it was asked for, in the shape of an intent's; `source` the intent that
    asked. `stop_loss` is the stop's own price, `best` the best price since its trailing began,
    `even` whether break-even was reached: together they say where the stop stands. `base`: the size
    of the position, with what its targets had closed, that the targets were sized for. `stop_gone`
    counts how often somebody cancelled the stop on chain, last the order `stop_gone_order`.
    `take_profit` belongs to plans made before targets had rows.
    """

    id = fields.IntField(primary_key=True)
    position: fields.OneToOneRelation[Position] = fields.OneToOneField(
        "ledger.Position", related_name="protection", on_delete=RESTRICT
    )
    position_id: int
    take_profit = money_or_none()
    stop_loss = money_or_none()
    state = fields.CharField(max_length=8)
    attempts = fields.IntField(default=0, db_default=0)
    levels: dict[str, Any] | None = fields.JSONField(null=True)
    source = fields.IntField(null=True)
    base = money_or_none()
    best = money_or_none()
    even = fields.BooleanField(default=False, db_default=False)
    stop_gone = fields.IntField(default=0, db_default=0)
    stop_gone_order = fields.IntField(null=True)

    class Meta:
        table = "protection"


class Target(Model):
    """A take-profit level of a plan, nearest first by `number`. state: waiting, closing (the bot is
    closing its part), done, dropped (the plan has it no more).

    `fraction` of the position it is meant to close; `size` in base units, 0 where it is below a
    step and was merged into the next one.
    """

    id = fields.IntField(primary_key=True)
    position: fields.ForeignKeyRelation[Position] = fields.ForeignKeyField(
        "ledger.Position", related_name="targets", on_delete=RESTRICT
    )
    position_id: int
    number = fields.IntField()
    price = money()
    fraction = money()
    size = money()
    state = fields.CharField(max_length=8)
    attempts = fields.IntField(default=0, db_default=0)

    class Meta:
        table = "target"
        indexes = (("position_id", "state"),)


class Fill(Model):
    """One match of an order, as the indexer numbered it; unique by the indexer's fill id."""

    id = fields.IntField(primary_key=True)
    fill_uuid = fields.UUIDField(unique=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "ledger.Account", related_name="fills", on_delete=RESTRICT
    )
    account_id: int
    order_id = fields.IntField(null=True)
    order_uuid = fields.UUIDField(null=True)
    position_id = fields.IntField(null=True)
    ticker = fields.CharField(max_length=32)
    side = fields.CharField(max_length=4)
    kind = fields.CharField(max_length=20)
    liquidity = fields.CharField(max_length=8)
    size = money()
    price = money()
    fee = money()
    height = fields.BigIntField()
    at = fields.DatetimeField()

    class Meta:
        table = "fill"
        indexes = (("account_id", "height"), ("position_id",))


class RiskScope(Model):
    """Limits and mode of the whole bot, an account or a strategy. `scope`: bot (`ref` 0), account,
    strategy. mode: active, reducing, halted; `mode_reason`: by_hand, panic, drawdown, account_gone.

    `limits`: core/trading/risk/limits.py. `waived_until`: the daily loss does not count before;
    `losses_from`: losses before it are forgiven; `peaks`: the highest P&L by network since the
    drawdown is watched, as decimal strings.
    """

    id = fields.IntField(primary_key=True)
    scope = fields.CharField(max_length=8)
    ref = fields.IntField()
    limits: dict[str, Any] = fields.JSONField()
    mode = fields.CharField(max_length=8)
    mode_reason = fields.CharField(max_length=16, null=True)
    mode_since = fields.DatetimeField(null=True)
    waived_until = fields.DatetimeField(null=True)
    losses_from = fields.DatetimeField(null=True)
    peaks: dict[str, str] | None = fields.JSONField(null=True)

    class Meta:
        table = "risk_scope"
        unique_together = (("scope", "ref"),)


class DayPrice(Model):
    """The price of a market at the moment at which somebody's day began: what was open then is
    valued at it. `source`: oracle (the bot was there), candle (read afterwards), late (no price of
    that moment could be found).
    """

    id = fields.IntField(primary_key=True)
    network = fields.CharField(max_length=16)
    ticker = fields.CharField(max_length=32)
    at = fields.DatetimeField()
    price = money()
    source = fields.CharField(max_length=8)

    class Meta:
        table = "day_price"
        unique_together = (("network", "ticker", "at"),)


class Panic(Model):
    """Somebody wants to be flat: every order cancelled, every position closed, everything halted.
    kind: panic, close_all (positions only), house (an admin's, of the whole bot: the panics of its
    traders name it as `parent_id`). state: working, done. `message_id`: the chat message that shows
    the progress. `key` makes it act once.
    """

    id = fields.IntField(primary_key=True)
    trader_id = fields.IntField()
    kind = fields.CharField(max_length=12)
    key = fields.CharField(max_length=96, unique=True)
    state = fields.CharField(max_length=8)
    parent_id = fields.IntField(null=True)
    message_id = fields.BigIntField(null=True)
    created_at = fields.DatetimeField()
    done_at = fields.DatetimeField(null=True)

    class Meta:
        table = "panic"
        indexes = (("state",), ("trader_id",), ("parent_id",))


class PanicAccount(Model):
    """One account of a panic. States: core/trading/risk/panic_states.py. `report`: what was found
    and what is proved, for its message.
    """

    id = fields.IntField(primary_key=True)
    panic: fields.ForeignKeyRelation[Panic] = fields.ForeignKeyField(
        "ledger.Panic", related_name="accounts", on_delete=RESTRICT
    )
    panic_id: int
    account_id = fields.IntField()
    state = fields.CharField(max_length=12)
    report: dict[str, Any] = fields.JSONField()
    changed_at = fields.DatetimeField()

    class Meta:
        table = "panic_account"
        unique_together = (("panic_id", "account_id"),)


class PositionTransition(Model):
    """One step of a position; appended, never changed. `step` and `cause`:
    core/trading/position_states.py.

    `change` and `size` are signed base units: what the step changed, and what is open after it.
    `fill_uuid`: the fill that proves it, by the indexer's id.
    """

    id = fields.IntField(primary_key=True)
    position: fields.ForeignKeyRelation[Position] = fields.ForeignKeyField(
        "ledger.Position", related_name="transitions", on_delete=RESTRICT
    )
    position_id: int
    step = fields.CharField(max_length=12)
    cause = fields.CharField(max_length=12)
    change = money()
    size = money()
    fill_uuid = fields.UUIDField(null=True)
    evidence = fields.TextField()
    epoch = fields.BigIntField()
    at = fields.DatetimeField()

    class Meta:
        table = "position_transition"
        unique_together = (("position_id", "fill_uuid"),)
        indexes = (("position_id",),)


class Funding(Model):
    """One funding payment of an account in one market, as the indexer tells it; booked once.

    `payment`: USDC, negative was paid by the account. `size` is signed. `position_id`: the position
    that was open at that time; NULL where the books know none.
    """

    id = fields.IntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "ledger.Account", related_name="fundings", on_delete=RESTRICT
    )
    account_id: int
    partition = fields.IntField()
    position_id = fields.IntField(null=True)
    ticker = fields.CharField(max_length=32)
    size = money()
    rate = money()
    oracle_price = money()
    payment = money()
    height = fields.BigIntField()
    at = fields.DatetimeField()

    class Meta:
        table = "funding"
        unique_together = (("account_id", "ticker", "at"),)
        indexes = (("position_id",),)


class Share(Model):
    """What one strategy holds in a market of an account; `strategy_id` 0 is what was made by hand.

    `size` is signed; the shares of a market add up to the chain's net position. `entry_price` is 0
    while it is flat; the sums (USDC) are of all its life. `plan`: the plan of its newest entry, as
    in an intent's payload, of the time `planned_at`.
    """

    id = fields.IntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "ledger.Account", related_name="shares", on_delete=RESTRICT
    )
    account_id: int
    partition = fields.IntField()
    ticker = fields.CharField(max_length=32)
    strategy_id = fields.IntField()
    size = money()
    entry_price = money()
    realized_pnl = money()
    fees = money()
    funding = money()
    plan: dict[str, Any] | None = fields.JSONField(null=True)
    planned_at = fields.DatetimeField(null=True)
    plan_source = fields.IntField(null=True)

    class Meta:
        table = "share"
        unique_together = (("account_id", "ticker", "strategy_id"),)
        indexes = (("strategy_id",),)


class ShareMove(Model):
    """What changed a share; appended, never changed. cause: order, plan, by_hand, liquidated,
    deleveraged, found (it was there before), adopted, funding.

    `change` and `size` (after it) are signed base units; the rest is USDC, `fee` positive where it
    was paid.
    """

    id = fields.IntField(primary_key=True)
    share: fields.ForeignKeyRelation[Share] = fields.ForeignKeyField(
        "ledger.Share", related_name="moves", on_delete=RESTRICT
    )
    share_id: int
    account_id = fields.IntField()
    partition = fields.IntField()
    strategy_id = fields.IntField()
    cause = fields.CharField(max_length=12)
    fill_uuid = fields.UUIDField(null=True)
    change = money()
    size = money()
    realized_pnl = money()
    fee = money()
    funding = money()
    at = fields.DatetimeField()

    class Meta:
        table = "share_move"
        unique_together = (("share_id", "fill_uuid"),)
        indexes = (("account_id", "at"), ("share_id", "at"))


class AccountBooks(Model):
    """How far the books of an account were read and checked.

    `funding_read_to`: no funding payment up to then is missing. `usdc` was the balance after block
    `height`, and `offset` what it then was above what the books add up to; only transfers change
    that. `fill_id` and `funding_id` were the newest rows then.
    """

    id = fields.IntField(primary_key=True)
    account: fields.OneToOneRelation[Account] = fields.OneToOneField(
        "ledger.Account", related_name="books", on_delete=RESTRICT
    )
    account_id: int
    funding_read_to = fields.DatetimeField(null=True)
    usdc = money_or_none()
    offset = money_or_none()
    height = fields.BigIntField(default=0, db_default=0)
    fill_id = fields.IntField(default=0, db_default=0)
    funding_id = fields.IntField(default=0, db_default=0)
    checked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "account_books"


class OutgoingMessage(Model):
    """A message that a trader must get (outbox), written in the transaction of the change that it
    reports.

    `kind` names an event of core/events.py and `payload` holds its fields; bot/notifier renders it
    at sending time. A `card` message of a signal is edited in place; all others are new messages,
    in reply to the card where `signal_id` is set. state: live (there is something to send), sent,
    dead. Each change of a card raises `revision`; an edit that becomes due while another is on its
    way keeps it live, as `revision` > `sent_revision` then. `changed_at`: when there last was
    something new to send.
    """

    id = fields.IntField(primary_key=True)
    trader_id = fields.IntField()
    kind = fields.CharField(max_length=32)
    key = fields.CharField(max_length=128, unique=True)
    payload: dict[str, Any] = fields.JSONField()
    signal_id = fields.UUIDField(null=True)
    state = fields.CharField(max_length=8)
    revision = fields.IntField(default=1, db_default=1)
    sent_revision = fields.IntField(default=0, db_default=0)
    attempts = fields.IntField(default=0, db_default=0)
    not_before = fields.DatetimeField(null=True)
    telegram_message_id = fields.BigIntField(null=True)
    created_at = fields.DatetimeField()
    changed_at = fields.DatetimeField()
    sent_at = fields.DatetimeField(null=True)

    class Meta:
        table = "outgoing_message"
        indexes = (("state", "trader_id"),)


class TelegramUpdate(Model):
    """An update that came in: its number, kind and fate, never its content. state: taken, done,
    failed.
    """

    id = fields.IntField(primary_key=True)
    update_id = fields.BigIntField(unique=True)
    kind = fields.CharField(max_length=32)
    state = fields.CharField(max_length=8)
    at = fields.DatetimeField()

    class Meta:
        table = "telegram_update"


class Conversation(Model):
    """Where a chat's conversation stands. Never holds a key or a phrase."""

    id = fields.IntField(primary_key=True)
    key = fields.CharField(max_length=128, unique=True)
    state = fields.CharField(max_length=64, null=True)
    data: dict[str, Any] = fields.JSONField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "conversation"


class Gap(Model):
    """A time in which no alert could be taken: the process was down, or its ledger. state: open
    (traders are still to be told), told.
    """

    id = fields.IntField(primary_key=True)
    began_at = fields.DatetimeField()
    ended_at = fields.DatetimeField()
    state = fields.CharField(max_length=8)

    class Meta:
        table = "gap"
        indexes = (("state",),)


class ChartPosition(Model):
    """Where a strategy stands on TradingView's chart, by its last alert that said so, and how that
    compares with what it holds. position: long, short, flat; `size` in coins, where it was given.

    state: agrees, differs (since `since`), told, ignored (by its trader).
    """

    id = fields.IntField(primary_key=True)
    strategy_id = fields.IntField()
    partition = fields.IntField()
    ticker = fields.CharField(max_length=32)
    position = fields.CharField(max_length=8)
    size = money_or_none()
    signal_id = fields.UUIDField()
    said_at = fields.DatetimeField()
    state = fields.CharField(max_length=8)
    since = fields.DatetimeField(null=True)

    class Meta:
        table = "chart_position"
        unique_together = (("strategy_id", "ticker"),)


class MarketState(Model):
    """How a market was last found: status and type in the indexer's words."""

    id = fields.IntField(primary_key=True)
    network = fields.CharField(max_length=16)
    ticker = fields.CharField(max_length=32)
    status = fields.CharField(max_length=24)
    market_type = fields.CharField(max_length=16)
    changed_at = fields.DatetimeField()

    class Meta:
        table = "market_state"
        unique_together = (("network", "ticker"),)


class KeyLoss(Model):
    """A time in which the chain refused an account's trading key. state: doubted (an order was
    refused for it, the chain was not asked yet), lost, over. `told`: how often its trader was.
    """

    id = fields.IntField(primary_key=True)
    account_id = fields.IntField()
    partition = fields.IntField()
    authenticator_id = fields.BigIntField(null=True)
    began_at = fields.DatetimeField()
    state = fields.CharField(max_length=8)
    told = fields.IntField(default=0, db_default=0)
    told_at = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "key_loss"
        indexes = (("account_id", "state"),)


# A docstring is for readers: as a comment on the table it would be part of the migrations, and a
# semicolon in it would cut their SQL in two.
for _row in Model.__subclasses__():
    if _row.__module__ == __name__:
        _row._meta.table_description = ""
