"""What the trading engine keeps: plans of several levels, shares, limits, funding. Old rows get the
defaults under which they were made.
"""

# ruff: noqa: RUF012
import functools
from decimal import Decimal
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from core.ledger.fields import MoneyField


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_trading_keys")]

    initial = False

    operations = [
        ops.CreateModel(
            name="AccountBooks",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "account",
                    fields.OneToOneField(
                        "ledger.Account",
                        source_field="account_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="books",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "funding_read_to",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("usdc", MoneyField(null=True)),
                ("offset", MoneyField(null=True)),
                ("height", fields.BigIntField(default=0, db_default=0)),
                ("fill_id", fields.IntField(default=0, db_default=0)),
                ("funding_id", fields.IntField(default=0, db_default=0)),
                ("checked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={"table": "account_books", "app": "ledger", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ChartPosition",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("strategy_id", fields.IntField()),
                ("partition", fields.IntField()),
                ("ticker", fields.CharField(max_length=32)),
                ("position", fields.CharField(max_length=8)),
                ("size", MoneyField(null=True)),
                ("signal_id", fields.UUIDField()),
                ("said_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("state", fields.CharField(max_length=8)),
                ("since", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "chart_position",
                "app": "ledger",
                "unique_together": (("strategy_id", "ticker"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="DayPrice",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("network", fields.CharField(max_length=16)),
                ("ticker", fields.CharField(max_length=32)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("price", MoneyField()),
                ("source", fields.CharField(max_length=8)),
            ],
            options={
                "table": "day_price",
                "app": "ledger",
                "unique_together": (("network", "ticker", "at"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Funding",
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
                        related_name="fundings",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("partition", fields.IntField()),
                ("position_id", fields.IntField(null=True)),
                ("ticker", fields.CharField(max_length=32)),
                ("size", MoneyField()),
                ("rate", MoneyField()),
                ("oracle_price", MoneyField()),
                ("payment", MoneyField()),
                ("height", fields.BigIntField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "funding",
                "app": "ledger",
                "unique_together": (("account_id", "ticker", "at"),),
                "indexes": [Index(fields=["position_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Gap",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("began_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("ended_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("state", fields.CharField(max_length=8)),
            ],
            options={
                "table": "gap",
                "app": "ledger",
                "indexes": [Index(fields=["state"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="KeyLoss",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("account_id", fields.IntField()),
                ("partition", fields.IntField()),
                ("authenticator_id", fields.BigIntField(null=True)),
                ("began_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("state", fields.CharField(max_length=8)),
                ("told", fields.IntField(default=0, db_default=0)),
                ("told_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "key_loss",
                "app": "ledger",
                "indexes": [Index(fields=["account_id", "state"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="MarketState",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("network", fields.CharField(max_length=16)),
                ("ticker", fields.CharField(max_length=32)),
                ("status", fields.CharField(max_length=24)),
                ("market_type", fields.CharField(max_length=16)),
                ("changed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "market_state",
                "app": "ledger",
                "unique_together": (("network", "ticker"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="MockOrder",
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
                        related_name="mock_orders",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("partition", fields.IntField()),
                ("signal_id", fields.UUIDField()),
                ("order_id", fields.IntField(null=True)),
                ("ticker", fields.CharField(max_length=32)),
                ("side", fields.CharField(max_length=4)),
                ("size", MoneyField()),
                ("price", MoneyField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "mock_order",
                "app": "ledger",
                "indexes": [Index(fields=["signal_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Panic",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("trader_id", fields.IntField()),
                ("kind", fields.CharField(max_length=12)),
                ("key", fields.CharField(unique=True, max_length=96)),
                ("state", fields.CharField(max_length=8)),
                ("parent_id", fields.IntField(null=True)),
                ("message_id", fields.BigIntField(null=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("done_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "panic",
                "app": "ledger",
                "indexes": [
                    Index(fields=["state"]),
                    Index(fields=["trader_id"]),
                    Index(fields=["parent_id"]),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="PanicAccount",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "panic",
                    fields.ForeignKeyField(
                        "ledger.Panic",
                        source_field="panic_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="accounts",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("account_id", fields.IntField()),
                ("state", fields.CharField(max_length=12)),
                (
                    "report",
                    fields.JSONField(
                        encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
                    ),
                ),
                ("changed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "panic_account",
                "app": "ledger",
                "unique_together": (("panic_id", "account_id"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="PositionTransition",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "position",
                    fields.ForeignKeyField(
                        "ledger.Position",
                        source_field="position_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="transitions",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("step", fields.CharField(max_length=12)),
                ("cause", fields.CharField(max_length=12)),
                ("change", MoneyField()),
                ("size", MoneyField()),
                ("fill_uuid", fields.UUIDField(null=True)),
                ("evidence", fields.TextField(unique=False)),
                ("epoch", fields.BigIntField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "position_transition",
                "app": "ledger",
                "unique_together": (("position_id", "fill_uuid"),),
                "indexes": [Index(fields=["position_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="RiskScope",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("scope", fields.CharField(max_length=8)),
                ("ref", fields.IntField()),
                (
                    "limits",
                    fields.JSONField(
                        encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
                    ),
                ),
                ("mode", fields.CharField(max_length=8)),
                ("mode_reason", fields.CharField(null=True, max_length=16)),
                ("mode_since", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "waived_until",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "losses_from",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "peaks",
                    fields.JSONField(
                        null=True,
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
            ],
            options={
                "table": "risk_scope",
                "app": "ledger",
                "unique_together": (("scope", "ref"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Share",
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
                        related_name="shares",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("partition", fields.IntField()),
                ("ticker", fields.CharField(max_length=32)),
                ("strategy_id", fields.IntField()),
                ("size", MoneyField()),
                ("entry_price", MoneyField()),
                ("realized_pnl", MoneyField()),
                ("fees", MoneyField()),
                ("funding", MoneyField()),
                (
                    "plan",
                    fields.JSONField(
                        null=True,
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                ("planned_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("plan_source", fields.IntField(null=True)),
            ],
            options={
                "table": "share",
                "app": "ledger",
                "unique_together": (("account_id", "ticker", "strategy_id"),),
                "indexes": [Index(fields=["strategy_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ShareMove",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "share",
                    fields.ForeignKeyField(
                        "ledger.Share",
                        source_field="share_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="moves",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("account_id", fields.IntField()),
                ("partition", fields.IntField()),
                ("strategy_id", fields.IntField()),
                ("cause", fields.CharField(max_length=12)),
                ("fill_uuid", fields.UUIDField(null=True)),
                ("change", MoneyField()),
                ("size", MoneyField()),
                ("realized_pnl", MoneyField()),
                ("fee", MoneyField()),
                ("funding", MoneyField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "share_move",
                "app": "ledger",
                "unique_together": (("share_id", "fill_uuid"),),
                "indexes": [Index(fields=["account_id", "at"]), Index(fields=["share_id", "at"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Target",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "position",
                    fields.ForeignKeyField(
                        "ledger.Position",
                        source_field="position_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="targets",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("number", fields.IntField()),
                ("price", MoneyField()),
                ("fraction", MoneyField()),
                ("size", MoneyField()),
                ("state", fields.CharField(max_length=8)),
                ("attempts", fields.IntField(default=0, db_default=0)),
            ],
            options={
                "table": "target",
                "app": "ledger",
                "indexes": [Index(fields=["position_id", "state"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Account",
            name="key_lost_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Account",
            name="sharing",
            field=fields.BooleanField(default=False, db_default=False),
        ),
        ops.AddField(
            model_name="Account",
            name="without_stop_room",
            field=fields.CharField(default="refuse", db_default="refuse", max_length=8),
        ),
        ops.AddField(
            model_name="Intent",
            name="course",
            field=fields.JSONField(
                null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
            ),
        ),
        ops.AddField(
            model_name="Order",
            name="target_id",
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name="Position",
            name="funding",
            field=MoneyField(default=Decimal("0"), db_default="0"),
        ),
        ops.AddField(
            model_name="Protection",
            name="base",
            field=MoneyField(null=True),
        ),
        ops.AddField(
            model_name="Protection",
            name="best",
            field=MoneyField(null=True),
        ),
        ops.AddField(
            model_name="Protection",
            name="even",
            field=fields.BooleanField(default=False, db_default=False),
        ),
        ops.AddField(
            model_name="Protection",
            name="levels",
            field=fields.JSONField(
                null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
            ),
        ),
        ops.AddField(
            model_name="Protection",
            name="source",
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name="Protection",
            name="stop_gone",
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Protection",
            name="stop_gone_order",
            field=fields.IntField(null=True),
        ),
        ops.AddIndex(
            model_name="Signal",
            index=Index(fields=["strategy_id", "received_at"]),
        ),
        ops.AddField(
            model_name="Strategy",
            name="aliases",
            field=fields.JSONField(
                null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
            ),
        ),
        ops.AddField(
            model_name="Strategy",
            name="break_even",
            field=fields.JSONField(
                null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
            ),
        ),
        ops.AddField(
            model_name="Strategy",
            name="default_equity_percent",
            field=MoneyField(null=True),
        ),
        ops.AddField(
            model_name="Strategy",
            name="default_risk_percent",
            field=MoneyField(null=True),
        ),
        ops.AddField(
            model_name="Strategy",
            name="last_alert_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Strategy",
            name="mode",
            field=fields.CharField(default="live", db_default="live", max_length=8),
        ),
        ops.AddField(
            model_name="Strategy",
            name="preset",
            field=fields.CharField(default="auto", db_default="auto", max_length=16),
        ),
        ops.AddField(
            model_name="Strategy",
            name="silence_told_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Strategy",
            name="silent_after_h",
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name="Strategy",
            name="sync",
            field=fields.BooleanField(default=False, db_default=False),
        ),
        ops.AddField(
            model_name="Strategy",
            name="take_profits",
            field=fields.JSONField(
                null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
            ),
        ),
        ops.AddField(
            model_name="Strategy",
            name="trailing",
            field=fields.JSONField(
                null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
            ),
        ),
        ops.AddField(
            model_name="Trader",
            name="mock_when_unreachable",
            field=fields.BooleanField(default=False, db_default=False),
        ),
        ops.AddField(
            model_name="Trader",
            name="next_zone",
            field=fields.CharField(null=True, max_length=64),
        ),
        ops.AddField(
            model_name="Trader",
            name="next_zone_from",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Trader",
            name="zone",
            field=fields.CharField(default="UTC", db_default="UTC", max_length=64),
        ),
    ]
