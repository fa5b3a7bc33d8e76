"""Orders that live in the chain's state; what of a plan rests there is told by them. Old rows are
short-term IOC orders, which is what the defaults say.
"""

# ruff: noqa: RUF012
from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from core.ledger.fields import MoneyField


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Order",
            name="cancel_asked_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Order",
            name="condition_type",
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name="Order",
            name="good_til_block_time",
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name="Order",
            name="included_height",
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name="Order",
            name="nonce",
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name="Order",
            name="time_in_force",
            field=fields.IntField(default=1, db_default=1),
        ),
        ops.AddField(
            model_name="Order",
            name="trigger_price",
            field=MoneyField(null=True),
        ),
        ops.AddIndex(
            model_name="Order",
            index=Index(fields=["position_id"]),
        ),
        ops.RemoveField(model_name="Protection", name="held_by"),
    ]
