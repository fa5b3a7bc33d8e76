"""One executor per ledger, and starts that are refused with one line."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from bot.demo.world import free_port
from tests.acceptance.nursery import BotProcess, Nursery
from tests.acceptance.process_house import ProcessHouse, a_process_house
from tests.acceptance.until import until
from tests.postgres import Server

SIZE = Decimal("0.002")


async def refused(bot: BotProcess) -> str:
    """The one line with which a start was refused."""
    assert await bot.ended() == 2
    assert bot.stdout == ""
    lines = bot.stderr.splitlines()
    assert len(lines) == 1, bot.stderr
    assert lines[0].startswith("perpgram: ")
    return lines[0]


async def test_a_second_process_stops_with_one_line_that_names_the_first(
    street_on_both: ProcessHouse,
) -> None:
    """Also while the first is only stopped: it goes on later, and each alert acts once."""
    house = street_on_both
    first = await house.start()
    await house.connect()
    other_port = {"HTTP_PORT": str(free_port())}

    def named(line: str) -> bool:
        return str(first.pid) in line and house.bot_http in line

    assert named(await refused(house.launch("run", **other_port)))
    body = house.body("buy", size=str(SIZE))
    first.send(signal.SIGSTOP)
    waiting = asyncio.create_task(house.post(body))
    try:
        assert named(await refused(house.launch("run", **other_port)))
    finally:
        first.send(signal.SIGCONT)
    assert (await waiting)["status"] in ("ACCEPTED", "FILLED")
    assert (await house.post(body))["status"] == "DUPLICATE"
    await house.position_is("BTC-USD", str(SIZE))
    assert await house.traded("BTC-USD", "BUY") == SIZE
    await first.kill()
    second = await house.start()
    assert (await house.post(body))["status"] == "DUPLICATE"
    assert await house.traded("BTC-USD", "BUY") == SIZE
    second.send(signal.SIGTERM)
    assert await second.ended() == 0


async def test_a_process_that_lost_its_lock_ends_and_leaves_the_ledger_to_the_next(
    tmp_path: Path, postgres_ledger_url: str, postgres_server: Server, nursery: Nursery
) -> None:
    """PostgreSQL restarted, or the connection was cut: from then on another may be executing."""
    async with a_process_house(tmp_path, postgres_ledger_url, nursery) as house:
        first = await house.start()
        await house.connect()
        postgres_server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'perpgram %'"
        )
        assert await first.ended() == 2
        assert first.stderr.splitlines()[-1].startswith("perpgram: the ledger's lock was lost")
        await house.start()
        assert (await house.alert("buy", size=str(SIZE)))["http_status"] == 200
        await house.position_is("BTC-USD", str(SIZE))


async def test_a_second_process_that_would_bring_its_own_paper_network_says_one_line_too(
    street: ProcessHouse,
) -> None:
    first = await street.start()
    own = {f"DYDX_PAPER_{name}": "" for name in ("GRPC", "REST", "WS")}
    assert str(first.pid) in await refused(street.launch("run", **own))


async def test_a_port_that_is_taken_stops_the_start_with_one_line(street: ProcessHouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = await refused(street.launch("run", HTTP_PORT=str(port)))
    assert f"127.0.0.1:{port}" in line
    assert "HTTP_PORT" in line


async def test_a_missing_or_wrong_master_key_stops_the_start_with_one_line(
    street: ProcessHouse,
) -> None:
    key = street.folder / "keys" / "master.key"
    from_file = {"MASTER_KEY": "", "MASTER_KEY_FILE": str(key)}
    street.settings |= from_file
    bot = await street.start()
    await bot.kill()
    assert key.stat().st_mode & 0o777 == 0o600
    right = key.read_bytes()
    key.unlink()
    assert str(key) in await refused(street.launch())
    assert not key.exists(), "a new key was made for a ledger that is sealed"
    key.write_text("22" * 32)
    key.chmod(0o600)
    assert "not the one" in await refused(street.launch())
    key.write_bytes(right)
    await street.start()


def newer_ledger(house: ProcessHouse) -> dict[str, str]:
    with sqlite3.connect(house.folder / "ledger" / "perpgram.db") as ledger:
        ledger.execute(
            "INSERT INTO tortoise_migrations (app, name, applied_at)"
            " VALUES ('ledger', '9999_from_the_future', '2030-01-01')"
        )
    ledger.close()
    return {}


def unknown_in_dotenv(house: ProcessHouse) -> dict[str, str]:
    (house.folder / ".env").write_text("HTTP_PROT=8081\n")
    return {}


def unwritable_ledger(house: ProcessHouse) -> dict[str, str]:
    (house.folder / "a-file").write_text("not a folder")
    return {"DATABASE_URL": f"sqlite:///{house.folder}/a-file/perpgram.db"}


REFUSED: dict[str, tuple[Callable[[ProcessHouse], dict[str, str]], str]] = {
    "a ledger of a newer version": (newer_ledger, "9999_from_the_future"),
    "an unknown name in .env": (unknown_in_dotenv, "did you mean HTTP_PORT?"),
    "an unknown name in the environment": (
        lambda house: {"DYDX_PAPER_GRCP": "http://127.0.0.1:9090"},
        "did you mean DYDX_PAPER_GRPC?",
    ),
    "a malformed number": (lambda house: {"HTTP_PORT": "eighty"}, "HTTP_PORT=eighty"),
    "a malformed token": (lambda house: {"BOT_TOKEN": "hunter2"}, "BOT_TOKEN"),
    "no token": (lambda house: {"BOT_TOKEN": ""}, "BOT_TOKEN"),
    "a malformed database": (lambda house: {"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
    "a malformed master key": (lambda house: {"MASTER_KEY": "abc"}, "MASTER_KEY"),
    "a database out of reach": (
        lambda house: {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"},
        "127.0.0.1:1",
    ),
    "a folder that cannot be": (unwritable_ledger, "a-file"),
}


@pytest.mark.parametrize("fault", REFUSED)
async def test_a_start_that_cannot_be_is_refused_with_one_line(
    street: ProcessHouse, fault: str
) -> None:
    prepare, part = REFUSED[fault]
    line = await refused(street.launch("run", **prepare(street)))
    assert part in line
    assert "hunter2" not in line


async def test_an_admin_link_can_be_made_beside_the_running_bot(street: ProcessHouse) -> None:
    bot = await street.start()
    await until(lambda: _said(bot, "t.me/perpgram_bot?start=admin-"))
    maker = street.launch("admin-link")
    assert await maker.ended() == 0
    token = re.findall(r"start=(admin-\S+)", maker.stdout)[0]
    street.user.start(token)
    await street.sees("You are the admin")
    other = street.emulator.user(4712, "Eve")
    other.start(token)
    await other.wait_for_text("link", 30)
    assert not any("You are the admin" in one.text for one in other.screen())


async def test_an_admin_link_needs_a_ledger(street: ProcessHouse) -> None:
    maker = street.launch("admin-link", DATABASE_URL=f"sqlite:///{street.folder}/none.db")
    assert "start the bot first" in await refused(maker)


async def test_the_healthcheck_says_by_its_exit_code_whether_the_bot_answers(
    street: ProcessHouse,
) -> None:
    bot = await street.start()
    assert await street.launch("healthcheck").ended() == 0
    await bot.kill()
    dead = street.launch("healthcheck")
    assert await dead.ended() == 1
    assert len(dead.stderr.splitlines()) == 1


async def test_no_process_leaves_its_memory_on_the_disk(street: ProcessHouse) -> None:
    bot = await street.start()
    limits = Path(f"/proc/{bot.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


async def test_every_log_line_is_one_json_object(street: ProcessHouse) -> None:
    bot = await street.start()
    await street.connect()
    await street.alert("buy", size=str(SIZE))
    await street.sees("protected on chain")
    lines = [line for line in bot.stderr.splitlines() if line]
    assert lines
    assert all("event" in json.loads(line) for line in lines)


async def _said(bot: BotProcess, part: str) -> bool:
    return part in bot.stdout
