"""Modes, formats, sync and aliases of a strategy in the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from core.signals.body import NAMES
from handlers.chat.buttons import PresetButton, UnaliasButton
from handlers.chat.texts.strategy_aliases import mark_of
from tests.handlers.chat.chat_world import ChatWorld, chat_world
from tests.handlers.chat.strategy_kit import current, opened, ready, tapped


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def test_the_pages_of_modes_says_what_each_means(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    shown = await tapped(world, ann, await opened(world, ann), "Mode")
    for words in (
        "live – each alert is traded at once",
        "ask – an entry waits for your tap until it is too old. Closes never wait",
        "shadow – no entry is sent",
        "paused – entries are refused",
        "kept over restarts",
    ):
        assert words in shown.text
    assert shown.labels()[:4] == ["✅ live", "ask", "shadow", "paused"]


@pytest.mark.parametrize("mode", ["ask", "shadow"])
async def test_a_mode_is_chosen_by_a_tap(world: ChatWorld, mode: str) -> None:
    ann = world.user(1)
    await ready(world, ann)
    shown = await tapped(world, ann, await opened(world, ann), "Mode", mode)
    assert (await current(world, ann)).mode == mode
    assert f"\n{mode}: " in shown.text
    assert f"main · paper · {mode}" in (await world.say(ann, "/strategies")).text


async def test_a_pause_keeps_the_mode_for_when_it_ends(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    await tapped(world, ann, await opened(world, ann), "Mode", "ask")
    paused = await tapped(world, ann, await opened(world, ann), "Pause")
    assert (await current(world, ann)).state == "paused"
    assert "paused: entries are refused" in paused.text
    assert "Send a test alert" not in paused.labels()
    resumed = await tapped(world, ann, paused, "Resume")
    view = await current(world, ann)
    assert (view.state, view.mode) == ("active", "ask")
    assert "paused" not in resumed.text


async def test_every_format_can_be_chosen_and_shows_its_message(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    page = await tapped(world, ann, await opened(world, ann), "Alerts", "Format")
    assert len(page.labels()) == len(NAMES) + 1
    shown = await tapped(world, ann, page, "TradersPost")
    assert (await current(world, ann)).preset == "traderspost"
    assert "TradersPost" in shown.text
    assert "PUT-THE-SECRET-HERE" in shown.text
    assert "New secret…" in shown.labels()
    assert "format TradersPost" in (await opened(world, ann)).text


async def test_a_new_secret_gives_the_message_in_the_strategys_format(world: ChatWorld) -> None:
    ann = world.user(1)
    strategy, _ = await ready(world, ann)
    page = await tapped(world, ann, await opened(world, ann), "Alerts", "Format", "Alertatron")
    await tapped(world, ann, page, "New secret", "Make a new secret")
    shown = await world.latest(ann)
    assert world.desk.secrets[strategy.id] in shown.text
    assert "Message · Alertatron" in shown.text


async def test_a_format_that_does_not_exist_is_refused(world: ChatWorld) -> None:
    ann = world.user(1)
    strategy, secret = await ready(world, ann)
    data = PresetButton(preset="tradingbot", strategy_id=strategy.id).pack()
    await world.forge(ann, secret.id, data)
    assert "is not known here" in (await world.latest(ann)).text
    assert (await current(world, ann)).preset == "auto"


async def test_sync_says_what_it_does_and_is_switched(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    page = await tapped(world, ann, await opened(world, ann), "Alerts", "Sync")
    assert "are the target" in page.text
    assert '"market_position": "{{strategy.market_position}}"' in page.text
    on = await tapped(world, ann, page, "Switch on")
    assert (await current(world, ann)).sync
    assert on.labels()[0] == "Switch off"
    assert "sync" in (await opened(world, ann)).text
    await tapped(world, ann, on, "Switch off")
    assert not (await current(world, ann)).sync


async def test_aliases_are_listed_and_removed_once(world: ChatWorld) -> None:
    ann = world.user(1)
    strategy, _ = await ready(world, ann)
    owner, view = world.desk.strategy_rows[strategy.id]
    aliases = (("XBTM26", "BTC-USD"), ("ETHM26", "ETH-USD"))
    world.desk.strategy_rows[strategy.id] = (owner, replace(view, aliases=aliases))
    page = await tapped(world, ann, await opened(world, ann), "Alerts", "Aliases (2)")
    assert "XBTM26 → BTC-USD" in page.text
    left = await tapped(world, ann, page, "Remove XBTM26")
    assert "XBTM26" not in left.text
    data = UnaliasButton(strategy_id=strategy.id, mark=mark_of("XBTM26")).pack()
    await world.forge(ann, page.id, data)
    assert (await current(world, ann)).aliases == (("ETHM26", "ETH-USD"),)
