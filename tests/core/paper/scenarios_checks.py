"""Scripts of the recorded scenarios about checks: signatures, sequences, malformed messages."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from google.protobuf.any_pb2 import Any as PackedAny
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import AuthInfo, TxBody, TxRaw
from v4_proto.dydxprotocol.clob.order_pb2 import BuilderCodeParameters, Order, TwapParameters
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder, MsgPlaceOrder, OrderBatch

from tests.core.paper.chain_kit import LINK, Trader, gas, trader
from tests.core.paper.scenario_kit import Play, Row, Script, again, state_of

_CURVE: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

# -- signatures -----------------------------------------------------------------------------


def tampered(alter: Callable[[TxRaw], None]) -> Callable[[Play, Trader, Row], bytes]:
    """The signed transaction with something changed after the signature."""

    def craft(play: Play, one: Trader, row: Row) -> bytes:
        raw = TxRaw.FromString(play.sign(one, play.build(row, one)))
        alter(raw)
        return bytes(raw.SerializeToString())

    return craft


def signatures(*new: bytes) -> Callable[[TxRaw], None]:
    def alter(raw: TxRaw) -> None:
        del raw.signatures[:]
        raw.signatures.extend(new)

    return alter


def high_s(raw: TxRaw) -> None:
    r, s = raw.signatures[0][:32], int.from_bytes(raw.signatures[0][32:], "big")
    signatures(r + (_CURVE - s).to_bytes(32, "big"))(raw)


def no_public_key(raw: TxRaw) -> None:
    auth = AuthInfo.FromString(raw.auth_info_bytes)
    auth.signer_infos[0].ClearField("public_key")
    raw.auth_info_bytes = auth.SerializeToString()


def twice(raw: TxRaw) -> None:
    raw.signatures.append(raw.signatures[0])


def signed_by_another(own_public_key: bool) -> Callable[[Play, Trader, Row], bytes]:
    def craft(play: Play, one: Trader, row: Row) -> bytes:
        other = play.trader("another")
        messages = play.build(row, one)
        stranger = Trader(other.wallet)
        number = one.wallet.account_number
        nonce = 0 if "short" in row.messages[0] else play.nonce()
        raw = TxRaw.FromString(stranger.sign(*messages, account_number=number, sequence=nonce))
        if own_public_key:
            own = TxRaw.FromString(one.sign(*messages, sequence=nonce))
            raw.auth_info_bytes = own.auth_info_bytes
        return bytes(raw.SerializeToString())

    return craft


def unfunded(play: Play, _: Trader, row: Row) -> bytes:
    stranger = trader(9_000)
    if row.messages[0] == "MsgSend":
        coins = [Coin(denom="adv4tnt", amount="1")]
        to = play.trader("T").address
        send = MsgSend(from_address=stranger.address, to_address=to, amount=coins)
        return stranger.sign(send, fee=gas())
    nonce = 0 if "short" in row.messages[0] else play.nonce()
    return stranger.sign(*play.build(row, stranger), sequence=nonce)


def bodyless(*packed: PackedAny) -> Callable[[Play, Trader, Row], bytes]:
    def craft(play: Play, one: Trader, row: Row) -> bytes:
        order = one.order(1, 1, "3", gtb=play.lab.gtb, client_id=play.next_id(one))
        raw = TxRaw.FromString(one.sign(order))
        raw.body_bytes = TxBody(messages=packed).SerializeToString()
        return bytes(raw.SerializeToString())

    return craft


def sent_bytes(data: bytes) -> Callable[[Play, Trader, Row], bytes]:
    return lambda play, one, row: data


def truncated(play: Play, one: Trader, row: Row) -> bytes:
    order = one.order(1, 1, "3", gtb=play.lab.gtb, client_id=play.next_id(one))
    return one.sign(order)[:-20]


def _signature_steps(kind: str) -> dict[str, Any]:
    return {
        f"{kind}: another's key and public key": signed_by_another(own_public_key=False),
        f"{kind}: another's key, own public key": signed_by_another(own_public_key=True),
        f"{kind}: garbage signature": tampered(signatures(b"\x07" * 64)),
        f"{kind}: short signature": tampered(signatures(b"\x07" * 10)),
        f"{kind}: high-s signature": tampered(high_s),
        f"{kind}: no signature": tampered(signatures()),
        f"{kind}: two signatures": tampered(twice),
        f"{kind}: no public key in the transaction": tampered(no_public_key),
    }


_WRONG: Final[dict[str, Any]] = {
    f"{kind}: wrong {what}": how
    for kind in ("short", "long")
    for what, how in (
        ("chain id", {"chain_id": "dydx-mainnet-1"}),
        ("account number", {"account_number": 7_777}),
    )
}

SIGNATURES: Final = Script(
    sign=_WRONG,
    funds={"T": 10_000, "another": 10_000},
    cast={"no public key, account without one": "N", "short-term from a fresh account": "F"},
    craft=_signature_steps("short")
    | _signature_steps("long")
    | {
        "no public key, account without one": tampered(no_public_key),
        "account that does not exist, short": unfunded,
        "account that does not exist, long": unfunded,
        "account that does not exist, send": unfunded,
        "garbage bytes": sent_bytes(bytes(range(200))),
        "a truncated transaction": truncated,
        "more than a megabyte": sent_bytes(b"\x0a" * 1_048_577),
        "no messages": bodyless(),
        "unknown message type": bodyless(PackedAny(type_url="/dydxprotocol.clob.MsgNothing")),
    },
    elsewhere=frozenset({"no bytes"}),
)


def duplicate_log(step: str) -> Callable[[Play], str]:
    return lambda play: play.results[f"{step}, same bytes"].log


DUPLICATES: Final = Script(
    craft={
        "short-term, same bytes": again("short-term"),
        "rejected short-term, same bytes": again("rejected short-term"),
        "rejected by signature, same bytes": again("rejected by signature"),
        "long-term, same bytes": again("long-term"),
        "long-term, same bytes after its block": again("long-term"),
        "not even a transaction": sent_bytes(b"\x0fnot even a transaction"),
        "garbage": sent_bytes(b"\x02\x01"),
        "same garbage": again("garbage"),
    },
    sign={"rejected by signature": {"chain_id": "dydx-mainnet-1"}},
    look={
        f"{step}: log of the duplicate": duplicate_log(step)
        for step in ("short-term", "rejected short-term", "rejected by signature", "long-term")
    },
)


# -- sequences ------------------------------------------------------------------------------


def committed_sequence(play: Play) -> int:
    account = play.lab.exchange.account(play.trader("T").address)
    assert account is not None
    return account.sequence


def a_send(play: Play, one: Trader, row: Row) -> bytes:
    coins = [Coin(denom="adv4tnt", amount="1")]
    send = MsgSend(from_address=one.address, to_address=one.address, amount=coins)
    return one.sign(send, fee=gas(), sequence=3)


def off_tick(message: Any) -> None:
    message.order.subticks += 1


def off_step(message: Any) -> None:
    message.order.quantums += 1


SEQUENCES: Final = Script(
    sign={
        "short-term with sequence 7": {"sequence": 7},
        "short-term with sequence 12345": {"sequence": 12_345},
        "short-term with sequence 1099511627781": {"sequence": 1_099_511_627_781},
        "short-term with sequence 9223372036854775808": {"sequence": 9_223_372_036_854_775_808},
        "ahead": {"sequence": 3},
        "sequence 0": {"sequence": 0},
        "sequence 0 again": {"sequence": 0},
        "sequence 1 in the same block": {"sequence": 1},
        "a refused order": {"sequence": 2},
        "does not consume sequence 2": {"sequence": 2},
        "lower": {"sequence": 1},
        "highest ordinary sequence": {"sequence": 2**40 - 1},
    },
    change={"a refused order": off_tick},
    craft={"send with sequence 3": a_send},
    look={
        "committed sequence at first": committed_sequence,
        "committed sequence before the block": committed_sequence,
        "committed sequence after it": committed_sequence,
        "committed sequence at last": committed_sequence,
    },
)


# -- stateless ------------------------------------------------------------------------------


def twap_order(
    play: Play, one: Trader, *, duration: int = 300, interval: int = 30, tolerance: int = 10_000
) -> MsgPlaceOrder:
    """Twelve lots by time, with a limit far under the oracle."""
    order = Order(
        order_id=one.order_id(play.next_id(one), play.market.id, 128),
        side=Order.SIDE_BUY,
        quantums=12 * play.lot,
        subticks=play.subticks(Decimal(-50)),
        good_til_block_time=play.until_time(600),
        twap_parameters=TwapParameters(
            duration=duration, interval=interval, price_tolerance=tolerance
        ),
    )
    return MsgPlaceOrder(order=order)


def a_twap(**terms: int) -> Callable[[Play, Trader, Row], list[Any]]:
    return lambda play, one, row: [twap_order(play, one, **terms)]


def with_builder(address: str | None, fee: int) -> Callable[[Play, Trader, Row], list[Any]]:
    def craft(play: Play, one: Trader, row: Row) -> list[Any]:
        message = one.order(1, 14, "3.6", gtb=play.lab.gtb, client_id=play.next_id(one))
        message.order.builder_code_parameters.CopyFrom(
            BuilderCodeParameters(builder_address=address or one.address, fee_ppm=fee)
        )
        return [message]

    return craft


def with_router(play: Play, one: Trader, row: Row) -> list[Any]:
    message = one.order(1, 14, "3.6", gtb=play.lab.gtb, client_id=play.next_id(one))
    message.order.order_router_address = "abc"
    return [message]


STATELESS: Final = Script(
    funds={"T": 10_000, "T/128001": 0},
    cast={"subaccount 128001": "T/128001"},
    craft={
        "TWAP interval 10 s": a_twap(interval=10),
        "TWAP duration 60 s": a_twap(duration=60),
        "TWAP duration no multiple": a_twap(duration=310),
        "TWAP tolerance 100 %": a_twap(tolerance=1_000_000),
        "builder address malformed": with_builder("abc", 100),
        "builder fee 0": with_builder(None, 0),
        "builder fee 2 %": with_builder(None, 20_000),
        "router address malformed": with_router,
    },
)


def batch(*pairs: tuple[int, list[int]]) -> Callable[[Play, Trader, Row], list[Any]]:
    def craft(play: Play, one: Trader, row: Row) -> list[Any]:
        batches = [OrderBatch(clob_pair_id=pair, client_ids=ids) for pair, ids in pairs]
        return [one.batch(play.lab.gtb, *batches)]

    return craft


def cancel_of(flags: int) -> Callable[[Play, Trader, Row], list[Any]]:
    """A cancel without an expiry; with one where the flags are unknown."""

    def craft(play: Play, one: Trader, row: Row) -> list[Any]:
        cancel = MsgCancelOrder(order_id=one.order_id(play.next_id(one), play.market.id, flags))
        if flags == 7:
            cancel.good_til_block_time = play.until_time(600)
        return [cancel]

    return craft


STATELESS_CANCELS: Final = Script(
    craft={
        "cancel gtb 0": cancel_of(0),
        "cancel long gtbt 0": cancel_of(64),
        "cancel conditional gtbt 0": cancel_of(32),
        "cancel flags 7": cancel_of(7),
        "batch, an id twice": batch((LINK, [1, 1])),
        "batch of an unknown pair": batch((99_999, [1])),
    }
)


# -- market rules ---------------------------------------------------------------------------


def unknown_pair(message: Any) -> None:
    order_id = message.order.order_id if hasattr(message, "order") else message.order_id
    order_id.clob_pair_id = 99_999


def one_quantum(message: Any) -> None:
    message.order.quantums = 1


def trigger_off_tick(message: Any) -> None:
    message.order.conditional_order_trigger_subticks += 1


def client_id(number: int) -> Callable[[Any], None]:
    def alter(message: Any) -> None:
        message.order.order_id.client_id = number

    return alter


def unknown_cancel(play: Play, one: Trader, row: Row) -> list[Any]:
    order_id = one.order_id(play.next_id(one), 99_999, 64)
    return [MsgCancelOrder(order_id=order_id, good_til_block_time=play.until_time(900))]


MARKET_RULES: Final = Script(
    funds=dict.fromkeys(("T", "A", "B", "C", "D"), 10_000),
    # Refused placements count too, so that one owner could not try them all in a block.
    cast={
        "gtbt past": "A",
        "gtbt 96 days": "A",
        "gtbt 95 days and a bit": "B",
        "gtbt of the last block": "B",
        "long, half a tick": "C",
        "conditional, half a step": "C",
        "trigger half a tick": "D",
        "gtbt just under 95 days": "D",
    },
    change={
        "unknown pair": unknown_pair,
        "unknown pair, gtb too far": unknown_pair,
        "unknown pair, long": unknown_pair,
        "unknown pair, conditional": unknown_pair,
        "cancel in an unknown pair": unknown_pair,
        "half a tick": off_tick,
        "half a step": off_step,
        "less than a step": one_quantum,
        "gtb too far before tick": off_tick,
        "gtb past before step": off_step,
        "long, half a tick": off_tick,
        "conditional, half a step": off_step,
        "trigger half a tick": trigger_off_tick,
        "client id 0 and the largest": client_id(0),
        "client id 2^32-1": client_id(2**32 - 1),
    },
    craft={"cancel long in an unknown pair": unknown_cancel},
)

WINDOW: Final = Script()


# -- internal flags -------------------------------------------------------------------------


def market_twap(play: Play, one: Trader, row: Row) -> list[Any]:
    message = twap_order(play, one)
    message.order.subticks = 0
    return [message]


def tiny_twap(play: Play, one: Trader, row: Row) -> list[Any]:
    """Nine steps in ten parts."""
    message = twap_order(play, one)
    message.order.quantums = 9 * play.market.scale.step_base_quantums
    return [message]


def cancel_last_twap(play: Play, one: Trader, row: Row) -> list[Any]:
    order_id = one.order_id(play.next_id(one) - 1, play.market.id, 128)
    return [MsgCancelOrder(order_id=order_id, good_til_block_time=play.until_time(900))]


INTERNAL_FLAGS: Final = Script(
    craft={
        "TWAP": a_twap(),
        "TWAP with subticks 0": market_twap,
        "TWAP of less than a step each": tiny_twap,
        "TWAP: cancel": cancel_last_twap,
        "TWAP with subticks 0: cancel": cancel_last_twap,
    },
    same_as={"cancel of flags 256": "flags 256"},
    look={"flags 256 in the state": state_of("flags 256")},
)

SCRIPTS: Final[dict[str, Script]] = {
    "signatures": SIGNATURES,
    "duplicates": DUPLICATES,
    "sequences": SEQUENCES,
    "stateless": STATELESS,
    "stateless_cancels": STATELESS_CANCELS,
    "market_rules": MARKET_RULES,
    "window": WINDOW,
    "internal_flags": INTERNAL_FLAGS,
}
