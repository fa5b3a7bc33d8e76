"""A recorded story played again: the same signed bytes at the same heights get the same answers
and show the same openings, removals and fills in the same order as on the real network.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.paper.happenings import (
    BlockCommitted,
    Filled,
    Happening,
    OrderOpened,
    OrderRemoved,
    SubaccountKey,
)
from core.paper.state import Account, Subaccount
from tests.core.paper.chain_kit import GOVERNANCE, Lab, lab

STORY = json.loads(Path(__file__).with_name("recorded_story.json").read_text())


def world_of(part: dict[str, Any]) -> Lab:
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal("7.2"))
    made.exchange.set_price("SOL-USD", Decimal("23.5"))
    made.block()
    state = made.exchange.state
    for address, row in part["accounts"].items():
        state.accounts.put(address, Account(row["number"]))
        positions = tuple((market, quantums) for market, quantums in row["positions"])
        state.subaccounts.put(SubaccountKey(address, 0), Subaccount(row["usdc"], positions))
    last = state.header.working["last"]
    state.header.put("last", replace(last, height=part["transactions"][0]["height"] - 1))
    made.block()
    return made


def shown(happenings: list[Happening], owner: str) -> list[list[Any]]:
    """Happenings of one owner's subaccount 0 in the words of the recording."""
    rows: list[list[Any]] = []
    key = SubaccountKey(owner, 0)
    for row in happenings:
        match row:
            case OrderOpened(order=order) if order.key.subaccount == key:
                rows.append(["OPENED", order.key.client_id])
            case OrderRemoved(key=order_key) if order_key.subaccount == key:
                known = row.order is not None
                rows.append([row.status, order_key.client_id, row.reason, known])
            case BlockCommitted(events=events):
                rows += [fill_row(event) for event in events if is_fill_of(event, key)]
            case _:
                pass
    return rows


def is_fill_of(event: object, key: SubaccountKey) -> bool:
    return isinstance(event, Filled) and event.subaccount == key


def fill_row(event: object) -> list[Any]:
    assert isinstance(event, Filled)
    scale = GOVERNANCE.markets[event.clob_pair_id].scale
    size, price = scale.size_of(event.quantums), scale.price_of(event.subticks)
    fee = Decimal(event.fee_quote_quantums).scaleb(-6)
    return ["FILL", event.side, size, price, fee, event.liquidity]


def comparable(rows: list[list[Any]]) -> list[list[Any]]:
    """Numbers as numbers; ids of orders the recorder never saw placed are not compared."""
    return [
        [row[0], row[1], *(Decimal(value) for value in row[2:5]), row[5]]
        if row[0] == "FILL"
        else [value for at, value in enumerate(row) if at != 1 or row[-1] is not False]
        for row in rows
    ]


@pytest.mark.parametrize("part", STORY["parts"], ids=lambda part: part["name"])
def test_1_and_20_the_recorded_story_is_answered_and_shown_as_on_the_real_network(
    part: dict[str, Any],
) -> None:
    made = world_of(part)
    for row in part["transactions"]:
        made.blocks(max(row["height"] - made.exchange.height, 0))
        result = made.exchange.check_tx(base64.b64decode(row["tx"]))
        log = result.log.split(" GoodTilOneof")[0]
        assert [result.codespace, result.code, log] == row["answer"], row["step"]
    made.blocks(45)

    assert comparable(shown(made.told, part["stream"])) == comparable(part["shown"])
