"""What the tests about strategies in the chat share."""

from __future__ import annotations

from bot.emulator.screen import Shown
from bot.emulator.user import User
from core.trading.views import StrategyView
from tests.handlers.chat.chat_world import ChatWorld


async def ready(world: ChatWorld, user: User) -> tuple[StrategyView, Shown]:
    """A trader with a paper account, his strategy, and the message with its secret."""
    await world.tap(user, await world.start(user), "Paper")
    strategy = (await world.desk.strategies(await world.trader(user)))[0]
    return strategy, await world.latest(user)


async def opened(world: ChatWorld, user: User) -> Shown:
    """The screen of his only strategy."""
    shown = await world.say(user, "/strategy main")
    assert shown.text.startswith("Strategy main")
    return shown


async def tapped(world: ChatWorld, user: User, shown: Shown, *labels: str) -> Shown:
    """The message after these buttons were pressed one after the other."""
    for label in labels:
        found = await world.tap(user, shown, label)
        assert found is not None
        shown = found
    return shown


async def current(world: ChatWorld, user: User) -> StrategyView:
    """His only strategy as it is now."""
    return (await world.desk.strategies(await world.trader(user)))[0]
