"""The faucet and the control routes: what they ask of the network, and what they refuse."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.paper.indexer.controls import NodeFaults, OrderRefusal
from tests.core.paper.indexer_kit import (
    T,
    a_deposit,
    a_fill,
    a_order,
    desk,
    listening,
    until,
)


async def test_the_faucet_gives_what_was_asked_or_two_thousand() -> None:
    async with desk() as one:
        body = {"address": T, "subaccountNumber": 3, "amount": 12.5}
        assert (await one.rest.post("/faucet/tokens", json=body)).status_code == 202
        assert (await one.rest.post("/faucet/tokens", json={"address": T})).status_code == 202
        assert (await one.rest.post("/faucet/native-token", json={"address": T})).is_success
        assert one.controls.asked == [
            ("give", T, 3, 12_500_000),
            ("give", T, 0, 2_000_000_000),
            ("give_native", T),
        ]


async def test_a_price_is_set_exactly_and_answered_with_its_height() -> None:
    async with desk() as one:
        content = '{"ticker": "BTC-USD", "price": 96123.456789012345678}'
        answer = await one.rest.post("/paper/price", content=content)
        assert answer.json() == {"ok": True, "height": 77}
        assert one.controls.asked == [("set_price", "BTC-USD", Decimal("96123.456789012345678"))]


async def test_price_mode_and_book_are_passed_on() -> None:
    async with desk() as one:
        mode = {"mode": "walk", "seed": 7, "volatility": "0.002"}
        assert (await one.rest.post("/paper/prices", json=mode)).json() == {"ok": True}
        book = {"ticker": "*", "levels": 3, "level_usd": 500, "spacing_bps": "2.5"}
        assert (await one.rest.post("/paper/book", json=book)).json() == {"ok": True}
        assert one.controls.asked == [
            ("set_price_mode", "walk", 7, Decimal("0.002")),
            ("set_book", None, 3, Decimal(500), Decimal("2.5")),
        ]


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/faucet/tokens", "nonsense", "The body must be a JSON object."),
        ("/faucet/tokens", "[]", "The body must be a JSON object."),
        ("/faucet/tokens", "{}", "address must be a dYdX address (dydx1…)."),
        ("/faucet/tokens", '{"address":"cosmos1x"}', "address must be a dYdX address (dydx1…)."),
        (
            "/faucet/tokens",
            f'{{"address":"{T}","subaccountNumber":128001}}',
            "subaccountNumber must be a whole number from 0 to 128000.",
        ),
        (
            "/faucet/tokens",
            f'{{"address":"{T}","amount":0}}',
            "amount must be USDC above 0 and up to 1000000000.",
        ),
        (
            "/faucet/tokens",
            f'{{"address":"{T}","amount":1e999999}}',
            "amount must be a number of ordinary size.",
        ),
        ("/faucet/tokens", f'{{"address":"{T}","amount":NaN}}', "The body must be a JSON object."),
        (
            "/faucet/tokens",
            f'{{"address":"{T}","sum":5}}',
            "Unknown field 'sum'. Known are: address, subaccountNumber, amount.",
        ),
        (
            "/paper/price",
            '{"ticker":"FOO-USD","price":1}',
            'ticker must be a market of this network, such as "BTC-USD".',
        ),
        ("/paper/price", '{"ticker":"BTC-USD"}', "price is missing."),
        ("/paper/price", '{"ticker":"BTC-USD","price":-1}', "price must be above 0."),
        ("/paper/price", '{"ticker":"BTC-USD","price":true}', "price must be a number."),
        ("/paper/prices", '{"mode":"run"}', 'mode must be "walk", "still" or "mainnet".'),
        ("/paper/prices", '{"mode":"walk","seed":"x"}', "seed must be a whole number."),
        ("/paper/book", '{"levels":-1}', "levels must be a whole number from 0 to 100."),
        ("/paper/book", '{"level_usd":0}', "level_usd must be above 0."),
        ("/paper/faults", "{}", "The body must be a JSON object with at least one fault."),
        ("/paper/faults", '{"rtt_ms":-1}', "rtt_ms must be a whole number from 0 to 60000."),
        ("/paper/faults", '{"fill_withheld":1}', "fill_withheld must be true or false."),
        (
            "/paper/faults",
            '{"rest_500":"often"}',
            "rest_500 must be true, false, or how many times (a whole number).",
        ),
        (
            "/paper/faults",
            '{"order_refused":{"codespace":"clob"}}',
            "order_refused.code must be a whole number from 1.",
        ),
    ],
)
async def test_a_bad_body_is_refused_with_a_sentence_and_changes_nothing(
    path: str, body: str, sentence: str
) -> None:
    async with desk() as one:
        answer = await one.rest.post(path, content=body)
        assert (answer.status_code, answer.json()) == (400, {"errors": [{"msg": sentence}]})
        assert one.controls.asked == []
        assert one.controls.faults == NodeFaults()


async def test_what_the_network_refuses_is_said() -> None:
    async with desk() as one:
        one.controls.refuses = True
        answer = await one.rest.post("/faucet/tokens", json={"address": T})
        assert answer.status_code == 400
        assert "it is dry" in answer.text


async def test_faults_are_kept_until_they_are_cleared() -> None:
    async with desk() as one:

        async def put(body: dict[str, Any]) -> Any:
            answer = await one.rest.post("/paper/faults", json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

        await put({"fill_withheld": True, "answer_lost": 2, "indexer_lag_blocks": 3})
        refusal = {"codespace": "clob", "code": 5001, "count": 1}
        now = await put({"order_refused": refusal, "rtt_ms": 1, "indexer_latency_ms": 70})
        assert now == now | {
            "fill_withheld": True,
            "answer_lost": 2,
            "order_refused": refusal,
            "rtt_ms": 1,
            "indexer_lag_blocks": 3,
            "indexer_latency_ms": 70,
            "rest_500": False,
            "rest_429": False,
            "address_blocked": None,
        }
        assert one.controls.faults == NodeFaults(True, 2, OrderRefusal("clob", 5001, 1), 1)
        assert (await one.rest.get("/paper/faults")).json() == now
        cleared = await put({"clear": True, "rest_500": 1})
        assert (cleared["fill_withheld"], cleared["order_refused"], cleared["rest_500"]) == (
            False,
            None,
            1,
        )


async def test_rest_faults_hit_so_many_requests() -> None:
    async with desk() as one:
        await one.rest.post("/paper/faults", json={"rest_500": 1, "rest_429": 1})
        first = await one.rest.get("/v4/height")
        assert (first.status_code, first.json()) == (
            500,
            {"errors": [{"msg": "Internal Server Error"}]},
        )
        assert (await one.rest.get("/v4/height")).status_code == 429
        assert (await one.rest.get("/v4/height")).status_code == 200


async def test_a_fault_closes_every_websocket_and_a_broken_rest_gives_no_snapshot() -> None:
    async with desk() as one:
        async with listening(one.ws_url) as client:
            await one.rest.post("/paper/faults", json={"ws_closed": True})
            await client.socket.wait_closed()
            assert client.socket.close_code == 1012
        await one.rest.post("/paper/faults", json={"rest_500": True})
        async with listening(one.ws_url) as client:
            refused = await client.subscribe("v4_subaccounts", f"{T}/0")
            text = "Internal error, could not fetch data for subscription: v4_subaccounts."
            assert refused["message"] == text


@pytest.mark.parametrize("code", ["GEOBLOCKED", "COMPLIANCE_BLOCKED"])
async def test_a_blocked_address_is_refused_in_the_recorded_words(code: str) -> None:
    async with desk() as one:
        await one.rest.post("/paper/faults", json={"address_blocked": code})
        refused = await one.rest.get(f"/v4/fills?address={T}&subaccountNumber=0")
        assert refused.status_code == 403
        assert refused.json()["errors"][0]["code"] == code
        assert refused.json()["errors"][0]["msg"].startswith("Because ")
        assert (await one.rest.get("/v4/perpetualMarkets?limit=1")).status_code == 200
        async with listening(one.ws_url) as client:
            answer = await client.subscribe("v4_subaccounts", f"{T}/0")
            assert answer["message"].startswith("Because this address appears to be a resident")
            assert (await client.subscribe("v4_block_height"))["type"] == "subscribed"


async def test_calls_are_counted_by_route_and_can_be_counted_anew() -> None:
    async with desk() as one:
        await one.rest.get("/v4/height")
        await one.rest.get(f"/v4/addresses/{T}/subaccountNumber/0")
        async with listening(one.ws_url):
            calls = (await one.rest.get("/paper/calls")).json()
        assert calls["grpc"] == {"/cosmos.tx.v1beta1.Service/BroadcastTx": 3}
        assert calls["rest"]["GET /v4/height"] == 1
        route = "GET /v4/addresses/{address}/subaccountNumber/{subaccountNumber}"
        assert calls["rest"][route] == 1
        assert calls["ws"] == 1
        await one.rest.post("/paper/calls/reset")
        calls = (await one.rest.get("/paper/calls")).json()
        assert calls["rest"] == {"GET /paper/calls": 1}
        assert one.controls.asked == [("reset",)]


async def test_blocks_show_their_fills_and_transactions() -> None:
    async with desk() as one:
        await one.visible(a_deposit("100"))
        await one.visible(a_fill(a_order(), "10", "7.2"))
        await one.visible()
        blocks = (await one.rest.get("/paper/blocks?limit=2")).json()["blocks"]
        assert [each["height"] for each in blocks] == [703, 702]
        fill = blocks[1]["fills"][0]
        assert (fill["market"], fill["size"], fill["price"]) == ("LINK-USD", "10", "7.2")
        assert blocks[1]["transactions"] == ["AB" * 32]
        assert (await one.rest.get("/paper/blocks?limit=0")).status_code == 400


async def test_the_state_tells_height_prices_and_the_networks_own_words() -> None:
    async with desk() as one:
        await one.visible()
        state = (await one.rest.get("/paper/state")).json()
        assert state["height"] == 701
        assert state["prices"] == {"mode": "still"}
        assert state["oraclePrices"]["BTC-USD"] == "96500"


async def test_another_sites_page_may_not_ask_and_a_local_one_may() -> None:
    async with desk() as one:
        stranger = {"Origin": "https://example.org"}
        answer = await one.rest.post("/faucet/tokens", json={"address": T}, headers=stranger)
        assert answer.status_code == 403
        assert one.controls.asked == []
        local = {"Origin": "http://127.0.0.1:8080"}
        answer = await one.rest.get("/v4/height", headers=local)
        assert answer.headers["access-control-allow-origin"] == local["Origin"]
        asked = await one.rest.options("/faucet/tokens", headers=local)
        assert asked.headers["access-control-allow-headers"] == "content-type"


async def test_the_round_trip_delays_rest_but_not_the_control_routes() -> None:
    async with desk() as one:
        await one.rest.post("/paper/faults", json={"rtt_ms": 150})
        began = one.indexer.clock.monotonic()
        await one.rest.get("/v4/height")
        delayed = one.indexer.clock.monotonic() - began
        assert 0.15 <= delayed < 2
        await until(lambda: one.controls.faults.rtt_ms == 150)
