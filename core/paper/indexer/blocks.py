"""One committed block turned into rows and websocket messages.

Order of messages as recorded: the height, then per owner the trading reward, per fill the changed
position and USDC (still with the old sums), per order its fills with the order row and the position
with the new sums; then trades and candles. Source: docs/protocol.md, life of an order.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from core.dydx.protocol import INDEXER_NAMESPACE
from core.paper.happenings import (
    BlockCommitted,
    Filled,
    FundingIndexed,
    OracleMoved,
    PaperOrder,
    PremiumSampled,
    Rewarded,
    StatefulChanged,
    SubaccountChanged,
    SubaccountKey,
    Transferred,
)
from core.paper.indexer import closing, funding, order_life, positions, shapes
from core.paper.indexer.events import built_by, fees_of, group_of, parent_of, transfer_sign
from core.paper.indexer.records import (
    ZERO,
    FillRow,
    OrderRow,
    PositionRow,
    RewardRow,
    SubaccountRow,
    TradeRow,
    TransferRow,
    subaccount_id_of,
)
from core.paper.indexer.texts import EXACT, iso, milliseconds, number, usdc
from core.paper.indexer.updates import Update

if TYPE_CHECKING:
    from core.paper.indexer.rows import Rows

Json = dict[str, Any]
_DELEVERAGING: Final = ("DELEVERAGED", "OFFSETTING")
_OFF_TICK_STEP: Final = Decimal(1).scaleb(-16)


class BlockWork:
    """The work of one block. Made for it and thrown away after `run`."""

    def __init__(self, rows: Rows, block: BlockCommitted) -> None:
        self.rows = rows
        self.block = block
        self.at = milliseconds(block.time)
        self.before = rows.height
        self.finals = {
            event.subaccount: event
            for event in block.events
            if isinstance(event, SubaccountChanged)
        }
        self.updates: list[Update] = []
        self.late: list[Update] = []
        self.touched: set[SubaccountKey] = set()
        self.trades: list[TradeRow] = []
        self.order_fills: dict[str, list[FillRow]] = {}
        self.last_fill = {
            group_of(event): index
            for index, event in enumerate(block.events)
            if isinstance(event, Filled)
        }

    def run(self) -> list[Update]:
        """Apply the block; answers the messages."""
        rows, previous = self.rows, self.rows.time
        counts = bool(self.last_fill) or rows.candles.begins_span(self.at, previous)
        interest = rows.open_interest() if counts else None
        rows.height, rows.time = self.block.height, self.at
        self.updates.append(
            Update(
                "v4_block_height",
                "v4_block_height",
                {"blockHeight": str(rows.height), "time": iso(self.at)},
            )
        )
        for event in self.block.events:
            if isinstance(event, Rewarded):
                self._rewarded(event)
        for index, event in enumerate(self.block.events):
            if isinstance(event, Filled):
                self._filled(index, event)
            elif isinstance(event, Transferred):
                self._transferred(event)
            elif isinstance(event, StatefulChanged):
                order_life.stateful(self, event)
            elif isinstance(event, OracleMoved):
                self._oracle(event)
            elif isinstance(event, PremiumSampled):
                funding.sampled(rows, event)
            elif isinstance(event, FundingIndexed):
                funding.indexed(rows, event, self.at, self.block.height)
        for final in self.finals.values():
            self._settle(final)
        self.updates += self.late
        self.updates += closing.trades(rows, self.trades, interest)
        closing.forget_canceled(rows)
        closing.sample_hours(rows, previous)
        self.updates += closing.statistics(rows)
        return self.updates

    def _rewarded(self, event: Rewarded) -> None:
        """A trading reward; it is always told on subaccount 0."""
        amount = Decimal(event.amount).scaleb(-18, EXACT)
        row = RewardRow(event.owner, amount, self.at, self.block.height)
        self.rows.rewards.setdefault(event.owner, []).append(row)
        contents = {
            "tradingReward": number(amount),
            "createdAtHeight": str(self.block.height),
            "createdAt": iso(self.at),
        }
        self.tell(SubaccountKey(event.owner, 0), {"tradingReward": contents})

    def _filled(self, index: int, event: Filled) -> None:
        row, settled = self._touch(event.subaccount)
        sign = 1 if event.side == "BUY" else -1
        after = event.quantums_before + sign * event.quantums
        changed = [*self._hold(row, event.clob_pair_id, after), *settled]
        row.usdc += -sign * event.quote_quantums - fees_of(event)
        row.updated_height = self.block.height
        self.tell(
            event.subaccount,
            {"perpetualPositions": self._told(changed), "assetPositions": [self._asset(row)]},
        )
        fill = self._book_fill(event)
        group = group_of(event)
        self.order_fills.setdefault(group, []).append(fill)
        told = None
        if event.order is not None:
            _, told = order_life.after_fill(self, event, event.order)
        if self.last_fill[group] == index:
            self._tell_fills(event, group, told)
        if event.liquidity == "TAKER":
            self._trade(event, fill)

    def _tell_fills(self, event: Filled, group: str, order: Json | None) -> None:
        market = self.rows.markets[event.clob_pair_id]
        contents: Json = {
            "fills": [shapes.fill_ws(fill, market) for fill in self.order_fills[group]],
            "perpetualPositions": self._told([self._position(event)]),
            "blockHeight": str(self.block.height),
        }
        if order is not None:
            contents["orders"] = [order]
        self.tell(event.subaccount, contents)

    def _touch(self, key: SubaccountKey) -> tuple[SubaccountRow, list[PositionRow]]:
        """The row of a subaccount that this block changes. The first time in a block its funding is
        settled; answers the positions that paid or received.
        """
        row, final = self._subaccount(key), self.finals.get(key)
        if final is None or not final.funding or key in self.touched:
            return row, []
        self.touched.add(key)
        row.usdc = final.usdc_quote_quantums - self._moved(key)
        paid = dict(final.funding)
        changed = [each for each in self.rows.open_positions(key) if each.market in paid]
        for position in changed:
            amount = usdc(paid[position.market])
            position.net_funding = EXACT.add(position.net_funding, amount)
        for position in self.rows.open_positions(key):
            position.unsettled = ZERO
        return row, changed

    def _told(self, changed: list[PositionRow]) -> list[Json]:
        """Position rows as the websocket tells them, by market; a row is told once."""
        rows = {id(each): each for each in sorted(changed, key=lambda each: each.market)}
        return [
            shapes.position_ws(
                each, self.rows.markets[each.market].ticker, self.rows.price(each.market)
            )
            for each in rows.values()
        ]

    def _subaccount(self, key: SubaccountKey) -> SubaccountRow:
        """The row of a subaccount. One that was never heard of starts from its final state less
        what this block moved.
        """
        row = self.rows.subaccounts.get(key)
        if row is None:
            final = self.finals.get(key)
            start = 0 if final is None else final.usdc_quote_quantums - self._moved(key)
            row = SubaccountRow(key, start, {}, self.block.height)
            self.rows.subaccounts[key] = row
        return row

    def _moved(self, key: SubaccountKey) -> int:
        moved = 0
        for event in self.block.events:
            if isinstance(event, Filled) and event.subaccount == key:
                sign = 1 if event.side == "BUY" else -1
                moved += -sign * event.quote_quantums - fees_of(event)
            elif isinstance(event, Transferred):
                moved += transfer_sign(event, key) * event.quote_quantums
        return moved

    def _hold(self, row: SubaccountRow, market_id: int, quantums: int) -> list[PositionRow]:
        """Change a position; answers the changed rows."""
        size = self.rows.markets[market_id].scale.size_of(quantums)
        rows = self.rows.positions.setdefault(row.key, [])
        return positions.hold(rows, row, market_id, quantums, size, self.at, self.block.height)

    def _position(self, event: Filled) -> PositionRow:
        """The position row into which a fill counts."""
        rows = self.rows.positions[event.subaccount]
        row = positions.latest(rows, event.clob_pair_id)
        assert row is not None
        return row

    def _book_fill(self, event: Filled) -> FillRow:
        """Write the fill and count it into its position row, as a whole and only there: a
        reversing fill adds its full size to the new row.
        """
        market = self.rows.markets[event.clob_pair_id]
        position = self._position(event)
        size = market.scale.size_of(event.quantums)
        price = market.scale.price_of(event.subticks)
        is_deleveraging = event.kind in _DELEVERAGING
        if is_deleveraging:
            price = EXACT.divide(usdc(event.quote_quantums), size).quantize(_OFF_TICK_STEP)
        event_id = event.event_id.hex()
        name = f"{event_id}-{event.liquidity}"
        fill = FillRow(
            id=str(uuid.uuid5(INDEXER_NAMESPACE, name)),
            subaccount=event.subaccount,
            order_id=None if event.order is None else order_life.row_id_of(event),
            market=event.clob_pair_id,
            side=event.side,
            liquidity=event.liquidity,
            kind=event.kind,
            size=size,
            price=price,
            quote_amount=usdc(event.quote_quantums),
            fee=usdc(event.fee_quote_quantums),
            client_metadata=None if event.order is None else str(event.order.client_metadata),
            event_id=event_id,
            transaction_hash=event.transaction_hash,
            created_at=self.at,
            created_height=self.block.height,
            size_before=None
            if is_deleveraging
            else EXACT.subtract(position.sum_open, position.sum_close),
            entry_before=position.entry_price
            if position.sum_open and not is_deleveraging
            else None,
            side_before=None if is_deleveraging else position.side,
            **built_by(event),
        )
        self.rows.fills.setdefault(event.subaccount, []).append(fill)
        positions.count_in(position, fill)
        return fill

    def row_of(self, order: PaperOrder, row_id: str, status: str = "OPEN") -> OrderRow:
        """The row of an order, made now where there is none."""
        row = self.rows.orders.get(row_id)
        if row is None:
            height = self.block.height
            row = OrderRow(row_id, order, status, 0, self.at, height, self.at, height)
            self.rows.orders[row_id] = row
            self.rows.order_ids.setdefault(order.key.subaccount, []).append(row_id)
        return row

    def _trade(self, event: Filled, fill: FillRow) -> None:
        kind = event.kind if event.kind in ("LIQUIDATED", "DELEVERAGED") else "LIMIT"
        trade = TradeRow(
            fill.event_id,
            event.clob_pair_id,
            event.side,
            fill.size,
            fill.price,
            kind,
            self.at,
            self.block.height,
        )
        self.trades.append(trade)

    def _transferred(self, event: Transferred) -> None:
        row = TransferRow(
            id=str(uuid.uuid5(INDEXER_NAMESPACE, f"transfer-{event.event_id.hex()}")),
            sender=event.sender_address,
            sender_number=event.sender_number,
            recipient=event.recipient_address,
            recipient_number=event.recipient_number,
            size=usdc(event.quote_quantums),
            transaction_hash=event.transaction_hash,
            created_at=self.at,
            created_height=self.block.height,
        )
        self.rows.transfers.append(row)
        ends = [(event.sender_address, event.sender_number)]
        ends.append((event.recipient_address, event.recipient_number))
        keys = [SubaccountKey(address, n) for address, n in ends if n is not None]
        for key in keys:
            held, settled = self._touch(key)
            amount = transfer_sign(event, key) * event.quote_quantums
            held.usdc += amount
            held.net_transfers += amount
            held.updated_height = self.block.height
            told = {"perpetualPositions": self._told(settled)} if settled else {}
            self.tell(key, {**told, "assetPositions": [self._asset(held)]})
        within = len(keys) == 2 and parent_of(keys[0]) == parent_of(keys[1])
        for key in keys:
            incoming = (key.owner, key.number) == (row.recipient, row.recipient_number)
            height = str(self.block.height)
            contents = {
                "transfers": shapes.transfer_ws(row, incoming=incoming),
                "blockHeight": height,
            }
            self.updates.append(
                Update(
                    "v4_subaccounts",
                    f"{key.owner}/{key.number}",
                    contents,
                    key.number,
                    {"blockHeight": height} if within else None,
                )
            )

    def _oracle(self, event: OracleMoved) -> None:
        market = self.rows.by_oracle.get(event.market_id)
        if market is None:
            return
        oracle = self.rows.oracles[event.market_id]
        oracle.price = Decimal(event.price).scaleb(event.exponent, EXACT)
        contents = {
            market.ticker: {
                "oraclePrice": number(oracle.price),
                "effectiveAt": iso(self.at),
                "effectiveAtHeight": str(self.block.height),
                "marketId": event.market_id,
            }
        }
        self.updates.append(Update("v4_markets", "v4_markets", {"oraclePrices": contents}))

    def _settle(self, final: SubaccountChanged) -> None:
        """Take the committed state; what the block's other events did not tell is told here."""
        row, changed = self._touch(final.subaccount)
        held = {market_id: size for market_id, size in final.positions if size}
        for market_id in row.positions.keys() | held.keys():
            if row.positions.get(market_id, 0) != held.get(market_id, 0):
                changed += self._hold(row, market_id, held.get(market_id, 0))
        contents: Json = {}
        if changed:
            contents["perpetualPositions"] = self._told(changed)
        if changed or row.usdc != final.usdc_quote_quantums:
            row.usdc = final.usdc_quote_quantums
            contents["assetPositions"] = [self._asset(row)]
        if contents:
            row.updated_height = self.block.height
            self.tell(row.key, contents)

    def _asset(self, row: SubaccountRow) -> Json:
        position_id = str(uuid.uuid5(INDEXER_NAMESPACE, f"{subaccount_id_of(row.key)}-0"))
        return shapes.asset_ws(row.key, position_id, row.usdc)

    def tell(self, key: SubaccountKey, contents: Json) -> None:
        """Tell the subscribers of a subaccount what this block did to it."""
        contents.setdefault("blockHeight", str(self.block.height))
        self.updates.append(self.rows.subaccount_update(key, contents))

    def tell_late(self, key: SubaccountKey, order: Json) -> None:
        """Tell about an order what the cache says after the block; it has not seen its height."""
        contents = {"orders": [order], "blockHeight": str(self.before)}
        self.late.append(self.rows.subaccount_update(key, contents))
