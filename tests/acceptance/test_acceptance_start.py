"""Start and stop: alerts first, whatever is down; and nothing that was taken is dropped."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import signal
import subprocess
import sys
import time
from typing import Any

from bot.demo.world import free_port
from tests.acceptance.house import House
from tests.acceptance.nursery import BotProcess, clean_environment
from tests.acceptance.process_house import ProcessHouse
from tests.acceptance.until import until

TICKER = "BTC-USD"
SIZE = "0.002"
OPENS_WITHIN_S = 30.0
STOPS_WITHIN_S = 20.0
NOWHERE = "http://127.0.0.1:1"


async def connected(house: ProcessHouse) -> BotProcess:
    """A running bot with a trader who has a webhook."""
    bot = await house.start()
    await house.connect()
    return bot


async def checks(house: ProcessHouse) -> dict[str, dict[str, Any]]:
    """What /readyz says, by name of the check."""
    answer = await house.http.get(f"{house.bot_http}/readyz")
    found = {check["name"]: check for check in answer.json()["checks"]}
    found["ready"] = {"ok": answer.status_code == 200}
    return found


def events(bot: BotProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in bot.stderr.splitlines()]


async def test_alerts_are_taken_soon_after_the_start_of_a_process(street: ProcessHouse) -> None:
    """A whole process, from exec to the open port. On two idle cores: below 8 s."""
    environment = clean_environment() | street.environment()
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "run",
        env=environment,
        cwd=street.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await until(lambda: _is_open(street.http_port), OPENS_WITHIN_S)
        took = time.monotonic() - began
        assert process.returncode is None
    finally:
        process.kill()
        await process.wait()
    print(f"\nprocess start to alerts taken: {took:.2f} s")


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_alerts_wait_for_a_network_that_is_down_at_the_start(street: ProcessHouse) -> None:
    """The fresh one is carried out when it comes up, the one that grew old is missed and told."""
    street.settings["GOOD_TIL_BLOCKS"] = "20"  # so that a slow machine's order is not too late
    bot = await connected(street)
    await bot.kill()
    await street.close_paper()
    await street.start()
    old = json.loads(street.body("buy", ticker="ETH-USD", size="0.05"))
    old["time"] = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=58)).isoformat()
    for body in (json.dumps(old).encode(), street.body("buy", ticker=TICKER, size=SIZE)):
        answer = await street.post(body)
        assert (answer["http_status"], answer["status"]) == (200, "PENDING")
    ready = await checks(street)
    assert not ready["ready"]["ok"]
    assert not ready["reconciled"]["ok"]
    grown_old = dt.datetime.fromisoformat(old["time"]) + dt.timedelta(seconds=60)
    await until(lambda: _past(grown_old))
    await street.open_paper()
    await street.position_is(TICKER, SIZE, within_s=60)
    await street.sees(TICKER, "protected on chain")
    await street.sees("ETH-USD", "Missed", reply=True)
    assert await street.chain_size("ETH-USD") == 0
    await street.ready()


async def _past(moment: dt.datetime) -> bool:
    return dt.datetime.now(dt.UTC) > moment


async def test_an_alert_that_comes_while_its_lane_is_starting_is_carried_out(
    desk: House, monkeypatch: Any
) -> None:
    """Stored after the lane looked for open intents and before alerts are handed to it."""
    from core.trading.lane import Lane

    started = Lane.start
    looked, go_on = asyncio.Event(), asyncio.Event()

    async def slow_start(lane: Lane) -> None:
        await started(lane)
        looked.set()
        await go_on.wait()

    monkeypatch.setattr(Lane, "start", slow_start)
    await desk.stop_bot()
    await desk.start_bot()
    await looked.wait()
    posting = asyncio.create_task(desk.alert("buy", ticker=TICKER, size=SIZE))
    answer = await posting
    assert answer["status"] == "PENDING"
    go_on.set()
    await desk.position_is(TICKER, SIZE)
    await desk.sees(TICKER, "protected on chain")


async def test_trades_go_on_and_messages_wait_while_telegram_is_out_of_reach(
    street: ProcessHouse,
) -> None:
    bot = await connected(street)
    await bot.kill()
    await street.emulator.stop_listening()
    bot = await street.start()
    answer = await street.alert("buy", ticker=TICKER, size=SIZE)
    assert answer["status"] in ("ACCEPTED", "PENDING", "FILLED")
    await street.position_is(TICKER, SIZE)
    price = (await street.oracle(TICKER)) * 104 // 100
    await street.price(TICKER, str(price))
    await street.position_is(TICKER, "0")
    await street.emulator.resume_listening()
    await street.sees("closed: take profit", reply=True, within_s=60)
    await street.emulator.stop_listening()
    assert (await street.alert("buy", ticker="ETH-USD", size="0.05"))["http_status"] == 200
    await street.position_is("ETH-USD", "0.05")
    assert (await checks(street))["ready"]["ok"], "trading does not need Telegram"
    await street.emulator.resume_listening()
    await street.sees("ETH-USD", "protected on chain", within_s=60)
    assert bot.exit_code is None


async def test_a_revoked_token_is_one_log_line_and_an_unready_process(
    street: ProcessHouse,
) -> None:
    bot = await connected(street)
    await street.ready()
    street.emulator.faults.token_revoked = True
    street.user.say("/status")  # ends the poll under way
    await until(lambda: _telegram_is(street, "unauthorized"), 60)
    assert not (await checks(street))["ready"]["ok"]
    assert (await street.alert("buy", ticker=TICKER, size=SIZE))["http_status"] == 200
    await street.position_is(TICKER, SIZE)
    told = [one for one in events(bot) if "BOT_TOKEN" in one["event"]]
    assert len(told) == 1
    street.emulator.faults.clear()
    await street.ready(60)


async def test_another_poller_is_one_log_line_and_an_unready_process(
    street: ProcessHouse,
) -> None:
    bot = await connected(street)
    await street.ready()
    street.emulator.faults.fail(
        "getUpdates", 409, "Conflict: terminated by other getUpdates request", times=1_000
    )
    street.user.say("/status")
    await until(lambda: _telegram_is(street, "conflict"), 60)
    assert not (await checks(street))["ready"]["ok"]
    told = [one for one in events(bot) if "another program" in one["event"]]
    assert len(told) == 1


async def _telegram_is(house: ProcessHouse, problem: str) -> bool:
    return bool((await checks(house))["telegram"]["detail"] == problem)


async def test_sigterm_answers_the_alert_in_flight_and_ends_well(street: ProcessHouse) -> None:
    street.settings["GOOD_TIL_BLOCKS"] = "20"
    bot = await connected(street)
    await street.control("faults", rtt_ms=1500)
    in_flight = asyncio.create_task(street.alert("buy", ticker=TICKER, size=SIZE))
    await until(lambda: _is_stored(street))
    began = time.monotonic()
    bot.send(signal.SIGTERM)
    answer = await in_flight
    assert (answer["http_status"], answer["success"]) == (200, True)
    assert await bot.ended() == 0
    took = time.monotonic() - began
    print(f"\nSIGTERM to the end: {took:.2f} s")
    assert took < STOPS_WITHIN_S
    assert "Traceback" not in bot.stderr
    await street.control("faults", rtt_ms=0)
    await street.start()
    await street.position_is(TICKER, SIZE, within_s=60)
    await street.sees(TICKER, "protected on chain")
    assert str(await street.traded(TICKER, "BUY")) == SIZE


async def _is_stored(house: ProcessHouse) -> bool:
    from tests.acceptance.ledger_look import rows

    return bool(rows(house.folder, "SELECT id FROM signal"))


async def test_sigterm_ends_in_time_while_telegram_does_not_answer(street: ProcessHouse) -> None:
    """Messages that are not sent by then are sent after the next start."""
    bot = await connected(street)
    street.emulator.faults.delay(60, "sendMessage")
    await street.alert("buy", ticker=TICKER, size=SIZE)
    street.user.say("/status")
    await street.position_is(TICKER, SIZE)
    began = time.monotonic()
    bot.send(signal.SIGTERM)
    assert await bot.ended() == 0
    took = time.monotonic() - began
    print(f"\nSIGTERM to the end, Telegram silent: {took:.2f} s")
    assert took < STOPS_WITHIN_S
    street.emulator.faults.clear()
    await street.start()
    await street.sees(TICKER, "protected on chain", within_s=60)


async def test_a_bot_that_is_stopping_says_so_to_those_who_ask(street: ProcessHouse) -> None:
    """503 from the first moment on, so that TradingView sends the alert to the next process."""
    bot = await connected(street)
    street.emulator.faults.delay(5, "sendMessage")
    street.user.say("/status")
    await until(lambda: _has_pending_call(street))
    bot.send(signal.SIGTERM)
    body = street.body("buy", ticker=TICKER, size=SIZE)

    async def turned_away() -> bool:
        answer = await street.post_or_lose(body)
        return answer is None or answer["http_status"] == 503

    await until(turned_away)
    assert await bot.ended() == 0
    street.emulator.faults.clear()
    await street.start()
    assert (await street.post(body))["status"] in ("ACCEPTED", "FILLED", "PENDING", "DUPLICATE")
    await street.position_is(TICKER, SIZE, within_s=60)
    assert str(await street.traded(TICKER, "BUY")) == SIZE


async def _has_pending_call(house: ProcessHouse) -> bool:
    return house.emulator.pending_updates == 0


async def test_a_bot_without_its_networks_still_starts_and_stops(street: ProcessHouse) -> None:
    await street.close_paper()
    street.settings["TELEGRAM_API_URL"] = NOWHERE
    street.settings["HTTP_PORT"] = str(free_port())
    bot = street.bot = street.launch()
    await until(lambda: _taken(bot), 60)
    bot.send(signal.SIGTERM)
    assert await bot.ended() == 0
    assert "Traceback" not in bot.stderr


async def _taken(bot: BotProcess) -> bool:
    return any(one["event"] == "alerts are taken" for one in events(bot))
