"""The node's CometBFT JSON-RPC: what JavaScript clients of the chain need to trade."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from v4_proto.cosmos.auth.v1beta1 import query_pb2 as auth_pb2
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin

from core.paper.happenings import Filled
from core.paper.network import PaperNetwork, PaperSettings
from tests.core.paper.chain_kit import BUY, CHAIN_ID, SOL, Trader, gas, trader


class Client:
    """One RPC client and the network it talks to."""

    def __init__(self, network: PaperNetwork, session: aiohttp.ClientSession) -> None:
        self.network = network
        self._session = session
        self.url = f"http://127.0.0.1:{network.rpc_port}"

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        answer = await self.post(body)
        assert answer["id"] == 7
        return dict(answer)

    async def post(self, body: Any) -> Any:
        async with self._session.post(self.url, json=body) as response:
            return await response.json()

    async def get(self, path: str) -> dict[str, Any]:
        async with self._session.get(f"{self.url}/{path}") as response:
            return dict(await response.json())

    async def funded(self) -> Trader:
        one = trader(1)
        self.network.exchange.give(one.address, 0, 20_000_000_000)
        await self.network.chain.make_block()
        account = self.network.exchange.account(one.address)
        assert account is not None
        one.wallet.account_number = account.number
        return one


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    settings = PaperSettings(grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still")
    network = PaperNetwork(settings, indexer=False, blocks=False)
    await network.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(network, session)
    finally:
        await network.close()


async def test_status_names_chain_version_and_height(client: Client) -> None:
    status = (await client.call("status"))["result"]
    by_address = (await client.get("status"))["result"]

    assert status == by_address
    assert (status["node_info"]["network"], status["node_info"]["version"]) == (CHAIN_ID, "0.38.5")
    assert status["sync_info"]["latest_block_height"] == "1"
    assert status["sync_info"]["catching_up"] is False


async def test_an_account_is_read_through_abci_query(client: Client) -> None:
    one = await client.funded()
    path = "/cosmos.auth.v1beta1.Query/Account"

    async def query(address: str) -> dict[str, Any]:
        data = auth_pb2.QueryAccountRequest(address=address).SerializeToString().hex()
        answer = await client.call("abci_query", path=path, data=data, prove=False)
        return dict(answer["result"]["response"])

    known, unknown = await query(one.address), await query(trader(5).address)

    account = BaseAccount()
    answer = auth_pb2.QueryAccountResponse.FromString(base64.b64decode(known["value"]))
    assert answer.account.Unpack(account)
    assert (known["code"], account.account_number) == (0, one.wallet.account_number)
    assert (unknown["codespace"], unknown["code"]) == ("sdk", 22)
    assert unknown["log"] == (
        f"rpc error: code = NotFound desc = account {trader(5).address} not found: key not found"
    )


async def test_an_order_is_broadcast_filled_and_not_taken_twice(client: Client) -> None:
    one = await client.funded()
    raw = one.sign(one.order(BUY, "1", "160", pair=SOL, gtb=12))
    tx = base64.b64encode(raw).decode()

    first = await client.call("broadcast_tx_sync", tx=tx)
    again = await client.call("broadcast_tx_sync", tx=tx)
    block = await client.network.chain.make_block()

    assert (first["result"]["code"], first["result"]["log"]) == (0, "[]")
    assert again["error"] == {
        "code": -32603,
        "message": "Internal error",
        "data": "tx already exists in cache",
    }
    assert client.network.exchange.subaccount(one.key).position(SOL) == 10_000_000
    fill = next(event for event in block.events if isinstance(event, Filled))
    identity = base64.b64encode(bytes.fromhex(fill.transaction_hash)).decode()
    found = (await client.call("tx", hash=identity))["result"]
    by_address = (await client.get(f"tx?hash=0x{fill.transaction_hash}"))["result"]
    shown = (await client.call("block"))["result"]
    assert found == by_address
    assert (found["height"], found["tx_result"]["code"]) == ("3", 0)
    assert shown["block"]["data"]["txs"] == [found["tx"]]


async def test_a_refused_transaction_carries_the_chains_code(client: Client) -> None:
    one = await client.funded()
    tx = base64.b64encode(one.sign(one.order(BUY, "1", "160", pair=SOL, gtb=1))).decode()

    result = (await client.call("broadcast_tx_sync", tx=tx))["result"]

    assert (result["codespace"], result["code"]) == ("clob", 10)


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("nothing", {}, -32601),
        ("broadcast_tx_sync", {"tx": "%"}, -32602),
        ("abci_query", {"path": "/x/y", "data": "zz"}, -32602),
        ("block", {"height": "99"}, -32603),
        ("block", {"height": "0"}, -32603),
        ("block", {"height": 1}, -32602),
        ("block", {"height": "one"}, -32602),
        ("tx", {}, -32603),
        ("tx_search", {"query": ""}, -32603),
        ("tx_search", {"query": "a.b=5", "page": "2"}, -32603),
        ("tx_search", {"query": "a.b=5", "order_by": "best"}, -32603),
        ("tx", {"hash": "AAAA"}, -32603),
    ],
)
async def test_impossible_calls_are_json_rpc_errors(
    client: Client, method: str, params: dict[str, Any], code: int
) -> None:
    answer = await client.call(method, **params)

    assert answer["error"]["code"] == code


async def test_calls_can_come_in_a_batch_and_are_counted(client: Client) -> None:
    calls: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": n, "method": "health", "params": {}} for n in (1, 2)
    ]

    answers = await client.post(calls)

    assert [row["id"] for row in answers] == [1, 2]
    assert client.network.nodes[0].calls["rpc/health"] == 2


async def test_an_address_gives_errors_with_status_500_and_unknown_methods_404(
    client: Client,
) -> None:
    async with aiohttp.ClientSession() as session:
        answers = {}
        for path in ("block?height=99", "nothing", "", 'abci_query?path="/x.Query/Y"'):
            async with session.get(f"{client.url}/{path}") as response:
                answers[path] = (response.status, await response.text())

    assert answers["block?height=99"][0] == 500
    assert '"data": "height 99 must be less than' in answers["block?height=99"][1]
    assert answers["nothing"] == (404, "404 page not found\n")
    assert answers[""][0] == 200
    assert '"code": 6' in answers['abci_query?path="/x.Query/Y"'][1]


async def test_what_is_no_call_is_answered_as_such_and_nobody_answers_a_notification(
    client: Client,
) -> None:
    sent = ("not json", "5", '{"method": 5, "id": 1}', '{"method": "health"}', "")
    async with aiohttp.ClientSession() as session:
        seen = []
        for body in sent:
            async with session.post(client.url, data=body) as response:
                seen.append((response.status, "Parse error" in await response.text()))

    assert seen == [(500, True), (500, True), (500, True), (200, False), (200, False)]


async def test_a_transaction_is_found_by_hash_height_and_sender(client: Client) -> None:
    one = await client.funded()
    message = MsgSend(
        from_address=one.address,
        to_address=trader(2).address,
        amount=[Coin(denom="adv4tnt", amount="5")],
    )
    raw = one.sign(message, fee=gas())
    sent = (await client.call("broadcast_tx_sync", tx=base64.b64encode(raw).decode()))["result"]
    await client.network.chain.make_block()
    wanted = base64.b64encode(raw).decode()

    for query in (
        f"tx.hash='{sent['hash']}'",
        f"message.sender='{one.address}' AND tx.height>=3",
        "tx.height=3",
    ):
        result = (await client.call("tx_search", query=query, page="1", per_page="5"))["result"]
        assert [row["tx"] for row in result["txs"]] == [wanted], query
        assert result["total_count"] == "1"
    nothing = (await client.call("tx_search", query="transfer.recipient='x'"))["result"]
    assert nothing == {"txs": [], "total_count": "0"}
    results = (await client.call("block_results", height="3"))["result"]
    assert [row["code"] for row in results["txs_results"]] == [0]


async def test_blocks_carry_the_time_at_which_the_one_before_was_finished(client: Client) -> None:
    for _ in range(3):
        await client.network.chain.make_block()
    exchange = client.network.exchange

    times = [
        (await client.call("block", height=str(height)))["result"]["block"]["header"]["time"]
        for height in (1, 2, 3, 4)
    ]

    assert times == sorted(set(times))
    assert times[-1] == exchange.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert exchange.time < client.network.clock.now()
    meta = (await client.call("blockchain", minHeight="2", maxHeight="3"))["result"]
    assert [row["header"]["height"] for row in meta["block_metas"]] == ["3", "2"]
    commit = (await client.call("commit", height="3"))["result"]
    assert commit["signed_header"]["header"]["time"] == times[2]
