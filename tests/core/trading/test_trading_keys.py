"""Trading keys on a paper network: made, used, left, taken away; and a crash at every step."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from bip_utils import Bip39MnemonicGenerator, Bip39WordsNum

from bot.app import Process, started
from bot.demo.world import free_port
from bot.settings import load_settings
from core.clock import SystemRandom
from core.dydx.authenticator_tree import ALL_OF, MESSAGES, SIGNATURE, write_tree
from core.dydx.authenticators import PLACE, TRADING_MESSAGES, adding, own_tree, removing
from core.dydx.drafts import OrderDraft
from core.dydx.keys import SigningKey
from core.dydx.markets import market_of
from core.dydx.node import Outcome
from core.dydx.protocol import USDC_DENOM, OrderFlags, Side, TimeInForce
from core.dydx.signing import sign
from core.dydx.wallet_transactions import Fee, sign_transaction
from core.ledger import accounts, key_work
from core.ledger.models import Credential, OutgoingMessage, SealedKey
from core.paper.network import PaperNetwork, PaperSettings
from core.trading.decision import Refusal
from core.trading.key_steps import next_nonce
from core.trading.key_views import KeyWorkView
from core.trading.live import LiveDesk
from core.trading.signing import Signer
from core.trading.venue import Venue
from core.trading.views import DeskError, TraderView
from tests.dying import Died, die_at
from tests.key_moments import ERASED, LEAVING, MAKING, REMOVAL

BLOCK_S = 0.2
WITHIN_S = 60.0
FEE = Fee(300_000, USDC_DENOM, 7_500)


@dataclass
class Desk:
    """A bot without a chat on a paper network; `begin` and `end` start and stop it."""

    folder: Path
    database_url: str
    paper: PaperNetwork
    process: Process | None = None
    _stack: contextlib.AsyncExitStack | None = None

    async def begin(self) -> LiveDesk:
        environment = {
            "DATABASE_URL": self.database_url,
            "MASTER_KEY": "11" * 32,
            "NETWORKS": "paper",
            "DYDX_PAPER_GRPC": f"http://127.0.0.1:{self.paper.nodes[0].port}",
            "DYDX_PAPER_REST": f"http://127.0.0.1:{self.paper.rest_port}",
            "DYDX_PAPER_WS": f"ws://127.0.0.1:{self.paper.ws_port}/v4/ws",
            "HTTP_PORT": str(free_port()),
            "SIGNUP": "open",
        }
        self._stack = contextlib.AsyncExitStack()
        settings = load_settings(environment, self.folder / "no.env")
        self.process = await self._stack.enter_async_context(started(settings))
        return self.process.desk

    async def end(self) -> None:
        if self._stack is not None:
            await self._stack.aclose()
        self._stack = self.process = None

    @property
    def desk(self) -> LiveDesk:
        assert self.process is not None
        return self.process.desk

    @property
    def venue(self) -> Venue:
        assert self.process is not None
        return self.process.venues["paper"]

    async def ada(self) -> TraderView:
        return await self.desk.trader_of(1, "Ada")

    async def fund(self, address: str) -> None:
        async with httpx.AsyncClient(timeout=20) as http:
            answer = await http.post(
                f"http://127.0.0.1:{self.paper.rest_port}/faucet/tokens",
                json={"address": address, "subaccountNumber": 0, "amount": 10_000},
            )
        answer.raise_for_status()
        await until(lambda: self._has_coins(address))

    async def _has_coins(self, address: str) -> bool:
        return bool(await self.venue.node.balances(address))

    async def settled(self, work_id: int, *states: str) -> KeyWorkView:
        async def there() -> bool:
            return (await self.desk.key_work(work_id)).state in states

        await until(there)
        return await self.desk.key_work(work_id)

    async def listed(self, address: str) -> int:
        return len(await self.venue.node.authenticators(address))

    async def give_key(
        self, owner: SigningKey, config: bytes, type_: str = ALL_OF, *, remove: int | None = None
    ) -> None:
        """What dYdX's web does: the owner adds (or removes) an authenticator."""
        message = (
            adding(owner.address, config) if remove is None else removing(owner.address, remove)
        )
        if remove is None:
            message.authenticator_type = type_
        account = await self.venue.node.account(owner.address)
        assert account is not None
        nonce = await next_nonce(self.desk._office, self.venue, owner.address)
        chain_id = self.venue.network.chain_id
        signed = sign_transaction(message, owner, chain_id, account.number, nonce, FEE)
        answer = await self.venue.node.broadcast(signed.tx)
        assert answer.outcome is Outcome.ACCEPTED, answer
        await until(lambda: self._in_block(signed.tx_hash))

    async def _in_block(self, tx_hash: str) -> bool:
        found = await self.venue.node.transaction(tx_hash)
        assert found is None or found.code == 0, found
        return found is not None

    def files(self) -> bytes:
        return b"".join(one.read_bytes() for one in (self.folder / "ledger").glob("perpgram.db*"))


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = WITHIN_S) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.fixture
async def house(tmp_path: Path, sqlite_ledger_url: str) -> AsyncIterator[Desk]:
    paper = PaperNetwork(
        PaperSettings(
            grpc_port=0,
            rest_port=0,
            ws_port=0,
            rpc_port=0,
            prices="still",
            block_s=BLOCK_S,
            rest_limit=1_000_000,
        )
    )
    await paper.start()
    opened = Desk(tmp_path, sqlite_ledger_url, paper)
    try:
        yield opened
    finally:
        await opened.end()
        await paper.close()


def new_phrase() -> tuple[str, SigningKey]:
    phrase = str(Bip39MnemonicGenerator().FromWordsNumber(Bip39WordsNum.WORDS_NUM_24))
    return phrase, SigningKey.from_phrase(phrase)


async def make_key(house: Desk, phrase: str, *states: str) -> KeyWorkView:
    trader = await house.ada()
    offer = await house.desk.offer_key(trader, "paper", phrase)
    work = await house.desk.make_key(trader, offer.token, None)
    return await house.settled(work.id, *(states or ("done",)))


async def rest_orders(house: Desk, account_id: int, count: int) -> None:
    """Long-term bids that the account's credential signs, far below the price."""
    account = await accounts.get(account_id)
    credential = await accounts.credential(account_id)
    assert credential is not None
    if account.chain_account_number is None:
        on_chain = await house.venue.node.account(account.address)
        assert on_chain is not None
        account.chain_account_number = on_chain.number
    chain_id = house.venue.network.chain_id
    signer = Signer(account, credential, house.desk._office.vault, chain_id)
    market = market_of((await house.venue.indexer.perpetual_markets())["BTC-USD"])
    now = int(dt.datetime.now(dt.UTC).timestamp())
    for client_id in range(1, count + 1):
        draft = OrderDraft(
            address=account.address,
            number=0,
            client_id=client_id,
            clob_pair_id=market.clob_pair_id,
            side=Side.BUY,
            quantums=market.scale.step_base_quantums,
            subticks=market.scale.subticks_per_tick * 100,
            time_in_force=TimeInForce.UNSPECIFIED,
            order_flags=OrderFlags.LONG_TERM,
            good_til_block_time=now + 3600,
        )
        nonce = await next_nonce(house.desk._office, house.venue, account.address)
        answer = await house.venue.node.broadcast(signer.sign([draft], sequence=nonce).tx)
        assert answer.outcome is Outcome.ACCEPTED, answer
        await until(partial(order_is, house, draft, "OPEN"))


async def order_is(house: Desk, draft: OrderDraft, status: str) -> bool:
    row = await house.venue.indexer.order(draft.order_uuid)
    return row is not None and row.status == status


async def open_orders(house: Desk, address: str) -> list[Any]:
    rows = await house.venue.indexer.orders(address, 0)
    return [row for row in rows if row.status in ("OPEN", "UNTRIGGERED")]


async def assert_made(house: Desk, work: KeyWorkView, owner: SigningKey, sealed: bytes) -> None:
    """The new key signs, the owner's is nowhere, the chain lists one permission."""
    (account,) = await house.desk.accounts(await house.ada())
    assert account.credential == "trading_key"
    assert account.authenticator_id == work.authenticator_id == 0
    assert await house.listed(owner.address) == 1
    assert await SealedKey.all().count() == 0
    assert sealed[-32:] not in house.files()
    assert owner.secret() not in house.files()


@pytest.mark.parametrize("moment", MAKING)
async def test_a_crash_at_any_step_of_making_a_key_ends_in_one_key_and_no_phrase(
    house: Desk, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    phrase, owner = new_phrase()
    await house.begin()
    await house.fund(owner.address)
    died = die_at(monkeypatch, moment)
    trader = await house.ada()
    offer = await house.desk.offer_key(trader, "paper", phrase)
    with contextlib.suppress(Died):
        await house.desk.make_key(trader, offer.token, None)
    async with asyncio.timeout(WITHIN_S):
        await died.wait()
    row = await key_work.key(1, "owner")
    sealed = row.sealed if row is not None else b"?" * 32
    if moment != ERASED:
        assert row is not None
        assert sealed[-32:] in house.files(), "the control found nothing"
    await house.end()
    await house.begin()
    work = await house.settled(1, "done")
    await assert_made(house, work, owner, sealed)


@pytest.mark.parametrize("moment", LEAVING)
async def test_a_crash_while_leaving_ends_with_orders_gone_and_the_key_erased(
    house: Desk, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    phrase, owner = new_phrase()
    await house.begin()
    await house.fund(owner.address)
    made = await make_key(house, phrase)
    assert made.account_id is not None
    await rest_orders(house, made.account_id, 2)
    died = die_at(monkeypatch, moment)
    leaving = await house.desk.disconnect_account(await house.ada(), made.account_id)
    if moment == REMOVAL:
        await house.settled(leaving.id, "done")
        with contextlib.suppress(Died):
            await house.desk.remove_key(await house.ada(), leaving.id, phrase, None)
    async with asyncio.timeout(WITHIN_S):
        await died.wait()
    await house.end()
    await house.begin()
    left = await house.settled(leaving.id, "done")
    assert (left.report["cancelled"], left.report["left"]) == (2, 0)
    assert await open_orders(house, owner.address) == []
    assert await Credential.all().count() == 0
    assert not await house.desk.accounts(await house.ada())
    revoked = await house.desk.is_revoked(await house.ada(), left.id)
    if moment != REMOVAL:
        assert not revoked, "nobody removed the permission, so it must not be called revoked"
        removal = await house.desk.remove_key(await house.ada(), left.id, phrase, None)
        await house.settled(removal.id, "done")
    else:
        await house.settled(leaving.id + 1, "done")
    assert await house.desk.is_revoked(await house.ada(), left.id)
    assert await house.listed(owner.address) == 0


async def test_fee_and_wallet_are_looked_at_before_anything_is_signed(house: Desk) -> None:
    phrase, owner = new_phrase()
    desk = await house.begin()
    trader = await house.ada()
    offer = await desk.offer_key(trader, "paper", phrase)
    assert offer.pays is None
    assert [fee.missing for fee in offer.fees] == [fee.amount for fee in offer.fees]
    with pytest.raises(DeskError) as refused:
        await desk.make_key(trader, offer.token, None)
    assert refused.value.code == "fee_missing"
    assert await SealedKey.all().count() == 0
    await house.fund(owner.address)
    again = await desk.check_offer(trader, offer.token)
    assert again.pays == "USDC"
    assert again.markets
    work = await desk.make_key(trader, again.token, None)
    with pytest.raises(DeskError) as busy:
        await desk.preview_phrase(trader, "paper", phrase)
    assert busy.value.code in ("key_in_the_making", "account_taken")
    await house.settled(work.id, "done")


async def test_a_key_that_was_given_up_leaves_nothing_sealed(house: Desk) -> None:
    phrase, owner = new_phrase()
    desk = await house.begin()
    await house.fund(owner.address)
    trader = await house.ada()
    async with httpx.AsyncClient() as http:
        url = f"http://127.0.0.1:{house.paper.rest_port}/paper/faults"
        offer = await desk.offer_key(trader, "paper", phrase)
        (await http.post(url, json={"chain_halted": True})).raise_for_status()
    work = await desk.make_key(trader, offer.token, None)
    row = await key_work.key(work.id, "owner")
    assert row is not None
    stranger = await desk.trader_of(2, "Eve")
    with pytest.raises(DeskError):
        await desk.abandon_key(stranger, work.id)
    given_up = await desk.abandon_key(trader, work.id)
    assert given_up.state == "abandoned"
    assert await SealedKey.all().count() == 0
    assert row.sealed[-32:] not in house.files()


def both(key: SigningKey, *others: tuple[str, bytes]) -> bytes:
    return write_tree(ALL_OF, (SIGNATURE, key.public_key), *others)


async def test_a_key_brought_along_is_judged_by_the_chain_and_signs_within_its_limits(
    house: Desk,
) -> None:
    _, owner = new_phrase()
    key = SigningKey.generate(SystemRandom())
    desk = await house.begin()
    trader = await house.ada()
    await house.fund(owner.address)
    pasted = f"{owner.address} 0x{key.secret().hex()}"

    async def refusal(text: str = pasted) -> str:
        with pytest.raises(DeskError) as refused:
            await desk.preview_trading_key(trader, "paper", text)
        assert key.secret().hex() not in str(refused.value) + refused.value.text
        return refused.value.code

    assert await refusal(f"{owner.address} 0x{owner.secret().hex()}") == "key_is_owner"
    assert await refusal() == "key_not_listed"
    messages = ",".join(TRADING_MESSAGES).encode()
    for config, type_, code in (
        (key.public_key, SIGNATURE, "key_can_more"),
        (both(key, ("SubaccountFilter", b"0")), ALL_OF, "key_can_more"),
        (both(key, (MESSAGES, PLACE.encode())), ALL_OF, "key_can_less"),
        (both(key, (MESSAGES, messages), ("SubaccountFilter", b"a,b")), ALL_OF, "key_odd"),
    ):
        await house.give_key(owner, config, type_)
        (row,) = await house.venue.node.authenticators(owner.address)
        assert await refusal() == code
        await house.give_key(owner, b"", remove=row.id)
    await house.give_key(owner, own_tree(key.public_key, [0], [0]))
    (row,) = await house.venue.node.authenticators(owner.address)
    preview = await desk.preview_trading_key(trader, "paper", pasted)
    assert (preview.authenticator_id, preview.markets) == (row.id, ("BTC-USD",))
    account = await desk.confirm_preview(trader, preview.token)
    assert account.markets == ("BTC-USD",)
    await rest_orders(house, account.id, 1)

    stored, credential = await accounts.get(account.id), await accounts.credential(account.id)
    assert credential is not None
    signer = Signer(stored, credential, desk._office.vault, house.venue.network.chain_id)
    assert signer.may_trade(0)
    with pytest.raises(Refusal) as outside:
        signer.check(1, "ETH-USD")
    assert outside.value.code == "key_market"
    assert key.secret() not in house.files()

    await house.give_key(owner, b"", remove=row.id)
    leaving = await desk.disconnect_account(trader, account.id)
    left = await house.settled(leaving.id, "done")
    assert left.report["left"] == 1, "a removed key cannot cancel, and that must be said"
    assert await desk.is_revoked(trader, leaving.id)


async def test_a_phrase_of_another_account_removes_nothing(house: Desk) -> None:
    phrase, owner = new_phrase()
    desk = await house.begin()
    trader = await house.ada()
    await house.fund(owner.address)
    made = await make_key(house, phrase)
    assert made.account_id is not None
    leaving = await desk.disconnect_account(trader, made.account_id)
    await house.settled(leaving.id, "done")
    with pytest.raises(DeskError) as refused:
        await desk.remove_key(trader, leaving.id, new_phrase()[0], None)
    assert refused.value.code == "wrong_phrase"
    assert await house.listed(owner.address) == 1


async def test_the_new_key_can_neither_withdraw_nor_trade_another_subaccount(
    house: Desk,
) -> None:
    phrase, owner = new_phrase()
    await house.begin()
    await house.fund(owner.address)
    made = await make_key(house, phrase)
    assert made.account_id is not None
    credential = await accounts.credential(made.account_id)
    assert credential is not None
    assert credential.authenticator_id is not None
    secret = house.desk._office.vault.open(
        credential.sealed, trader_id=credential.trader_id, record=credential.record
    )
    key = SigningKey.from_secret(secret)
    account = await house.venue.node.account(owner.address)
    assert account is not None
    height = (await house.venue.node.latest_block()).height
    draft = OrderDraft(
        address=owner.address,
        number=1,
        client_id=9,
        clob_pair_id=0,
        side=Side.BUY,
        quantums=10**6,
        subticks=10**5,
        good_til_block=height + 10,
        time_in_force=TimeInForce.POST_ONLY,
    )
    chain_id, ids = house.venue.network.chain_id, [credential.authenticator_id]
    answer = await house.venue.node.broadcast(
        sign([draft], key, chain_id, account.number, authenticators=ids).tx
    )
    assert (answer.codespace, answer.code) == ("dydxaccountplus", 104)


async def test_a_connected_account_gets_a_new_key_in_place_and_keeps_its_history(
    house: Desk,
) -> None:
    phrase, owner = new_phrase()
    desk = await house.begin()
    trader = await house.ada()
    await house.fund(owner.address)
    kept = await desk.confirm_preview(
        trader, (await desk.preview_phrase(trader, "paper", phrase)).token
    )
    row = await accounts.credential(kept.id)
    assert row is not None
    strategy = await desk.create_strategy(trader, kept.id, "main")
    made = await make_key(house, phrase)
    assert made.account_id == kept.id
    (account,) = await desk.accounts(trader)
    assert (account.id, account.credential) == (kept.id, "trading_key")
    assert [one.id for one in await desk.strategies(trader)] == [strategy.strategy.id]
    assert row.sealed[-32:] not in house.files()

    key = SigningKey.generate(SystemRandom())
    await house.give_key(owner, own_tree(key.public_key, [0], None))
    pasted = f"{owner.address} 0x{key.secret().hex()}"
    stranger = await desk.trader_of(2, "Eve")
    with pytest.raises(DeskError) as taken:
        await desk.preview_trading_key(stranger, "paper", pasted)
    assert taken.value.code == "account_taken"
    preview = await desk.preview_trading_key(trader, "paper", pasted)
    assert preview.replaces
    replaced = await desk.confirm_preview(trader, preview.token)
    assert (replaced.id, replaced.authenticator_id) == (kept.id, preview.authenticator_id)
    assert await Credential.all().count() == 1
    await until(lambda: has_lane(house, kept.id))


async def has_lane(house: Desk, account_id: int) -> bool:
    assert house.process is not None
    return house.process.lanes.get(account_id) is not None


async def test_a_removed_key_is_noticed_at_its_next_order_and_told_once(house: Desk) -> None:
    _, owner = new_phrase()
    key = SigningKey.generate(SystemRandom())
    desk = await house.begin()
    trader = await house.ada()
    await house.fund(owner.address)
    await house.give_key(owner, own_tree(key.public_key, [0], None))
    pasted = f"{owner.address} 0x{key.secret().hex()}"
    preview = await desk.preview_trading_key(trader, "paper", pasted)
    account = await desk.confirm_preview(trader, preview.token)
    made = await desk.create_strategy(trader, account.id, "main")
    (row,) = await house.venue.node.authenticators(owner.address)
    await house.give_key(owner, b"", remove=row.id)
    for key_of_tap in ("one", "two"):
        await desk.send_test_alert(trader, made.strategy.id, key_of_tap)
    await until(lost_is_told)
    assert await OutgoingMessage.filter(kind="key_lost").count() == 1


async def lost_is_told() -> bool:
    return await OutgoingMessage.filter(kind="key_lost").exists()
