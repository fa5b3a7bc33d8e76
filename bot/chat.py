"""The chat's side of the process: bot, dispatcher, intake and notifier, started behind the webhook.

aiogram takes seconds to import; that happens in a thread after alerts are taken already. While
Telegram is out of reach everything else goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from bot.settings import Settings
from core.clock import Clock, Random
from core.events import Bell
from core.trading.live import LiveDesk

if TYPE_CHECKING:
    from bot.intake import TelegramIntake
    from bot.notifier import Notifier

log = structlog.get_logger(__name__)

WEBHOOK_PATH = "/api/webhooks/telegram"
RETRY_S = 5.0


class ChatSide:
    """Telegram's side. `start` returns at once; `close` drains what is under way."""

    def __init__(
        self, settings: Settings, desk: LiveDesk, bell: Bell, clock: Clock, random: Random
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._bell = bell
        self._clock = clock
        self._random = random
        self._tasks: list[asyncio.Task[Any]] = []
        self._intake: TelegramIntake | None = None
        self._notifier: Notifier | None = None
        self._webhook: Callable[[web.Request], Any] | None = None
        self._close_bot: Callable[[], Any] | None = None
        self.on_problem: Callable[[str], None] = lambda problem: None
        self.on_outcome: Callable[[str, str], None] = lambda kind, outcome: None
        self.on_slow_down: Callable[[], None] = lambda: None

    @property
    def enabled(self) -> bool:
        return self._settings.bot_token is not None

    @property
    def problem(self) -> str | None:
        """Why Telegram does not serve this bot: conflict, unauthorized, unreachable, starting."""
        if not self.enabled:
            return None
        return self._intake.health.problem if self._intake is not None else "starting"

    def routes(self) -> list[web.RouteDef]:
        """The route that Telegram calls in webhook mode."""
        if self._settings.telegram_mode != "webhook":
            return []
        return [web.post(WEBHOOK_PATH, self._on_webhook)]

    async def _on_webhook(self, request: web.Request) -> web.Response:
        if self._webhook is None:
            return web.Response(status=503)
        response: web.Response = await self._webhook(request)
        return response

    async def start(self) -> None:
        if not self.enabled:
            log.warning("no BOT_TOKEN: there is no chat, only the webhook")
            return
        self._tasks.append(asyncio.create_task(self._run()))

    async def close(self) -> None:
        """Takes no more updates, lets those under way end, sends what is being sent."""
        parts = (self._intake, self._notifier)
        await asyncio.gather(*(part.close() for part in parts if part is not None))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._close_bot is not None:
            await self._close_bot()

    async def _run(self) -> None:
        try:
            await asyncio.to_thread(_import_chat)
            await self._build()
        except Exception:
            log.exception("the chat could not be started")

    async def _build(self) -> None:
        from bot.intake import TelegramHealth, TelegramIntake
        from bot.notifier import Notifier
        from bot.telegram import create_bot
        from core.ledger import conversations, outbox, updates
        from handlers.chat.deletions import Deletions
        from handlers.chat.deps import ChatDeps
        from handlers.chat.dispatcher import build_dispatcher
        from handlers.chat.resuming import ask_them_again, find_interrupted

        settings = self._settings
        token = settings.bot_token
        assert token is not None
        bot = create_bot(
            token.get_secret_value(), self._clock, settings.telegram_api_url, self.on_slow_down
        )
        self._close_bot = bot.session.close
        deletions = Deletions(conversations, self._clock)
        deps = ChatDeps(
            desk=self._desk,
            clock=self._clock,
            random=self._random,
            conversations=conversations,
            deletions=deletions,
            public_url_problem=settings.public_url_problem,
            note_reachable=self._desk.set_reachable,
        )
        dispatcher = build_dispatcher(deps)
        interrupted = await find_interrupted(deps)
        health = TelegramHealth(on_problem=self.on_problem)
        self._notifier = Notifier(
            bot,
            self._desk,
            outbox,
            self._bell,
            self._clock,
            self._random,
            deletions,
            set_reachable=self._desk.set_reachable,
            on_outcome=self.on_outcome,
        )
        self._intake = TelegramIntake(bot, dispatcher, updates, self._clock, health)
        self._tasks.append(asyncio.create_task(self._notifier.run()))
        self._tasks.append(asyncio.create_task(ask_them_again(bot, interrupted)))
        self._tasks.append(asyncio.create_task(self._greet(bot)))
        if settings.telegram_mode == "webhook":
            secret = self._webhook_secret(token.get_secret_value())
            self._webhook = self._intake.webhook_handler(secret)
            url = settings.public_url.rstrip("/") + WEBHOOK_PATH
            self._tasks.append(asyncio.create_task(self._intake.keep_webhook(url, secret)))
        else:
            self._tasks.append(asyncio.create_task(self._intake.run_polling()))

    async def _greet(self, bot: Any) -> None:
        """Learns the bot's name, publishes its commands and prints the first admin's link."""
        from handlers.chat.dispatcher import publish_commands

        while True:
            with contextlib.suppress(Exception):
                name = (await bot.me()).username
                await publish_commands(bot)
                break
            await self._clock.sleep(RETRY_S)
        await self._desk.note_bot_name(name)
        log.info("the chat is open", bot=f"@{name}")
        if await self._desk.needs_admin():
            token = await self._desk.make_admin_link()
            print_admin_link(name, token)

    def _webhook_secret(self, token: str) -> str:
        """Derived from the bot's token, so that it needs no place of its own."""
        return hmac.new(token.encode(), b"perpgram telegram webhook", hashlib.sha256).hexdigest()


def print_admin_link(bot_name: str, token: str) -> None:
    """For the operator's eyes: on standard output, not in the log."""
    print(  # noqa: T201
        f"\nNobody is admin yet. Open this within 15 minutes; who opens it becomes admin:\n"
        f"  https://t.me/{bot_name}?start=admin-{token}\n"
        f"Where the link does not open, send the bot:  /start admin-{token}\n",
        flush=True,
    )


def _import_chat() -> None:
    import handlers.chat.dispatcher  # noqa: F401
