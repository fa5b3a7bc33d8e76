"""What public clients ask of a node beyond trading: its REST gateway, queries about everybody, and
the errors that they tell apart.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.dydxprotocol.clob.tx_pb2 import LeverageEntry, MsgUpdateLeverage

from core.paper.network import PaperNetwork, PaperSettings
from tests.core.paper.chain_kit import BUY, CHAIN_ID, Trader, gas, trader

USDC = "ibc/8E27BA2D5493AF5636760E354E46004562C46AB7EC0CC4C1CA14E9E20E2545B5"
ALICE = "dydx199tqg4wdlnu4qjlxchpd7seg454937hjrknju4"


class Client:
    """An HTTP client of one network's node, and one funded trader."""

    def __init__(self, network: PaperNetwork, session: aiohttp.ClientSession) -> None:
        self.network = network
        self._session = session
        self.url = f"http://127.0.0.1:{network.rpc_port}"
        self.trader = trader(1)
        self.number = 0

    async def fund(self) -> None:
        self.network.exchange.give(self.trader.address, 0, 1_000_000_000)
        await self.network.chain.make_block()
        account = self.network.exchange.account(self.trader.address)
        assert account is not None
        self.number = account.number

    async def get(self, path: str) -> tuple[int, Any]:
        async with self._session.get(f"{self.url}/{path}") as response:
            return response.status, await response.json()

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        async with self._session.post(f"{self.url}/{path}", json=body) as response:
            return response.status, await response.json()

    def self_payment(self) -> bytes:
        one = self.trader
        coins = [Coin(denom=USDC, amount="1")]
        payment = MsgSend(from_address=one.address, to_address=one.address, amount=coins)
        return one.sign(payment, fee=gas(), account_number=self.number)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    settings = PaperSettings(
        grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, chain_id=CHAIN_ID, prices="still"
    )
    network = PaperNetwork(settings, indexer=False, blocks=False)
    await network.start()
    async with aiohttp.ClientSession() as session:
        client = Client(network, session)
        await client.fund()
        yield client
    await network.close()


# Address, and what a real node answers to it in the local test genesis.
ANSWERS: list[tuple[str, Any]] = [
    (
        "dydxprotocol/clob/clob_pair/1",
        {
            "clob_pair": {
                "id": 1,
                "perpetual_clob_metadata": {"perpetual_id": 1},
                "step_base_quantums": "1000000",
                "subticks_per_tick": 100000,
                "quantum_conversion_exponent": -9,
                "status": "STATUS_ACTIVE",
            }
        },
    ),
    (
        "dydxprotocol/perpetuals/perpetual/1",
        {
            "perpetual": {
                "params": {
                    "id": 1,
                    "ticker": "ETH-USD",
                    "market_id": 1,
                    "atomic_resolution": -9,
                    "default_funding_ppm": 100,
                    "liquidity_tier": 0,
                    "market_type": "PERPETUAL_MARKET_TYPE_CROSS",
                },
                "funding_index": "0",
                "open_interest": "0",
            }
        },
    ),
    (
        f"dydxprotocol/subaccounts/subaccount/{ALICE}/0",
        {
            "subaccount": {
                "id": {"owner": ALICE, "number": 0},
                "asset_positions": [
                    {"asset_id": 0, "quantums": "100000000000000000", "index": "0"}
                ],
                "perpetual_positions": [],
                "margin_enabled": False,
            }
        },
    ),
    (
        "dydxprotocol/assets/asset/0",
        {
            "asset": {
                "id": 0,
                "symbol": "USDC",
                "denom": USDC,
                "denom_exponent": -6,
                "has_market": False,
                "market_id": 0,
                "atomic_resolution": -6,
            }
        },
    ),
    (
        "dydxprotocol/vault/megavault/all_owner_shares",
        {
            "owner_shares": [{"owner": ALICE, "shares": {"num_shares": "2000000000"}}],
            "pagination": {"next_key": None, "total": "1"},
        },
    ),
    ("dydxprotocol/vault/vault", {"vaults": [], "pagination": {"next_key": None, "total": "0"}}),
    (
        "dydxprotocol/revshare/market_mapper_rev_share_details/1",
        {"details": {"expiration_ts": "1672531200"}},
    ),
    ("cosmos/bank/v1beta1/params", {"params": {"send_enabled": [], "default_send_enabled": True}}),
    (
        "cosmos/staking/v1beta1/pool",
        {"pool": {"not_bonded_tokens": "0", "bonded_tokens": "500000000000000000000000"}},
    ),
    (
        "cosmos/bank/v1beta1/denoms_metadata/adv4tnt",
        {
            "metadata": {
                "description": "The native token of the network",
                "denom_units": [
                    {"denom": "adv4tnt", "exponent": 0, "aliases": []},
                    {"denom": "dv4tnt", "exponent": 18, "aliases": []},
                ],
                "base": "adv4tnt",
                "display": "dv4tnt",
                "name": "dYdX V4 Testnet Token",
                "symbol": "dv4tnt",
                "uri": "",
                "uri_hash": "",
            }
        },
    ),
]

# Address, HTTP status, code and text of a real node's refusal.
REFUSALS = [
    ("cosmos/nosuch", 501, 12, "Not Implemented"),
    ("dydxprotocol/assets/asset/7", 404, 5, "Asset id 7 not found."),
    ("dydxprotocol/vault/vault/VAULT_TYPE_CLOB/9", 404, 5, "vault not found"),
    ("dydxprotocol/vault/params/VAULT_TYPE_CLOB/9", 404, 5, "vault not found"),
    (
        "dydxprotocol/revshare/market_mapper_rev_share_details/7777",
        500,
        2,
        "codespace revshare code 3: MarketMapperRevShareDetails not found for marketId",
    ),
    (
        f"dydxprotocol/revshare/order_router_rev_share/{ALICE}",
        500,
        2,
        "codespace revshare code 8: order router rev share not found",
    ),
    (
        "dydxprotocol/clob/clob_pair/x",
        400,
        3,
        'type mismatch, parameter: id, error: strconv.ParseUint: parsing "x": invalid syntax',
    ),
    (
        "cosmos/base/tendermint/v1beta1/validatorsets/99999",
        400,
        3,
        "requested block height is bigger then the chain length",
    ),
    (f"cosmos/bank/v1beta1/denoms_metadata/{USDC}", 501, 12, "Not Implemented"),
    (
        f"cosmos/bank/v1beta1/denoms_metadata_by_query_string?denom={USDC}",
        404,
        5,
        f"client metadata for denom {USDC}",
    ),
    ("cosmos/tx/v1beta1/txs", 500, 13, "query cannot be empty"),
]


async def test_the_gateway_answers_in_the_shapes_of_a_real_node(client: Client) -> None:
    for path, expected in ANSWERS:
        assert await client.get(path) == (200, expected), path


async def test_the_gateway_refuses_with_a_real_nodes_status_code_and_text(client: Client) -> None:
    for path, status, code, text in REFUSALS:
        expected = {"code": code, "message": text, "details": []}
        assert await client.get(path) == (status, expected), path


async def test_fractions_are_decimal_and_absent_members_null(client: Client) -> None:
    _, answer = await client.get("cosmos/staking/v1beta1/validators")
    _, account = await client.get(f"cosmos/auth/v1beta1/account_info/{ALICE}")

    validator = answer["validators"][0]
    assert validator["delegator_shares"] == "500000000000000000000000.000000000000000000"
    assert validator["commission"]["commission_rates"]["max_change_rate"] == "0.010000000000000000"
    assert validator["consensus_pubkey"]["@type"] == "/cosmos.crypto.ed25519.PubKey"
    assert account["info"]["pub_key"] is None


async def test_a_client_with_nothing_but_rest_simulates_sends_and_finds_a_transaction(
    client: Client,
) -> None:
    raw = base64.b64encode(client.self_payment()).decode()

    status, simulated = await client.post("cosmos/tx/v1beta1/simulate", {"txBytes": raw})
    assert status == 200
    assert simulated["gas_info"]["gas_wanted"] == str(2**64 - 1)
    assert int(simulated["gas_info"]["gas_used"]) > 10_000
    sent = {"tx_bytes": raw, "mode": "BROADCAST_MODE_SYNC"}
    status, answer = await client.post("cosmos/tx/v1beta1/txs", sent)
    assert (status, answer["tx_response"]["code"]) == (200, 0)
    await client.network.chain.make_block()

    identity, owner = answer["tx_response"]["txhash"], client.trader.address
    _, info = await client.get(f"cosmos/auth/v1beta1/account_info/{owner}")
    assert info["info"]["sequence"] == "1"
    assert info["info"]["pub_key"]["@type"] == "/cosmos.crypto.secp256k1.PubKey"
    _, found = await client.get(f"cosmos/tx/v1beta1/txs/{identity}")
    assert found["tx"]["body"]["messages"][0]["@type"] == "/cosmos.bank.v1beta1.MsgSend"
    _, listed = await client.get(f"cosmos/tx/v1beta1/txs?query=tx.hash='{identity}'")
    assert [row["txhash"] for row in listed["tx_responses"]] == [identity]
    assert (listed["total"], listed["pagination"]) == ("1", None)


async def test_supply_is_all_that_accounts_hold_and_pages_list_every_account(
    client: Client,
) -> None:
    exchange = client.network.exchange
    _, supply = await client.get(f"cosmos/bank/v1beta1/supply/by_denom?denom={USDC}")
    _, first = await client.get("cosmos/auth/v1beta1/accounts?pagination.limit=2")
    held = sum(row.usdc for row in exchange.subaccounts().values()) + sum(
        amount for (_, denom), amount in exchange.state.balances.committed.items() if denom == USDC
    )

    assert supply["amount"] == {"denom": USDC, "amount": str(held)}
    found, key = [row["address"] for row in first["accounts"]], first["pagination"]["next_key"]
    while key is not None:
        _, more = await client.get(
            f"cosmos/auth/v1beta1/accounts?pagination.limit=2&pagination.key={key}"
        )
        found, key = (
            found + [row["address"] for row in more["accounts"]],
            more["pagination"]["next_key"],
        )
    assert sorted(found) == sorted(exchange.state.accounts.committed)
    assert client.trader.address in found


async def test_leverage_can_be_simulated_and_an_order_cannot(client: Client) -> None:
    one: Trader = client.trader
    leverage = MsgUpdateLeverage(
        subaccount_id=one.order_id(1).subaccount_id,
        clob_pair_leverage=[LeverageEntry(clob_pair_id=1, custom_imf_ppm=100_000)],
    )
    order = one.order(BUY, 1, "10", gtb=10)
    answers = [
        await client.post(
            "cosmos/tx/v1beta1/simulate",
            {"tx_bytes": base64.b64encode(one.sign(message)).decode()},
        )
        for message in (leverage, order)
    ]

    assert answers[0][0] == 200
    assert answers[1][0] == 500
    assert "assert deliverTx mode failed" in answers[1][1]["message"]


async def test_json_rpc_tells_kinds_of_failed_queries_apart(client: Client) -> None:
    expected = {
        "/cosmos.auth.v1beta1.Query/AccountInfo": 18,
        "/dydxprotocol.vault.Query/MegavaultOwnerShares": 22,
        "/dydxprotocol.revshare.Query/OrderRouterRevShare": 6,
        "/no.such.Query/Method": 6,
    }
    for path, code in expected.items():
        _, answer = await client.get(f'abci_query?path="{path}"')
        assert answer["result"]["response"]["code"] == code, path
    assert answer["result"]["response"]["log"] == "unknown query path: unknown request"


async def test_blocks_are_searched_by_height_and_the_genesis_is_told(client: Client) -> None:
    for _ in range(4):
        await client.network.chain.make_block()
    _, found = await client.get(
        'block_search?query="block.height>2 AND block.height<=5"&order_by="desc"&per_page="2"'
    )
    _, genesis = await client.get("genesis")

    heights = [row["block"]["header"]["height"] for row in found["result"]["blocks"]]
    assert (heights, found["result"]["total_count"]) == (["5", "4"], "3")
    assert genesis["result"]["genesis"]["chain_id"] == CHAIN_ID
    _, nothing = await client.get('block_search?query="other.key=1"')
    assert nothing["result"] == {"blocks": [], "total_count": "0"}


async def test_a_node_that_is_down_refuses_in_its_gateway_too(client: Client) -> None:
    client.network.nodes[0].faults.down = True

    status, answer = await client.get("dydxprotocol/clob/clob_pair/1")

    assert (status, answer["code"]) == (503, 14)
    assert client.network.nodes[0].calls["rest/dydxprotocol.clob.Query/ClobPair"] == 1
