"""The two engines as the ledger needs them: the ORM's own, with transactions that always end.

The ORM finds its schema editor by the words `sqlite` and `asyncpg` in these modules' names.
"""
