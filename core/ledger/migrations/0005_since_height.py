"""The block from which an account's fills count. Of accounts that are there already everything was
booked up to the block that their fills were read to.
"""

# ruff: noqa: RUF012
from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_trading_engine")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Account",
            name="since_height",
            field=fields.BigIntField(null=True),
        ),
        ops.RunSQL("UPDATE account SET since_height = fills_height"),
    ]
