"""The paper network beside the recording of a real node and indexer: the same story, step by step.

docs/paper-network.md describes the comparison and lists the deliberate differences.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from core.paper.indexer import views
from core.paper.indexer.rows import Rows
from tests.core.paper.chain_kit import GOVERNANCE
from tests.core.paper.golden_frames import (
    EXACT_MARKETS,
    plain,
    played_frames,
    recorded_frames,
    shape_differences,
)
from tests.core.paper.golden_kit import Answer, played
from tests.core.paper.golden_recordings import (
    questions,
    recorded_lines,
    recorded_market,
    story,
)

STEPS = [step.number for step in story()]
HEARD = sorted({line.step for line in recorded_lines()})
POINTER = re.compile(r"GoodTilOneof:0x[0-9a-f]+|account number \(\d+\)")
DIFFERENT = {
    "/bridging/getDepositAddress/nonsense": "the bridge of another company is not there",
    "/bridging/getDeposits/nonsense": "the bridge of another company is not there",
    "/turnkey/appleLoginRedirect": "the wallet service of another company is not there",
    "/compliance/screen/nonsense": "the placeholder of a compliance provider is not there",
    "/vault/v1/megavault/positions": "there are no vaults",
    "/orderbooks/perpetualMarket/AVAX-USD": "every market has a synthetic maker",
    "/sparklines": "the paper network has more markets",
}
"""Deliberate differences, as docs/paper-network.md lists them."""


def said(log: str) -> str:
    """A log without what only one process can know."""
    for recorded, ours in played().addresses.items():
        log = log.replace(recorded, ours)
    return POINTER.sub("…", log)


@pytest.mark.parametrize("step", STEPS)
def test_a_transaction_of_the_story_is_answered_and_ends_as_recorded(step: int) -> None:
    for event, result in played().checks:
        if event["step"] == step:
            told = event["check_tx"]
            recorded = (told["codespace"], told["code"], said(told["raw_log"]))
            assert (result.codespace, result.code, said(result.log)) == recorded, event["label"]
    for event, outcome in played().delivered:
        told = event.get("deliver_tx")
        if event["step"] == step and told:
            assert outcome == (told["codespace"], told["code"]), event["label"]


@pytest.mark.parametrize("step", HEARD)
def test_a_step_of_the_story_is_told_as_recorded(step: int) -> None:
    recorded, ours = recorded_frames(), played_frames(played())
    keys = {key for key in recorded.keys() | ours.keys() if key[0] == step}
    assert keys
    for key in sorted(keys):
        assert ours.get(key, []) == recorded.get(key, []), key


def test_position_rows_after_steps_28_to_34_equal_the_recorded_ones_with_their_oddities() -> None:
    compared = 0
    for answer in played().answers:
        step = answer.row.get("step") or 0
        if 28 <= step <= 34 and answer.row["path"].startswith("/perpetualPositions"):
            rows = [_of_link(body) for body in (answer.row["body"], answer.body)]
            assert rows[0] == rows[1], step
            compared += len(rows[0])
    assert compared > 20


def _of_link(body: Any) -> list[Any]:
    """The rows of the exact market; when they were made and closed is compared too."""
    return [
        {**plain(row), "createdAtHeight": row["createdAtHeight"], "closedAt": row["closedAt"]}
        for row in body["positions"]
        if row["market"] == "LINK-USD"
    ]


def test_a_subscription_begins_with_the_recorded_snapshot() -> None:
    living = 0
    for recorded, ours in played().snapshots:
        told = recorded["contents"]
        assert shape_differences(told, ours) == []
        orders = [plain(row) for row in told.get("orders", [])]
        assert [plain(row) for row in ours.get("orders", [])] == orders
        living += len(orders)
    assert living > 10


def market_messages(channel: str, id_: str | None) -> tuple[list[Any], list[Any]]:
    """What was said of a market, recorded and our own, as long as somebody listened."""
    recorded = [
        each["contents"]
        for each in recorded_market()
        if (each["channel"], each.get("id")) == (channel, id_)
    ]
    ours = [
        update.contents
        for update in played().markets
        if (update.channel, update.id) == (channel, id_ or channel)
    ]
    return recorded, ours


def test_the_trades_of_the_story_are_told_to_all_as_recorded() -> None:
    recorded, ours = market_messages("v4_trades", "LINK-USD")
    assert recorded
    assert [plain(each) for each in ours][: len(recorded)] == [plain(each) for each in recorded]


def test_candles_begin_and_grow_as_recorded() -> None:
    recorded, ours = market_messages("v4_candles", "SOL-USD/1MIN")
    whole = ("startedAt", "baseTokenVolume", "trades", "startingOpenInterest", "resolution")
    assert recorded
    for one, other in zip(recorded, ours[: len(recorded)], strict=True):
        assert {name: one[name] for name in whole} == {name: other[name] for name in whole}
        assert shape_differences(one, other) == []


def test_oracle_prices_are_told_with_the_recorded_blocks() -> None:
    recorded, ours = (
        [each["oraclePrices"] for each in said if "oraclePrices" in each]
        for said in market_messages("v4_markets", None)
    )
    assert recorded
    assert ours[: len(recorded)] == recorded


LISTS = ("fills", "positions", "fundingPayments", "tradeHistory", "historicalFunding", "trades")


def exact_rows(body: Any) -> list[str]:
    """The rows of a REST body that are about the exact markets, in the common form. Rows of one
    block may stand in another order.
    """
    listed = body
    if isinstance(body, dict):
        listed = next((body[name] for name in LISTS if name in body), [])
    return sorted(
        json.dumps(plain(row), sort_keys=True)
        for row in listed
        if row.get("ticker", row.get("market", row.get("marketId"))) in EXACT_MARKETS
    )


def test_rest_rows_about_the_exact_markets_equal_the_recorded_ones() -> None:
    compared = 0
    for answer in played().answers:
        if answer.status == 200:
            recorded = exact_rows(answer.row["body"])
            assert exact_rows(answer.body) == recorded, answer.row["path"]
            compared += len(recorded)
    assert compared > 700


def kind_of(path: str) -> str:
    """A question without its address and id."""
    return re.sub(r"dydx1[a-z0-9]+|[0-9a-f-]{36}", "…", path)


def answers_by_kind() -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    for answer in played().answers:
        found.setdefault(kind_of(answer.row["path"]), []).append(answer)
    return found


@pytest.mark.parametrize(
    "kind",
    sorted(
        kind
        for kind in {kind_of(row["path"]) for row in questions()}
        if not any(kind.startswith(path) for path in DIFFERENT)
    ),
)
def test_a_rest_answer_has_the_recorded_status_headers_fields_and_kinds(kind: str) -> None:
    for answer in answers_by_kind()[kind]:
        assert answer.status == answer.row["status"], answer.row["path"]
        recorded = answer.row["headers"] or {}
        assert answer.headers.get("cache-control") == recorded.get("cache-control")
        assert ("ratelimit-limit" in answer.headers) is ("ratelimit-limit" in recorded)
        differences = shape_differences(answer.row["body"], answer.body)
        # Rows of one block may stand in another order, and only a first fill has no entry price.
        assert {each for each in differences if "entryPriceBefore" not in each} == set()
        if answer.status != 200:
            assert kind_of(str(answer.body)) == kind_of(str(answer.row["body"]))


def test_the_rows_of_the_whole_story_survive_being_written_down() -> None:
    rows = played().rows
    assert rows is not None
    written = json.dumps(rows.dump())
    again = Rows(GOVERNANCE.markets)
    again.load(json.loads(written))
    assert json.dumps(again.dump()) == written
    for key in rows.subaccounts:
        told, known = (
            views.subaccount_snapshot(each, key.owner, key.number) for each in (again, rows)
        )
        # Orders that only the node's memory knew are gone, as after a restart of a real node.
        assert told["subaccount"] == known["subaccount"]
