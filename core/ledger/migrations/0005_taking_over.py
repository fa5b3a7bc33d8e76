"""From which block fills of an account count, and what dYdX lets it do. Of accounts that are
there already everything was booked up to the block that their fills were read to; what they may do
is heard again.
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
        ops.AddField(
            model_name="Account",
            name="standing",
            field=fields.CharField(default="unknown", db_default="unknown", max_length=20),
        ),
        ops.RunSQL("UPDATE account SET since_height = fills_height"),
    ]
