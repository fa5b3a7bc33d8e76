"""One executor per ledger: across processes, stopped ones, and lost connections."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

import asyncpg
import pytest

from core.clock import SystemClock
from core.ledger.address import PostgresAddress, parse_address
from core.ledger.database import LedgerInUse, LedgerLost, LedgerRefused, visit_ledger
from core.ledger.models import Meta, Trader
from core.ledger.tasks import spawn
from tests.core.ledger.ledger_holder import ADDRESS, Holder
from tests.core.ledger.ledger_kit import a_trader, opened


async def connected(url: str) -> asyncpg.Connection:
    address = parse_address(url)
    assert isinstance(address, PostgresAddress)
    return await asyncpg.connect(**address.arguments())


async def test_a_second_executor_is_told_who_is_first(ledger_url: str) -> None:
    with Holder(ledger_url) as first:
        assert await first.heard() == "open 1"
        with pytest.raises(LedgerInUse) as refused:
            async with opened(ledger_url):
                pass
    text = str(refused.value)
    assert "\n" not in text
    assert str(first.pid) in text
    assert ADDRESS in text
    assert socket.gethostname() in text


async def test_a_stopped_executor_keeps_its_lock_until_it_is_killed(ledger_url: str) -> None:
    with Holder(ledger_url) as first:
        assert await first.heard() == "open 1"
        first.stop()
        with pytest.raises(LedgerInUse, match=str(first.pid)):
            async with opened(ledger_url):
                pass
        first.kill()

        async def take_over() -> int:
            while True:
                try:
                    async with opened(ledger_url) as ledger:
                        return ledger.epoch
                except LedgerInUse:  # the server is still noticing the death
                    await asyncio.sleep(0.05)

        async with asyncio.timeout(30):
            assert await take_over() == 2


async def test_an_executor_that_wakes_up_after_another_took_over_writes_nothing(
    postgres_ledger_url: str,
) -> None:
    """The lock goes to another one while the first is stopped, as after a cut network."""
    with Holder(postgres_ledger_url) as first:
        assert await first.heard() == "open 1"
        first.ask("write 1")
        assert await first.heard() == "wrote"
        first.stop()
        await terminate_lock_holder(postgres_ledger_url)
        async with opened(postgres_ledger_url) as second:
            assert second.epoch == 2
            first.ask("write 2")
            first.go_on()
            assert await first.heard() == "lost"
            assert [trader.telegram_id for trader in await Trader.all()] == [1]


async def terminate_lock_holder(url: str) -> None:
    connection = await connected(url)
    try:
        ended = await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        )
        assert len(ended) == 1
        async with asyncio.timeout(20):
            while await connection.fetch(  # noqa: ASYNC110
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"
            ):
                await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def test_losing_the_lock_connection_stops_all_executing(postgres_ledger_url: str) -> None:
    async with opened(postgres_ledger_url) as ledger:
        await terminate_lock_holder(postgres_ledger_url)
        async with asyncio.timeout(20):
            await ledger.lost.wait()
        with pytest.raises(LedgerLost):
            async with ledger.executing():
                await a_trader()
        assert not await ledger.check_writable()


async def test_closing_the_ledger_is_no_loss(ledger_url: str) -> None:
    async with opened(ledger_url) as ledger:
        pass
    assert not ledger.lost.is_set()


async def test_a_later_epoch_refuses_the_older_ones_writes(ledger_url: str) -> None:
    """Whatever became of the lock: the epoch in the ledger decides."""
    async with opened(ledger_url) as ledger:
        await Meta.filter(name="epoch").update(value=str(ledger.epoch + 1))
        with pytest.raises(LedgerLost):
            async with ledger.executing():
                await a_trader()
        assert ledger.lost.is_set()
        assert not await Trader.all().exists()


async def test_a_later_executor_waits_for_a_transaction_of_the_earlier(
    postgres_ledger_url: str,
) -> None:
    """So that it sees everything that was committed under the earlier epoch."""
    async with opened(postgres_ledger_url) as ledger:
        later = await connected(postgres_ledger_url)
        try:
            await later.execute("SET lock_timeout = '200ms'")
            async with ledger.executing():
                await a_trader()
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await later.execute("UPDATE meta SET value = '9' WHERE name = 'epoch'")
            await later.execute("UPDATE meta SET value = '9' WHERE name = 'epoch'")
        finally:
            await later.close()


async def test_of_many_that_start_at_once_on_an_empty_place_one_gets_the_ledger(
    empty_ledger_url: str,
) -> None:
    holders = [Holder(empty_ledger_url) for _ in range(2)]
    try:
        heard = sorted(await asyncio.gather(*[holder.heard() for holder in holders]))
    finally:
        for holder in holders:
            holder.__exit__(None, None, None)
    assert heard[0] == "open 1"
    assert [line.split()[0] for line in heard[1:]] == ["refused"]
    assert all("in use" in line for line in heard[1:])


async def test_each_start_has_its_own_epoch_and_the_installation_keeps_its_id(
    ledger_url: str,
) -> None:
    seen = []
    for _ in range(3):
        async with opened(ledger_url) as ledger:
            seen.append((ledger.epoch, ledger.installation))
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert len({installation for _, installation in seen}) == 1


async def test_a_visitor_writes_beside_the_executor_but_does_not_execute(ledger_url: str) -> None:
    with Holder(ledger_url) as first:
        assert await first.heard() == "open 1"
        async with visit_ledger(ledger_url, clock=SystemClock()) as visited:
            async with visited.transaction():
                await a_trader(5)
            with pytest.raises(LedgerLost):
                async with visited.executing():
                    pass
        first.ask("write 6")
        assert await first.heard() == "wrote"
        async with visit_ledger(ledger_url, clock=SystemClock()):
            assert await Trader.all().count() == 2


async def test_a_visitor_makes_no_ledger(empty_ledger_url: str) -> None:
    with pytest.raises(LedgerRefused, match="start the bot first"):
        async with visit_ledger(empty_ledger_url, clock=SystemClock()):
            pass


async def test_only_we_can_read_the_files(empty_sqlite_url: str) -> None:
    file = Path(empty_sqlite_url.removeprefix("sqlite://"))
    async with opened(empty_sqlite_url) as ledger:
        async with ledger.executing():
            await a_trader()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert set(modes) == {
        "perpgram.db",
        "perpgram.db.lock",
        "perpgram.db-wal",
        "perpgram.db-shm",
    }
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite://", "named no file"),
        ("sqlite://:memory:", "named no file"),
        ("mysql://a/b", "neither"),
        ("postgres://u:p@h", "named no database"),
        ("postgres://u:geheim@h:99999999/x", "could not be read"),
        ("postgres://u:geheim@h/x?color=red", "color"),
        ("postgres://u:geheim@h/x?sslmode=maybe", "sslmode"),
        ("perpgram.db", "was not an address"),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(LedgerRefused, match=problem) as refused:
        parse_address(url)
    assert "geheim" not in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    url = f"postgres://nobody:geheim@/x?host={tmp_path}"
    with pytest.raises(LedgerRefused, match="did not let us in") as refused:
        async with opened(url):
            pass
    assert "geheim" not in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_file_that_is_no_ledger_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "photo.db"
    file.write_bytes(b"\xff\xd8\xff\xe0" * 1000)
    with pytest.raises(LedgerRefused, match="could not be used") as refused:
        async with opened(f"sqlite://{file}"):
            pass
    assert "\n" not in str(refused.value)


async def test_the_ledger_says_whether_it_can_be_written(sqlite_ledger_url: str) -> None:
    async with opened(sqlite_ledger_url) as ledger:
        assert await ledger.check_writable()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("core.ledger.database.PROBE_WITHIN_S", 0.2)
            async with ledger.transaction():  # holds the one connection
                assert not await spawn(ledger.check_writable())
        assert await ledger.check_writable()
