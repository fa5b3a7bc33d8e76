"""CheckTx: what a node refuses, with the codes and texts a real node gave. The numbers in the names
are those of docs/protocol.md's list of behaviours.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import Tx
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgPlaceOrder, OrderBatch
from v4_proto.dydxprotocol.sending.transfer_pb2 import MsgDepositToSubaccount, Transfer
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.paper.exchange import CheckResult
from core.paper.state import Account, Header
from tests.core.paper.chain_kit import (
    BUY,
    EIGEN,
    FOK,
    GTT,
    IOC,
    LINK,
    POST_ONLY,
    SELL,
    Lab,
    Trader,
    gas,
    lab,
    trader,
)

RECORDED = json.loads(Path(__file__).with_name("recorded_transactions.json").read_text())


@pytest.fixture
def world() -> tuple[Lab, Trader]:
    made = lab()
    return made, made.funded(1)


def answer(result: CheckResult) -> tuple[str, int, str]:
    return result.codespace, result.code, result.log


@pytest.mark.parametrize("row", RECORDED["rows"], ids=lambda row: row["label"])
def test_1_and_4_recorded_transactions_get_the_answers_a_real_node_gave(
    row: dict[str, Any],
) -> None:
    made = lab()
    state = made.exchange.state
    state.accounts.put(RECORDED["address"], Account(RECORDED["account_number"]))
    last = state.header.working["last"]
    state.header.put("last", replace(last, height=row["height"]))

    result = made.exchange.check_tx(base64.b64decode(row["tx"]))

    recorded = row["answer"]
    assert result.tx_hash == row["tx_hash"]
    assert answer(result) == (recorded["codespace"], recorded["code"], recorded["raw_log"])


def long(**more: Any) -> dict[str, Any]:
    return {"flags": 64, "tif": GTT, "good_til_block_time": 1_900_000_000, **more}


def conditional(**more: Any) -> dict[str, Any]:
    return {
        "flags": 32,
        "tif": GTT,
        "good_til_block_time": 1_900_000_000,
        "condition_type": 1,
        "conditional_order_trigger_subticks": 6_000_000_000,
        **more,
    }


STATELESS: dict[str, tuple[dict[str, Any], int, str]] = {
    "fill or kill": (
        {"tif": FOK},
        48,
        "Fill-or-kill has been deprecated: This field has been deprecated",
    ),
    "fill or kill, all else broken": (
        {"tif": FOK, "side": 0, "size": 0},
        48,
        "Fill-or-kill has been deprecated: This field has been deprecated",
    ),
    "no side": ({"side": 0}, 3, "UNSPECIFIED is not a valid order side: Invalid order side"),
    "side 5": ({"side": 5}, 3, "invalid order side (5): Invalid order side"),
    "side -1": ({"side": -1}, 3, "invalid order side (-1): Invalid order side"),
    "time in force 9": ({"tif": 9}, 44, "invalid time in force (9): invalid time in force"),
    "time in force 9 and no side": (
        {"tif": 9, "side": 0},
        44,
        "invalid time in force (9): invalid time in force",
    ),
    "condition 7": (
        {"condition_type": 7},
        6000,
        "invalid condition type (7): Conditional type is invalid",
    ),
    "no size": ({"size": 0}, 4, "order size quantums cannot be 0: Invalid order quantums"),
    "no good-til-block": (
        {"gtb": 0},
        5,
        "order goodTilBlock cannot be 0: Invalid order goodTilBlock",
    ),
    "long-term without time": (
        long(good_til_block_time=0),
        3001,
        "stateful order goodTilBlockTime cannot be 0: Invalid order goodTilBlockTime",
    ),
    "flags 7": (
        {"flags": 7, "good_til_block_time": 1_900_000_000},
        3000,
        "invalid order flag 7: Invalid order flags",
    ),
    "long-term IOC": (
        long(tif=IOC),
        3002,
        "Stateful orders cannot require immediate execution",
    ),
    "no price": (
        {"price": "0"},
        6,
        "order subticks cannot be 0 for this order type: Invalid order subticks",
    ),
    "conditional without a condition": (
        conditional(condition_type=0),
        6000,
        "condition type cannot be unspecified: Conditional type is invalid",
    ),
    "conditional without a trigger": (
        conditional(conditional_order_trigger_subticks=0),
        6001,
        "conditional order trigger subticks cannot be 0: "
        "Conditional order trigger subticks is invalid",
    ),
    "short-term with a condition": (
        {"condition_type": 1},
        6000,
        "condition type specified for non-conditional order: Conditional type is invalid",
    ),
    "short-term with a trigger": (
        {"conditional_order_trigger_subticks": 1_000_000},
        6001,
        "conditional order trigger subticks greater than 0 for non-conditional order: "
        "Conditional order trigger subticks is invalid",
    ),
    "router address malformed": (
        {"order_router_address": "abc"},
        11000,
        "order router address 'abc' must be a valid bech32 address, but got error "
        "'decoding bech32 failed: invalid bech32 string length 3': Invalid order router address",
    ),
}


@pytest.mark.parametrize("case", STATELESS, ids=lambda case: case)
def test_1_a_malformed_order_is_refused_with_the_chains_code_and_text(
    world: tuple[Lab, Trader], case: str
) -> None:
    made, one = world
    how, code, log = STATELESS[case]
    values = {"side": BUY, "size": 10, "price": "7.3", "gtb": made.gtb, **how}

    result = made.place(one, values.pop("side"), values.pop("size"), values.pop("price"), **values)

    assert answer(result) == ("clob", code, log)
    assert made.told[1:] == []


@pytest.mark.parametrize(
    "how",
    [
        {"tif": GTT},
        {"tif": POST_ONLY},
        long(),
        long(tif=POST_ONLY),
        conditional(),
        conditional(tif=POST_ONLY),
    ],
)
def test_12_a_reduce_only_order_that_is_not_ioc_is_refused_with_9003(
    world: tuple[Lab, Trader], how: dict[str, Any]
) -> None:
    made, one = world

    result = made.place(one, SELL, 10, "7", reduce_only=True, **how)

    assert answer(result) == (
        "clob",
        9003,
        "reduce only orders must be short term IOC orders: "
        "Reduce-only is currently disabled for non-IOC orders",
    )


@pytest.mark.parametrize(
    ("ahead", "code"), [(0, 10), (1, 0), (20, 0), (41, 0), (42, 11), (500, 11)]
)
def test_3_the_good_til_block_window_is_next_to_next_plus_40(
    world: tuple[Lab, Trader], ahead: int, code: int
) -> None:
    made, one = world
    height = made.exchange.height
    until = height + ahead
    log = {
        0: "[]",
        10: f"GoodTilBlock {until} is less than the current blockHeight {height + 1}: "
        "The next block height is greater than the GoodTilBlock of the message",
        11: f"The GoodTilBlock {until} exceeds the current blockHeight {height + 1} plus "
        "ShortBlockWindow 40: The GoodTilBlock of the message is further than ShortBlockWindow "
        "blocks into the future",
    }[code]

    placed = made.place(one, BUY, 10, "7", gtb=until, tif=GTT)
    cancelled = made.send(one, one.cancel(2, until))

    assert answer(placed) == answer(cancelled) == ("clob" if code else "", code, log)


@pytest.mark.parametrize(
    ("how", "code", "log"),
    [
        (
            {"pair": 99999},
            8,
            "Clob 99999 is not a valid clob: ClobPair ID does not reference a valid CLOB",
        ),
        (
            {"pair": 99999, "gtb": 900},
            8,
            "Clob 99999 is not a valid clob: ClobPair ID does not reference a valid CLOB",
        ),
        (
            {"subticks": 3_602_000_001},
            12,
            "Order subticks 3602000001 must be a multiple of the ClobPair's SubticksPerTick "
            "1000000: MsgPlaceOrder is invalid",
        ),
        (
            {"quantums": 14_000_001},
            12,
            "Order Quantums 14000001 must be a multiple of the ClobPair's StepBaseQuantums "
            "1000000: MsgPlaceOrder is invalid",
        ),
        (
            {"subticks": 3_602_000_001, "gtb": 1},
            10,
            "GoodTilBlock 1 is less than the current blockHeight 3: The next block height is "
            "greater than the GoodTilBlock of the message",
        ),
    ],
)
def test_11_market_rules_are_checked_after_the_window(
    world: tuple[Lab, Trader], how: dict[str, Any], code: int, log: str
) -> None:
    made, one = world
    message = one.order(BUY, 10, "7", gtb=how.get("gtb", made.gtb))
    message.order.order_id.clob_pair_id = how.get("pair", LINK)
    message.order.subticks = how.get("subticks", message.order.subticks)
    message.order.quantums = how.get("quantums", message.order.quantums)

    assert answer(made.send(one, message)) == ("clob", code, log)


def test_4_signatures_are_checked_over_chain_id_account_number_and_key(
    world: tuple[Lab, Trader],
) -> None:
    made, one = world
    other = made.funded(2)
    number = one.wallet.account_number
    refused = (
        "sdk",
        4,
        f"signature verification failed; please verify account number ({number}) and chain-id "
        "(localdydxprotocol): (unable to verify single signer signature): unauthorized",
    )
    order = one.order(BUY, 10, "7", gtb=made.gtb)
    signed = Tx.FromString(one.sign(order))

    def with_signatures(*signatures: bytes) -> CheckResult:
        tx = Tx(body=signed.body, auth_info=signed.auth_info, signatures=signatures)
        return made.exchange.check_tx(tx.SerializeToString())

    good = signed.signatures[0]
    half_order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high_s = good[:32] + (half_order - int.from_bytes(good[32:], "big")).to_bytes(32, "big")
    assert answer(made.send(one, order, chain_id="dydx-mainnet-1")) == refused
    assert answer(made.send(one, order, account_number=number + 1)) == refused
    assert answer(with_signatures(b"\x01" * 64)) == refused
    assert answer(with_signatures(good[:63])) == refused
    assert answer(with_signatures(high_s)) == refused
    assert answer(with_signatures()) == ("sdk", 15, "no signatures supplied")
    assert answer(with_signatures(good, good)) == (
        "sdk",
        4,
        "wrong number of signers; expected 1, got 2: unauthorized",
    )
    assert answer(made.send(other, order)) == (
        "sdk",
        8,
        f"pubKey does not match signer address {one.address} with signer index: 0: invalid pubkey",
    )
    assert answer(with_signatures(good)) == ("", 0, "[]")


def test_4_a_transaction_without_public_key_or_account_is_refused(
    world: tuple[Lab, Trader],
) -> None:
    made, one = world
    tx = Tx.FromString(one.sign(one.order(BUY, 10, "7", gtb=made.gtb)))
    tx.auth_info.signer_infos[0].ClearField("public_key")
    stranger = trader(77)

    fresh = made.exchange.check_tx(tx.SerializeToString())
    unknown = made.place(stranger, BUY, 10, "7")

    assert answer(fresh) == ("sdk", 8, "unrecognized public key type: <nil>: invalid pubkey")
    assert answer(unknown) == (
        "sdk",
        9,
        f"account {stranger.address} does not exist: unknown address",
    )


@pytest.mark.parametrize(
    ("raw", "code", "log"),
    [
        (b"nonsense", 2, "expected 2 wire type, got 6: tx parse error"),
        (b"\x0a\x7f\x01", 2, "invalid length; unexpected EOF: tx parse error"),
        (b"\x0a" * 1_048_577, 21, ""),
    ],
)
def test_1_what_is_no_transaction_is_refused_as_the_real_node_does(
    world: tuple[Lab, Trader], raw: bytes, code: int, log: str
) -> None:
    made, _ = world

    assert answer(made.exchange.check_tx(raw)) == ("sdk", code, log)


def test_1_unknown_message_types_and_empty_transactions_are_refused(
    world: tuple[Lab, Trader],
) -> None:
    made, one = world
    tx = Tx.FromString(one.sign(one.order(BUY, 10, "7", gtb=made.gtb)))
    tx.body.messages[0].type_url = "/dydxprotocol.clob.MsgNothing"

    nothing = made.exchange.check_tx(tx.SerializeToString())

    assert answer(nothing) == (
        "sdk",
        2,
        "unable to resolve type URL /dydxprotocol.clob.MsgNothing: tx parse error",
    )
    assert answer(made.send(one)) == (
        "sdk",
        18,
        "must contain at least one message: invalid request",
    )


def test_5_short_term_orders_take_any_sequence_and_consume_none(
    world: tuple[Lab, Trader],
) -> None:
    made, one = world
    for client_id, sequence in enumerate([0, 7, 12345, 2**40 + 5, 2**63]):
        order = one.order(BUY, 10, "7", client_id=client_id, gtb=made.gtb, tif=GTT)
        assert made.send(one, order, sequence=sequence).code == 0
    made.block()

    account = made.exchange.account(one.address)

    assert account is not None
    assert account.sequence == 0


def send_coins(one: Trader, amount: int = 5) -> MsgSend:
    coin = Coin(denom="adv4tnt", amount=str(amount))
    return MsgSend(from_address=one.address, to_address=trader(9).address, amount=[coin])


def test_5_other_transactions_need_the_next_sequence_and_queries_show_the_committed_one(
    world: tuple[Lab, Trader],
) -> None:
    made, one = world

    def sequence() -> int:
        account = made.exchange.account(one.address)
        assert account is not None
        return account.sequence

    ahead = made.send(one, send_coins(one), sequence=3, fee=gas())
    first = made.send(one, send_coins(one), sequence=0, fee=gas())
    again = made.send(one, send_coins(one, 6), sequence=0, fee=gas())
    second = made.send(one, send_coins(one), sequence=1, fee=gas())
    before = sequence()
    made.block()

    assert answer(ahead) == (
        "sdk",
        32,
        "account sequence mismatch, expected 0, got 3: incorrect account sequence",
    )
    assert (first.code, second.code) == (0, 0)
    assert answer(again) == (
        "sdk",
        32,
        "account sequence mismatch, expected 1, got 0: incorrect account sequence",
    )
    assert (before, sequence()) == (0, 2)
    included = made.exchange.transaction(second.tx_hash)
    assert included is not None
    assert (included.height, included.code) == (made.exchange.height, 0)


def test_5_a_refused_transaction_does_not_consume_its_sequence(
    world: tuple[Lab, Trader],
) -> None:
    made, one = world

    poor = made.send(one, send_coins(one), sequence=0)
    good = made.send(one, send_coins(one), sequence=0, fee=gas())

    assert answer(poor) == (
        "sdk",
        13,
        "insufficient fees; got:  required: 25000000000000000adv4tnt,25000"
        "ibc/8E27BA2D5493AF5636760E354E46004562C46AB7EC0CC4C1CA14E9E20E2545B5: insufficient fee",
    )
    assert good.code == 0


def test_6_timestamp_nonces_are_near_the_block_time_and_used_once(
    world: tuple[Lab, Trader],
) -> None:
    made, one = world
    now_ms = int(made.now.timestamp() * 1000)

    def send(nonce: int, amount: int) -> CheckResult:
        return made.send(one, send_coins(one, amount), sequence=nonce, fee=gas())

    assert send(now_ms, 1).code == 0
    assert answer(send(now_ms, 2)) == (
        "sdk",
        32,
        f"timestamp nonce {now_ms} rejected: incorrect account sequence",
    )
    assert answer(send(now_ms + 30_001, 3)) == (
        "sdk",
        32,
        f"timestamp nonce {now_ms + 30_001} not within valid time window: "
        "incorrect account sequence",
    )
    for step in range(1, 20):
        assert send(now_ms + step, 10 + step).code == 0
    assert send(now_ms - 1, 40).code == 32
    made.block()
    account = made.exchange.account(one.address)
    assert account is not None
    assert (account.sequence, len(account.nonces)) == (0, 20)


def test_7_a_selected_authenticator_that_does_not_exist_is_refused(
    world: tuple[Lab, Trader],
) -> None:
    made, one = world
    order = one.order(BUY, 10, "7", gtb=made.gtb)

    result = made.send(one, order, authenticators=[7])

    assert answer(result) == (
        "dydxaccountplus",
        1,
        f"failed to get initialized authenticator (account = {one.address}, authenticator id = 7, "
        "msg index = 0, msg type url = /dydxprotocol.clob.MsgPlaceOrder): authenticator 7 not "
        f"found for account {one.address}: Authenticator is not found",
    )


def test_9_a_short_term_transaction_holds_one_message(world: tuple[Lab, Trader]) -> None:
    made, one = world
    orders = [one.order(BUY, 10, "7", client_id=number, gtb=made.gtb) for number in (1, 2)]

    result = made.send(one, *orders)

    assert answer(result) == (
        "sdk",
        18,
        "a transaction containing short term MsgCancelOrder or MsgPlaceOrder may not contain more "
        "than one message: invalid request",
    )


def test_10_more_than_400_short_term_messages_in_a_block_are_refused(
    world: tuple[Lab, Trader],
) -> None:
    made, one = world
    for number in range(199):
        batch = OrderBatch(clob_pair_id=LINK, client_ids=[number])
        assert made.send(one, one.batch(made.gtb, batch)).code == 0
    assert made.place(one, BUY, 10, "7", client_id=900, tif=GTT).code == 0
    assert made.send(one, one.cancel(901, made.gtb)).code == 0

    refused = made.send(one, one.cancel(902, made.gtb))
    made.block()
    free_again = made.send(one, one.cancel(902, made.gtb))

    assert answer(refused) == (
        "clob",
        5001,
        "Rate of 401 exceeds configured block rate limit of {NumBlocks:1 Limit:400} for "
        f"MaxShortTermOrdersAndCancelsPerNBlocks and {one.address}: Block rate limit exceeded",
    )
    assert free_again.code == 0


@pytest.mark.parametrize(
    ("batches", "log"),
    [
        ([], "Batch cancel cannot have zero orders specified.: Invalid batch cancel message"),
        ([(2, [])], "Order Batch cannot have zero client ids.: Invalid batch cancel message"),
        (
            [(2, [1, 1])],
            "Batch Cancel Clob pair id 2 has duplicate client ids: 1: Invalid batch cancel message",
        ),
        (
            [(2, [1]), (2, [2])],
            "Batch cancel cannot have 2 order batches with the same clob pair id: 2: "
            "Invalid batch cancel message",
        ),
        (
            [(2, list(range(101)))],
            "Batch cancel cannot have over 100 orders. Order count: 101: "
            "Invalid batch cancel message",
        ),
    ],
)
def test_17_a_malformed_batch_cancel_is_refused_with_45(
    world: tuple[Lab, Trader], batches: list[tuple[int, list[int]]], log: str
) -> None:
    made, one = world
    rows = [OrderBatch(clob_pair_id=pair, client_ids=ids) for pair, ids in batches]

    assert answer(made.send(one, one.batch(made.gtb, *rows))) == ("clob", 45, log)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"to": 0}, ("sending", 1)),
        ({"amount": 0}, ("sending", 2)),
        ({"asset": 1}, ("sending", 1101)),
        ({"to": 128_001}, ("subaccounts", 200)),
    ],
)
def test_1_impossible_transfers_are_refused(
    world: tuple[Lab, Trader], change: dict[str, int], expected: tuple[str, int]
) -> None:
    made, one = world
    message = MsgCreateTransfer(
        transfer=Transfer(
            sender=SubaccountId(owner=one.address, number=0),
            recipient=SubaccountId(owner=one.address, number=change.get("to", 1)),
            asset_id=change.get("asset", 0),
            amount=change.get("amount", 1_000_000),
        )
    )

    result = made.send(one, message, fee=gas())

    assert (result.codespace, result.code) == expected


def test_a_deposit_of_anothers_coins_needs_his_key(world: tuple[Lab, Trader]) -> None:
    made, one = world
    other = made.funded(2)
    message = MsgDepositToSubaccount(
        sender=other.address, recipient=SubaccountId(owner=one.address), quantums=1_000_000
    )

    assert made.send(one, message, fee=gas()).code == 8


def test_a_memo_of_257_characters_is_refused(world: tuple[Lab, Trader]) -> None:
    made, one = world
    order: MsgPlaceOrder = one.order(BUY, 10, "7", gtb=made.gtb, pair=EIGEN)

    assert made.send(one, order, memo="x" * 257).code == 12
    assert made.send(one, order, memo="x" * 256).code == 0


def test_the_chain_begins_at_block_1_with_the_published_accounts() -> None:
    made = lab()

    assert made.exchange.state.header.committed["last"] == Header(
        1, made.exchange.state.header.committed["last"].time_us, 4
    )
    alice = made.exchange.account("dydx199tqg4wdlnu4qjlxchpd7seg454937hjrknju4")
    assert alice == Account(0)
