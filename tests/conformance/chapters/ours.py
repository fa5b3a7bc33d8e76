"""This project's own client, `core.dydx`: the same network through its public face."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from core.clock import SystemClock, SystemRandom
from core.dydx.codes import Outcome
from core.dydx.indexer import Indexer, IndexerUnreachable
from core.dydx.keys import SigningKey
from core.dydx.markets import Market as OwnMarket
from core.dydx.markets import Markets as OwnMarkets
from core.dydx.node import NodePool, WrongChain
from core.dydx.nonces import Nonces
from core.dydx.orders import (
    CancelDraft,
    Draft,
    OrderDraft,
    TransferDraft,
    TwapTerms,
    batch_cancels,
    limit_draft,
    market_draft,
    sign,
    stop_limit_draft,
    stop_market_draft,
    take_profit_limit_draft,
    take_profit_market_draft,
    twap_draft,
)
from core.dydx.protocol import Side, TimeInForce
from tests.conformance.chapters.desk import Desk
from tests.conformance.checks import Mismatch, Skip, expect, expect_that, until
from tests.conformance.people import SELL, Person
from tests.conformance.stream import Account
from tests.conformance.world import Room


class Own:
    """A person as `core.dydx` handles one."""

    def __init__(self, room: Room, pool: NodePool, who: Person, market: OwnMarket) -> None:
        self.room, self.pool, self.who, self.market = room, pool, who, market
        self.key = SigningKey.from_secret(who.pair.key.secret)
        self.nonces = Nonces()
        self._clock = SystemClock()

    @property
    def base(self) -> dict[str, Any]:
        """What every draft needs, one lot to buy."""
        return {
            "address": self.who.address,
            "number": 0,
            "client_id": self.who.client_id(),
            "market": self.market,
            "side": Side.BUY,
            "size": self.room.market.size(self.room.market.lot),
        }

    def price(self, bps: int) -> Decimal:
        return self.room.market.usd(self.room.market.at(bps))

    async def send(self, *drafts: Draft) -> str:
        """Sends what must be accepted; stateful ones must stand in a block with code 0. Gives the
        hash.
        """
        sequence = 0
        if any(draft.stateful for draft in drafts):
            await self.room.chain.blocks(1)
            block = await self.pool.latest_block()
            sequence = self.nonces.take(now=self._clock.now(), block_time=block.time)
        signed = sign(
            drafts, self.key, self.room.world.target.chain_id, self.who.number, sequence=sequence
        )
        answer = await self.pool.broadcast(signed.tx)
        expect_that(answer.outcome is Outcome.ACCEPTED, f"{answer.codespace} {answer.code}")
        if sequence:

            async def committed() -> Any:
                return await self.pool.transaction(signed.tx_hash)

            found = await until("the transaction in a block", committed)
            expect((found.codespace, found.code), ("", 0), "the block's answer")
        return signed.tx_hash


async def ours(room: Room) -> None:
    """Node pool, drafts of every kind, indexer."""
    network = room.world.target.network
    clock = SystemClock()
    pool = NodePool(network, clock)
    indexer = Indexer(network, clock, requests=25)
    await pool.start()
    try:
        await _node(room, pool)
        rows = await indexer.perpetual_markets()
        markets = OwnMarkets(clock)
        markets.replace(rows)
        market = markets.get(room.market.ticker)
        assert market is not None
        own = Own(room, pool, room.people[0], market)
        await _orders(room, own, await room.watch(room.people[0]))
        await _indexer(room, indexer)
    finally:
        await indexer.close()
        await pool.close()


async def _node(room: Room, pool: NodePool) -> None:
    who = room.people[0]
    async with room.check("NodePool verifies the chain, and names a wrong one"):
        await pool.verify_chain()
        wrong = NodePool(replace(room.world.target.network, chain_id="x-1"), SystemClock())
        await wrong.start()
        try:
            await wrong.verify_chain()
        except WrongChain:
            pass
        else:
            raise Mismatch("a wrong chain id was taken")
        finally:
            await wrong.close()
    async with room.check("NodePool reads accounts, balances, subaccounts, keys and limits"):
        account = await pool.account(who.address)
        assert account is not None
        expect((account.number, account.sequence), (who.number, 0))
        expect(await pool.account(SigningKey.generate(SystemRandom()).address), None)
        expect(await pool.balances(who.address), await room.chain.balances(who.address))
        held = await pool.subaccount(who.address, 0)
        expect(held.usdc, Decimal(room.world.target.funds_usdc))
        expect(await pool.authenticators(who.address), ())
        expect_that((await pool.block_rate_limits()).stateful, "no limits")
        expect_that(await pool.equity_tiers(), "no tiers")
        expect_that(len(await pool.clob_pairs()) >= len(room.world.markets.tickers()), "few pairs")
        await pool.fee_tier(who.address)


async def _orders(room: Room, own: Own, stream: Account) -> None:
    desk = Desk(room)
    other = room.people[1]

    async def said(draft: OrderDraft, status: str) -> Any:
        fits = {"id": draft.order_uuid, "status": status}
        return await stream.row(
            status, "orders", lambda row: {key: row[key] for key in fits} == fits
        )

    async with room.check("market_draft fills at the maker's price"):
        await desk.place(other, SELL, 1, 10)
        height = (await own.pool.latest_block()).height
        draft = market_draft(slippage_bps=200, height=height, **own.base)
        await own.send(draft)
        await said(draft, "FILLED")
    async with room.check("limit_draft rests short-term, a batch takes it away"):
        height = (await own.pool.latest_block()).height
        drafts = [
            limit_draft(price=own.price(-100), height=height, time_in_force=tif, **own.base)
            for tif in (TimeInForce.UNSPECIFIED, TimeInForce.POST_ONLY)
        ]
        for draft in drafts:
            await own.send(draft)
            await said(draft, "BEST_EFFORT_OPENED")
        (batch,) = batch_cancels((draft.ref for draft in drafts), desk.gtb)
        await own.send(batch)
        for draft in drafts:
            await said(draft, "BEST_EFFORT_CANCELED")
    stop = {**own.base, "side": Side.SELL}
    kinds: tuple[tuple[str, str, OrderDraft], ...] = (
        (
            "limit_draft, long-term",
            "OPEN",
            limit_draft(price=own.price(-100), good_til_block_time=desk.gtbt(), **own.base),
        ),
        (
            "stop_market_draft",
            "UNTRIGGERED",
            stop_market_draft(
                trigger_price=own.price(-400), good_til_block_time=desk.gtbt(), **stop
            ),
        ),
        (
            "stop_limit_draft",
            "UNTRIGGERED",
            stop_limit_draft(
                trigger_price=own.price(-400),
                price=own.price(-450),
                good_til_block_time=desk.gtbt(),
                **{**stop, "client_id": own.who.client_id()},
            ),
        ),
        (
            "take_profit_market_draft",
            "UNTRIGGERED",
            take_profit_market_draft(
                trigger_price=own.price(400),
                good_til_block_time=desk.gtbt(),
                **{**stop, "client_id": own.who.client_id()},
            ),
        ),
        (
            "take_profit_limit_draft",
            "UNTRIGGERED",
            take_profit_limit_draft(
                trigger_price=own.price(400),
                price=own.price(450),
                good_til_block_time=desk.gtbt(),
                **{**stop, "client_id": own.who.client_id()},
            ),
        ),
    )
    for name, status, draft in kinds:
        async with room.check(
            f"{name} is {status}, seen by the node, and cancelled by its own time"
        ):
            await own.send(draft)
            await said(draft, status)
            sighting = await own.pool.stateful_order(draft.ref)
            expect_that(sighting.order is not None, "the node does not know it")
            await own.send(CancelDraft.of(draft))
            await said(draft, "CANCELED")
            gone = await own.pool.stateful_order(draft.ref)
            expect(gone.order, None)
    async with room.check("twap_draft is accepted and cancelled"):
        terms = TwapTerms(300, 30, 10_000)
        size = 20 * room.market.size(room.market.lot)
        draft = twap_draft(
            terms=terms, good_til_block_time=desk.gtbt(600), **{**own.base, "size": size}
        )
        await own.send(draft)
        await said(draft, "OPEN")
        await room.chain.blocks(5)
        await own.send(CancelDraft.of(draft))
        await said(draft, "CANCELED")
    async with room.check("cancel and place go in one transaction, and a transfer with its order"):
        first = limit_draft(price=own.price(-100), good_til_block_time=desk.gtbt(), **own.base)
        await own.send(first)
        second = limit_draft(price=own.price(-90), good_til_block_time=desk.gtbt(), **own.base)
        await own.send(CancelDraft.of(first), second)
        await said(first, "CANCELED")
        await said(second, "OPEN")
        give = _transfer(own.who, 1)
        third = limit_draft(
            price=own.price(-90), good_til_block_time=desk.gtbt(), **{**own.base, "number": 1}
        )
        await own.send(give, third)
        expect((await own.pool.subaccount(own.who.address, 1)).usdc, Decimal(100))
    async with room.check("the same bytes again are unknown, never refused"):
        height = (await own.pool.latest_block()).height
        draft = limit_draft(price=own.price(-100), height=height, **own.base)
        signed = sign([draft], own.key, room.world.target.chain_id, own.who.number)
        expect((await own.pool.broadcast(signed.tx)).outcome, Outcome.ACCEPTED)
        again = await own.pool.broadcast(signed.tx, resend=True)
        expect((again.outcome, again.code), (Outcome.UNKNOWN, 19))


def _transfer(who: Person, to_number: int) -> TransferDraft:
    return TransferDraft(
        address=who.address,
        number=0,
        recipient=who.address,
        recipient_number=to_number,
        usdc=100_000_000,
    )


async def _indexer(room: Room, indexer: Indexer) -> None:
    who, ticker = room.people[0], room.market.ticker
    me = (who.address, 0)
    async with room.check(
        "Indexer reads the account: subaccount, orders, fills, positions, transfers"
    ):
        await room.indexed()
        row = await indexer.subaccount(*me)
        assert row is not None
        orders = await indexer.orders(*me)
        expect_that(len(orders) >= 5, f"{len(orders)} orders")
        fills = await indexer.fills(*me)
        expect(len(fills), 1)
        expect(await indexer.all_fills_since(*me, 0), fills)
        expect(await indexer.order(str(fills[0].order_id)), orders_by(orders, fills[0].order_id))
        expect_that(await indexer.perpetual_positions(*me), "no position")
        expect_that(await indexer.asset_positions(*me), "no asset")
        expect(len(await indexer.transfers(*me)), 2)
        await indexer.funding_payments(*me)
    async with room.check("Indexer reads the market: book, trades, height"):
        await indexer.orderbook(ticker)
        expect_that(await indexer.trades(ticker), "no trade")
        expect_that((await indexer.height()).height > 0, "no height")
    async with room.check("Indexer reads an account's compliance"):
        try:
            expect((await indexer.compliance(who.address)).status, "COMPLIANT")
        except IndexerUnreachable as refused:
            if "429" not in str(refused):
                raise
            raise Skip("its own budget, a few a minute, is used up") from None
    async with room.check("Indexer gives None or nothing for who is unknown"):
        nobody = (SigningKey.generate(SystemRandom()).address, 0)
        expect(await indexer.subaccount(*nobody), None)
        expect(await indexer.fills(*nobody), [])
        expect(await indexer.transfers(*nobody), [])
        expect(await indexer.asset_positions(*nobody), [])


def orders_by(orders: list[Any], order_id: Any) -> Any:
    """The order with this id."""
    return next(order for order in orders if order.id == order_id)
