"""Trading keys: the authenticator through which a key signs, and the work of making and removing
one. Old rows are keys made from a phrase, which sign without an authenticator.
"""

# ruff: noqa: RUF012
import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_stateful_orders")]

    initial = False

    operations = [
        ops.CreateModel(
            name="KeyWork",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("trader_id", fields.IntField()),
                ("kind", fields.CharField(max_length=8)),
                ("state", fields.CharField(max_length=12)),
                ("network", fields.CharField(max_length=16)),
                ("address", fields.CharField(max_length=64)),
                ("subaccount_number", fields.IntField()),
                ("account_id", fields.IntField(null=True)),
                ("public_key", fields.CharField(null=True, max_length=66)),
                ("authenticator_id", fields.BigIntField(null=True)),
                (
                    "clob_pairs",
                    fields.JSONField(
                        null=True,
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                ("nonce", fields.BigIntField(null=True)),
                ("tx", fields.BinaryField(null=True)),
                ("tx_hash", fields.CharField(null=True, max_length=64)),
                ("message_id", fields.BigIntField(null=True)),
                ("reason_code", fields.CharField(null=True, max_length=48)),
                ("reason_text", fields.TextField(null=True, unique=False)),
                (
                    "report",
                    fields.JSONField(
                        null=True,
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("changed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "key_work",
                "app": "ledger",
                "indexes": [Index(fields=["state"]), Index(fields=["trader_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SealedKey",
            fields=[
                (
                    "id",
                    fields.IntField(generated=True, primary_key=True, unique=True, db_index=True),
                ),
                ("record", fields.UUIDField(unique=True)),
                (
                    "work",
                    fields.ForeignKeyField(
                        "ledger.KeyWork",
                        source_field="work_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="keys",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("trader_id", fields.IntField()),
                ("role", fields.CharField(max_length=8)),
                ("sealed", fields.BinaryField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sealed_key",
                "app": "ledger",
                "unique_together": (("work_id", "role"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Credential",
            name="authenticator_id",
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name="Credential",
            name="clob_pairs",
            field=fields.JSONField(
                null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
            ),
        ),
    ]
