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
    """A Telegram user who talks to the bot. role: pending, trader, admin, blocked, refused."""

    id = fields.IntField(primary_key=True)
    telegram_id = fields.BigIntField(unique=True)
    name = fields.CharField(max_length=128)
    role = fields.CharField(max_length=16)
    reachable = fields.BooleanField(default=True, db_default=True)
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
    """One webhook with its account, sizing, plan and limits. state: active, paused, deleted."""

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
    first_outside_alert_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "strategy"


class Signal(Model):
    """An alert that proved both factors. state: stored, executed, refused, missed.

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
        indexes = (("strategy_id", "body_hash", "received_at"), ("strategy_id", "state"))


class Intent(Model):
    """What a signal, a button or the monitor wants of an account; lanes work these in `sequence`
    order.

    kind: open, add, reduce, close, trade (buy or sell, decided against the position). `key` makes
    it act at most once. state: waiting, running, done, refused, missed.
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
    version = fields.IntField(default=1, db_default=1)
    close_reason = fields.CharField(max_length=24, null=True)
    opened_at = fields.DatetimeField()
    enlarged_at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "position"
        indexes = (("account_id", "state"), ("signal_id",))


class Protection(Model):
    """The plan of a position: prices at which it is closed. state: armed, closing, done.

    What of it rests on chain is told by the orders of its position.
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

    class Meta:
        table = "protection"


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


# A docstring is for readers: as a comment on the table it would be part of the migrations, and a
# semicolon in it would cut their SQL in two.
for _row in Model.__subclasses__():
    if _row.__module__ == __name__:
        _row._meta.table_description = ""
