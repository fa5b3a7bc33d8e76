"""The chapters of the suite."""

from __future__ import annotations

from typing import Final

from tests.conformance.chapters.channels import channels
from tests.conformance.chapters.conditional import triggered, untriggered
from tests.conformance.chapters.isolated import isolated
from tests.conformance.chapters.keys import authenticator_trees, trading_keys
from tests.conformance.chapters.long_term import long_term
from tests.conformance.chapters.money import money
from tests.conformance.chapters.official import official_indexer, official_node
from tests.conformance.chapters.ours import ours
from tests.conformance.chapters.queries import comet, queries
from tests.conformance.chapters.refusals import refusals, stateful_refusals
from tests.conformance.chapters.routes import budget, routes
from tests.conformance.chapters.short_term import short_term
from tests.conformance.chapters.transactions import transactions
from tests.conformance.chapters.twap import twap
from tests.conformance.world import Spec

CHAPTERS: Final = (
    Spec("short-term", short_term, people=2, market=True),
    Spec("long-term", long_term, people=2, market=True),
    Spec("untriggered", untriggered, people=1, market=True),
    Spec("triggered", triggered, people=2, market=True),
    Spec("twap", twap, people=2, market=True),
    Spec("isolated", isolated, people=2, market=True),
    Spec("refusals", refusals, people=1, market=True),
    Spec("stateful refusals", stateful_refusals, people=3, market=True),
    Spec("queries", queries, people=1, market=True),
    Spec("rpc", comet, people=1, market=True),
    Spec("money", money, people=2, market=True),
    Spec("routes", routes, people=2, market=True),
    Spec("budget", budget, last=True),
    Spec("channels", channels, people=2, market=True),
    Spec("trading keys", trading_keys, people=2, market=True),
    Spec("authenticators", authenticator_trees, people=2, market=True),
    Spec("official node client", official_node, people=2, market=True),
    Spec("official indexer client", official_indexer, people=2, market=True),
    Spec("our client", ours, people=2, market=True),
    Spec("transactions", transactions, people=3, market=True),
)
