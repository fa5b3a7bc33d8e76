"""`perpgram admin-link`: a new one-time link, made beside the running bot."""

from __future__ import annotations

from bot.chat import print_admin_link as show
from bot.errors import StartRefused
from bot.settings import Settings
from core.clock import SystemClock, SystemRandom
from core.ledger import facts, traders
from core.ledger.database import LedgerRefused, visit_ledger
from core.trading.people import ADMIN_LINK_TTL, link_hash


async def print_admin_link(settings: Settings) -> int:
    """Stores the link's hash and prints the link. Raises StartRefused with one line."""
    clock = SystemClock()
    url = settings.database_url.get_secret_value()
    token = SystemRandom().token_urlsafe(24)
    try:
        async with visit_ledger(url, clock=clock) as ledger:
            async with ledger.transaction():
                await traders.add_admin_link(link_hash(token), clock.now() + ADMIN_LINK_TTL)
            name = await facts.recall(facts.BOT_NAME)
    except LedgerRefused as refused:
        raise StartRefused(str(refused)) from None
    show(name or "your_bot", token)
    return 0
