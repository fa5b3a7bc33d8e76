"""The first tables."""

# ruff: noqa: RUF012
import functools
from decimal import Decimal
from json import dumps, loads
from uuid import uuid4

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from core.ledger.fields import MoneyField


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="AdminLink",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("token_hash", fields.CharField(unique=True, max_length=64)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("used_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={"table": "admin_link", "app": "ledger", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Conversation",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("key", fields.CharField(unique=True, max_length=128)),
                ("state", fields.CharField(null=True, max_length=64)),
                (
                    "data",
                    fields.JSONField(
                        encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
                    ),
                ),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "conversation", "app": "ledger", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Meta",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("name", fields.CharField(unique=True, max_length=64)),
                ("value", fields.TextField(unique=False)),
            ],
            options={"table": "meta", "app": "ledger", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="OutgoingMessage",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("trader_id", fields.IntField()),
                ("kind", fields.CharField(max_length=32)),
                ("key", fields.CharField(unique=True, max_length=128)),
                (
                    "payload",
                    fields.JSONField(
                        encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
                    ),
                ),
                ("signal_id", fields.UUIDField(null=True)),
                ("state", fields.CharField(max_length=8)),
                ("revision", fields.IntField(default=1, db_default=1)),
                ("sent_revision", fields.IntField(default=0, db_default=0)),
                ("attempts", fields.IntField(default=0, db_default=0)),
                ("not_before", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("telegram_message_id", fields.BigIntField(null=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("changed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("sent_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "outgoing_message",
                "app": "ledger",
                "indexes": [Index(fields=["state", "trader_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="TelegramUpdate",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("update_id", fields.BigIntField(unique=True)),
                ("kind", fields.CharField(max_length=32)),
                ("state", fields.CharField(max_length=8)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "telegram_update", "app": "ledger", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Trader",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("telegram_id", fields.BigIntField(unique=True)),
                ("name", fields.CharField(max_length=128)),
                ("role", fields.CharField(max_length=16)),
                ("reachable", fields.BooleanField(default=True, db_default=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "trader", "app": "ledger", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "trader",
                    fields.ForeignKeyField(
                        "ledger.Trader",
                        source_field="trader_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="accounts",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("network", fields.CharField(max_length=16)),
                ("address", fields.CharField(max_length=64)),
                ("subaccount_number", fields.IntField()),
                ("chain_account_number", fields.BigIntField(null=True)),
                ("partition", fields.IntField()),
                ("next_client_id", fields.BigIntField()),
                ("last_sequence", fields.BigIntField(default=0, db_default=0)),
                ("fills_height", fields.BigIntField(default=0, db_default=0)),
                ("state", fields.CharField(max_length=16)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "account",
                "app": "ledger",
                "unique_together": (("network", "address", "subaccount_number"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Credential",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("record", fields.UUIDField(unique=True)),
                (
                    "account",
                    fields.OneToOneField(
                        "ledger.Account",
                        source_field="account_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="credential",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("trader_id", fields.IntField()),
                ("kind", fields.CharField(max_length=16)),
                ("sealed", fields.BinaryField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "credential", "app": "ledger", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Fill",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("fill_uuid", fields.UUIDField(unique=True)),
                (
                    "account",
                    fields.ForeignKeyField(
                        "ledger.Account",
                        source_field="account_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="fills",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("order_id", fields.IntField(null=True)),
                ("order_uuid", fields.UUIDField(null=True)),
                ("position_id", fields.IntField(null=True)),
                ("ticker", fields.CharField(max_length=32)),
                ("side", fields.CharField(max_length=4)),
                ("kind", fields.CharField(max_length=20)),
                ("liquidity", fields.CharField(max_length=8)),
                ("size", MoneyField()),
                ("price", MoneyField()),
                ("fee", MoneyField()),
                ("height", fields.BigIntField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "fill",
                "app": "ledger",
                "indexes": [Index(fields=["account_id", "height"]), Index(fields=["position_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Intent",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "account",
                    fields.ForeignKeyField(
                        "ledger.Account",
                        source_field="account_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="intents",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("partition", fields.IntField()),
                ("sequence", fields.BigIntField()),
                ("key", fields.CharField(unique=True, max_length=96)),
                ("source", fields.CharField(max_length=16)),
                ("kind", fields.CharField(max_length=16)),
                (
                    "payload",
                    fields.JSONField(
                        encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
                    ),
                ),
                ("signal_id", fields.UUIDField(null=True)),
                ("position_id", fields.IntField(null=True)),
                ("state", fields.CharField(max_length=16)),
                ("reason_code", fields.CharField(null=True, max_length=48)),
                ("reason_text", fields.TextField(null=True, unique=False)),
                ("epoch", fields.BigIntField(null=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("done_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "intent",
                "app": "ledger",
                "unique_together": (("account_id", "sequence"),),
                "indexes": [Index(fields=["account_id", "state"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "account",
                    fields.ForeignKeyField(
                        "ledger.Account",
                        source_field="account_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="orders",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("partition", fields.IntField()),
                ("intent_id", fields.IntField(null=True)),
                ("signal_id", fields.UUIDField(null=True)),
                ("position_id", fields.IntField(null=True)),
                ("purpose", fields.CharField(max_length=16)),
                ("order_uuid", fields.UUIDField(unique=True)),
                ("client_id", fields.BigIntField()),
                ("order_flags", fields.IntField()),
                ("clob_pair_id", fields.IntField()),
                ("ticker", fields.CharField(max_length=32)),
                ("side", fields.CharField(max_length=4)),
                ("size", MoneyField()),
                ("limit_price", MoneyField()),
                ("reference_price", MoneyField()),
                ("quantums", fields.CharField(max_length=24)),
                ("subticks", fields.CharField(max_length=24)),
                ("reduce_only", fields.BooleanField()),
                ("good_til_block", fields.BigIntField()),
                ("tx", fields.BinaryField()),
                ("tx_hash", fields.CharField(max_length=64)),
                ("state", fields.CharField(max_length=20)),
                ("filled_size", MoneyField(default=Decimal("0"), db_default="0")),
                ("filled_quote", MoneyField(default=Decimal("0"), db_default="0")),
                ("code", fields.IntField(null=True)),
                ("codespace", fields.CharField(null=True, max_length=32)),
                ("epoch", fields.BigIntField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "broadcast_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "accepted_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "resolved_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "order",
                "app": "ledger",
                "unique_together": (("account_id", "client_id"),),
                "indexes": [
                    Index(fields=["account_id", "state"]),
                    Index(fields=["signal_id"]),
                    Index(fields=["intent_id"]),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="OrderTransition",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "order",
                    fields.ForeignKeyField(
                        "ledger.Order",
                        source_field="order_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="transitions",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("from_state", fields.CharField(max_length=20)),
                ("to_state", fields.CharField(max_length=20)),
                ("evidence", fields.TextField(unique=False)),
                ("epoch", fields.BigIntField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "order_transition",
                "app": "ledger",
                "indexes": [Index(fields=["order_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Position",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "account",
                    fields.ForeignKeyField(
                        "ledger.Account",
                        source_field="account_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="positions",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("partition", fields.IntField()),
                ("strategy_id", fields.IntField(null=True)),
                ("signal_id", fields.UUIDField(null=True)),
                ("ticker", fields.CharField(max_length=32)),
                ("side", fields.CharField(max_length=5)),
                ("state", fields.CharField(max_length=8)),
                ("external", fields.BooleanField(default=False, db_default=False)),
                ("size", MoneyField()),
                ("max_size", MoneyField()),
                ("entry_price", MoneyField()),
                ("exit_price", MoneyField(null=True)),
                ("closed_size", MoneyField(default=Decimal("0"), db_default="0")),
                ("realized_pnl", MoneyField()),
                ("fees", MoneyField()),
                ("version", fields.IntField(default=1, db_default=1)),
                ("close_reason", fields.CharField(null=True, max_length=24)),
                ("opened_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("enlarged_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("closed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "position",
                "app": "ledger",
                "indexes": [Index(fields=["account_id", "state"]), Index(fields=["signal_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Protection",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "position",
                    fields.OneToOneField(
                        "ledger.Position",
                        source_field="position_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="protection",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("take_profit", MoneyField(null=True)),
                ("stop_loss", MoneyField(null=True)),
                ("held_by", fields.CharField(max_length=8)),
                ("state", fields.CharField(max_length=8)),
                ("attempts", fields.IntField(default=0, db_default=0)),
            ],
            options={"table": "protection", "app": "ledger", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Strategy",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "trader",
                    fields.ForeignKeyField(
                        "ledger.Trader",
                        source_field="trader_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="strategies",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "account",
                    fields.ForeignKeyField(
                        "ledger.Account",
                        source_field="account_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="strategies",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("partition", fields.IntField()),
                ("name", fields.CharField(max_length=32)),
                ("webhook_uuid", fields.UUIDField(unique=True)),
                ("secret_hash", fields.CharField(max_length=64)),
                ("state", fields.CharField(max_length=16)),
                ("default_size", MoneyField(null=True)),
                ("default_size_usd", MoneyField(null=True)),
                ("take_profit_percent", MoneyField(null=True)),
                ("stop_loss_percent", MoneyField(null=True)),
                ("max_position_usd", MoneyField(null=True)),
                (
                    "allowed_symbols",
                    fields.JSONField(
                        null=True,
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                ("slippage_bps", fields.IntField(default=100, db_default=100)),
                ("max_alert_age_s", fields.IntField(default=60, db_default=60)),
                (
                    "first_outside_alert_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={"table": "strategy", "app": "ledger", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Signal",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                (
                    "strategy",
                    fields.ForeignKeyField(
                        "ledger.Strategy",
                        source_field="strategy_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="signals",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("account_id", fields.IntField()),
                ("partition", fields.IntField()),
                ("received_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("body_hash", fields.CharField(max_length=64)),
                ("dedupe_key", fields.CharField(unique=True, max_length=96)),
                ("body", fields.TextField(unique=False)),
                (
                    "parsed",
                    fields.JSONField(
                        encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
                    ),
                ),
                ("outside", fields.BooleanField()),
                ("state", fields.CharField(max_length=16)),
                ("reason_code", fields.CharField(null=True, max_length=48)),
                ("reason_text", fields.TextField(null=True, unique=False)),
                ("duplicates", fields.IntField(default=0, db_default=0)),
                ("position_id", fields.IntField(null=True)),
                ("telegram_message_id", fields.BigIntField(null=True)),
            ],
            options={
                "table": "signal",
                "app": "ledger",
                "indexes": [
                    Index(fields=["strategy_id", "body_hash", "received_at"]),
                    Index(fields=["strategy_id", "state"]),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
    ]
