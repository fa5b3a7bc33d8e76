"""Behaviours of a node that clients rely on, by their number: 3 windows and heights, 4 signatures,
6 timestamp nonces, 7 authenticators, 8 the same bytes again.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import coincurve
import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.node.builder import Builder, as_any
from dydx_v4_client.wallet import Wallet
from hypothesis import given
from hypothesis import strategies as st
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from v4_proto.cosmos.tx.signing.v1beta1.signing_pb2 import SIGN_MODE_DIRECT
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import (
    AuthInfo,
    ModeInfo,
    SignDoc,
    SignerInfo,
    TxBody,
    TxRaw,
)
from v4_proto.dydxprotocol.accountplus.query_pb2 import (
    GetAuthenticatorsRequest,
    GetAuthenticatorsResponse,
)
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator, MsgRemoveAuthenticator
from v4_proto.dydxprotocol.clob.query_pb2 import QueryLeverageRequest, QueryLeverageResponse

from core.clock import SystemClock
from core.paper.chain import Chain
from core.paper.exchange import Exchange
from core.paper.gojson import Part, Unreadable, read_parts
from core.paper.governance import DATA_FILE, GovernanceUnusable, load_governance
from core.paper.happenings import OrderOpened, OrderRemoved
from core.paper.journal import Journal
from core.paper.node import Gossip, Node
from core.paper.prices import PriceSettings
from core.paper.queries import Queries
from core.paper.state import Included
from tests.core.paper.chain_kit import (
    BUY,
    CHAIN_ID,
    GOVERNANCE,
    GTT,
    IOC,
    LINK,
    NO_LADDER,
    NOON,
    SELL,
    Lab,
    Trader,
    gas,
    lab,
    leverage,
    trader,
)

KEY = KeyPair(coincurve.PrivateKey(bytes(31) + b"\x77"))
PUBLIC = coincurve.PrivateKey(bytes(31) + b"\x77").public_key.format()
OTHER = KeyPair(coincurve.PrivateKey(bytes(31) + b"\x78"))
PLACE = b"/dydxprotocol.clob.MsgPlaceOrder"
CANCEL = b"/dydxprotocol.clob.MsgCancelOrder"


# -- 3: the window and the clock ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "ahead", "code"),
    [
        (40, 0, 10),
        (40, 1, 0),
        (40, 41, 0),
        (40, 42, 11),
        (20, 0, 10),
        (20, 21, 0),
        (20, 22, 11),
    ],
)
def test_3_a_short_term_order_lives_within_a_window_that_governance_sets(
    window: int, ahead: int, code: int
) -> None:
    governance = replace(GOVERNANCE, short_block_window=window)
    exchange = Exchange(governance, book=NO_LADDER, prices=PriceSettings(mode="still"))
    exchange.genesis(NOON)
    made = Lab(exchange)
    one = made.funded(1)

    placed = made.place(one, BUY, 1, "7", gtb=made.exchange.height + ahead, tif=GTT)
    cancelled = made.send(one, one.cancel(9, made.exchange.height + ahead))

    assert [(row.code, row.codespace) for row in (placed, cancelled)] == [
        (code, "clob" if code else "")
    ] * 2


class _CountingClock(SystemClock):
    """Sleeps in no time, so many times, and remembers how long it should have been."""

    def __init__(self, sleeps: int) -> None:
        self.slept: list[float] = []
        self._left = sleeps
        self._now = 0.0

    def now(self) -> dt.datetime:
        return NOON + dt.timedelta(seconds=self._now)

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if len(self.slept) == self._left:
            await asyncio.Event().wait()
        self.slept.append(seconds)
        self._now += seconds
        await asyncio.sleep(0)


async def test_3_heights_advance_on_a_clock_with_jitter_the_same_for_a_seed() -> None:
    async def intervals(seed: int) -> list[float]:
        made, clock = lab(), _CountingClock(30)
        journal = Journal(None, CHAIN_ID)
        await journal.open()
        chain = Chain(made.exchange, journal, clock, block_s=0.85, jitter=3 / 17, seed=seed)
        task = asyncio.create_task(chain.run())
        async with asyncio.timeout(10):
            while made.exchange.height < 31:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await journal.close()
        return clock.slept

    slept = await intervals(1)

    assert all(0.69 < seconds < 1.01 for seconds in slept)
    assert max(slept) - min(slept) > 0.1
    assert slept == await intervals(1)
    assert slept != await intervals(2)


def test_3_a_block_is_dated_when_the_one_before_was_finished() -> None:
    made = lab()
    finished = []
    for _ in range(4):
        made.block()
        finished.append(made.now)
        if len(finished) > 1:
            assert made.exchange.time == finished[-2]
    assert made.exchange.time_of(3) == finished[0]


def test_governance_is_one_file_and_another_can_be_given(tmp_path: Path) -> None:
    raw = json.loads(DATA_FILE.read_text())
    raw["short_block_window"] = 20
    raw["markets"] = raw["markets"][:2]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(raw))

    mine = load_governance(file)

    assert (mine.short_block_window, len(mine.markets)) == (20, 2)
    for text in ("", "[]", "{}", json.dumps(raw | {"answers": {}})):
        file.write_text(text)
        with pytest.raises(GovernanceUnusable, match="could not be used"):
            load_governance(file)


# -- 4: signatures --------------------------------------------------------------------------------


def _signed_by(key: KeyPair) -> dict[str, Any]:
    return {"signer": key}


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        ({}, ("", 0)),
        ({"sequence": 99}, ("", 0)),
        ({"chain_id": "dydx-mainnet-1"}, ("sdk", 4)),
        ({"account_number": 77}, ("sdk", 4)),
        (_signed_by(OTHER), ("sdk", 8)),
    ],
)
def test_4_a_signature_is_over_the_chain_and_the_account_number(
    how: dict[str, Any], answer: tuple[str, int]
) -> None:
    made = lab()
    one = made.funded(1)
    how = dict(how)
    key = how.pop("signer", None)
    signer = one if key is None else Trader(Wallet(key, one.wallet.account_number, 0))

    raw = signer.sign(one.order(BUY, 1, "7", gtb=made.gtb, tif=GTT), **how)
    result = made.exchange.check_tx(raw)

    assert (result.codespace, result.code) == answer


@pytest.mark.parametrize("place", [0, 31, 32, 63])
def test_4_one_changed_bit_of_a_signature_is_refused(place: int) -> None:
    made = lab()
    one = made.funded(1)
    raw = bytearray(one.sign(one.order(BUY, 1, "7", gtb=made.gtb, tif=GTT)))
    raw[len(raw) - 64 + place] ^= 1

    result = made.exchange.check_tx(bytes(raw))

    assert (result.codespace, result.code) == ("sdk", 4)
    assert "please verify account number" in result.log


def _together(
    messages: list[Any], signers: list[Trader], *, payer: str = "", clob: bool = False
) -> bytes:
    """A transaction that several sign, each with the next sequence of a fresh account."""
    fee = gas()
    if clob:
        fee = Builder(CHAIN_ID, "adv4tnt").fee(1_000_000)
    fee.payer = payer
    body = TxBody(messages=[as_any(message) for message in messages]).SerializeToString()
    auth = AuthInfo(fee=fee)
    for one in signers:
        key = PubKey(key=coincurve.PrivateKey(one.wallet.key.key.secret).public_key.format())
        mode = ModeInfo(single=ModeInfo.Single(mode=SIGN_MODE_DIRECT))
        auth.signer_infos.append(SignerInfo(public_key=as_any(key), mode_info=mode))
    raw = TxRaw(body_bytes=body, auth_info_bytes=auth.SerializeToString())
    for one in signers:
        document = SignDoc(
            body_bytes=raw.body_bytes,
            auth_info_bytes=raw.auth_info_bytes,
            account_number=one.wallet.account_number,
            chain_id=CHAIN_ID,
        )
        raw.signatures.append(one.wallet.key.sign(document.SerializeToString()))
    return bytes(raw.SerializeToString())


def _send(one: Trader, other: Trader) -> MsgSend:
    coins = [Coin(denom="adv4tnt", amount="1")]
    return MsgSend(from_address=one.address, to_address=other.address, amount=coins)


def test_4_everybody_whose_message_it_is_signs_in_the_order_of_the_messages() -> None:
    made = lab()
    one, other = made.funded(1), made.funded(2)
    both = [_send(one, other), _send(other, one)]

    assert made.exchange.check_tx(_together(both, [one])).code == 4
    turned = made.exchange.check_tx(_together(both, [other, one]))
    assert (turned.codespace, turned.code) == ("sdk", 8)
    assert made.exchange.check_tx(_together(both, [one, other])).code == 0
    made.block()
    for each in (one, other):
        account = made.exchange.account(each.address)
        assert account is not None
        assert account.sequence == 1


def test_4_whoever_pays_for_another_signs_too_and_pays() -> None:
    made = lab()
    one, payer = made.funded(1), made.funded(2)
    message = [_send(one, payer)]
    before = made.exchange.balance(payer.address, "adv4tnt")

    alone = made.exchange.check_tx(_together(message, [one], payer=payer.address))
    assert (alone.codespace, alone.code) == ("sdk", 4)
    both = made.exchange.check_tx(_together(message, [one, payer], payer=payer.address))
    assert both.code == 0
    made.block()

    paid = before - made.exchange.balance(payer.address, "adv4tnt")
    assert paid == int(gas().amount[0].amount) - 1


# -- 6: timestamp nonces --------------------------------------------------------------------------


def _last_ms(made: Lab) -> int:
    return int(made.exchange.time.timestamp() * 1000)


@pytest.mark.parametrize(
    ("offset_ms", "code"),
    [(0, 0), (30_000, 0), (-30_000, 0), (30_001, 32), (-30_001, 32), (3_600_000, 32)],
)
def test_6_a_nonce_lies_within_thirty_seconds_of_the_last_block(offset_ms: int, code: int) -> None:
    made = lab()
    one = made.funded(1)
    result = made.send(one, leverage(one), sequence=_last_ms(made) + offset_ms)
    assert result.code == code
    account = made.exchange.account(one.address)
    assert account is not None
    assert account.sequence == 0


def test_6_a_nonce_is_used_once_and_the_largest_twenty_are_kept() -> None:
    made = lab()
    one = made.funded(1)
    base = _last_ms(made)

    def use(offset: int) -> int:
        return made.send(one, leverage(one), sequence=base + offset).code

    assert [use(offset) for offset in range(100, 120)] == [0] * 20
    made.block()
    assert use(105) == 32  # used
    assert use(99) == 32  # below the smallest kept
    assert use(200) == 0  # pushes out the smallest
    made.block()
    assert use(100) == 32  # the one pushed out
    assert use(104) == 32  # kept
    account = made.exchange.account(one.address)
    assert account is not None
    assert (len(account.nonces), account.ejected) == (20, base + 100)


def test_6_a_refused_transaction_uses_up_no_nonce() -> None:
    made = lab()
    one = made.funded(1)
    nonce = _last_ms(made)
    refused = made.send(one, leverage(one, ppm=0), sequence=nonce)
    assert (refused.codespace, refused.code) == ("clob", 11002)
    assert made.send(one, leverage(one), sequence=nonce).code == 0


def test_6_while_the_chain_stands_only_the_ordinary_sequence_is_taken() -> None:
    made = lab()
    one = made.funded(1)
    wall_clock = _last_ms(made) + 45_000
    assert made.send(one, leverage(one), sequence=wall_clock).code == 32
    assert made.send(one, leverage(one), sequence=0).code == 0


# -- 7: authenticators ----------------------------------------------------------------------------


def _part(kind: str, config: bytes) -> dict[str, Any]:
    return {"type": kind, "config": base64.b64encode(config).decode()}


def _tree(*parts: Any) -> bytes:
    return json.dumps(parts).encode()


SIGNATURE = _part("SignatureVerification", PUBLIC)
PLACING = _part("MessageFilter", PLACE)
CANCELLING = _part("MessageFilter", CANCEL)


def _add(made: Lab, one: Trader, kind: str, data: bytes) -> Any:
    """What became of a tree: the answer of CheckTx where it is refused, else that of the block."""
    message = MsgAddAuthenticator(sender=one.address, authenticator_type=kind, data=data)
    account = made.exchange.account(one.address)
    assert account is not None
    result = made.send(one, message, sequence=account.sequence, fee=gas())
    if result.code:
        return result
    made.block()
    return _included(made, result.tx_hash)


def _included(made: Lab, tx_hash: str) -> Included:
    found = made.exchange.transaction(tx_hash)
    assert found is not None
    return found


def _by_key(made: Lab, one: Trader, message: Any, number: int, key: KeyPair = KEY) -> Any:
    signer = Trader(Wallet(key, one.wallet.account_number, 0))
    return made.exchange.check_tx(signer.sign(message, authenticators=[number]))


@pytest.mark.parametrize(
    ("kind", "data", "answer"),
    [
        ("SignatureVerification", PUBLIC, ("", 0)),
        ("SignatureVerification", b"\x02" + b"\xff" * 32, ("", 0)),
        ("SignatureVerification", PUBLIC[:32], ("undefined", 1)),
        ("Nonsense", b"", ("undefined", 1)),
        ("PartitionedAllOf", _tree(SIGNATURE, PLACING), ("undefined", 1)),
        ("MessageFilter", PLACE, ("undefined", 1)),
        ("AllOf", _tree(SIGNATURE, PLACING), ("", 0)),
        ("AllOf", _tree(PLACING, CANCELLING), ("undefined", 1)),
        ("AnyOf", _tree(SIGNATURE, PLACING), ("undefined", 1)),
        ("AnyOf", _tree(SIGNATURE, SIGNATURE), ("", 0)),
        ("AllOf", _tree(_part("AnyOf", _tree(SIGNATURE, PLACING)), CANCELLING), ("undefined", 1)),
        ("AllOf", _tree(_part("AnyOf", _tree(PLACING, CANCELLING)), SIGNATURE), ("", 0)),
        ("AllOf", b"", ("undefined", 1)),
        ("AllOf", b"{}", ("undefined", 1)),
        ("AllOf", b"null", ("sdk", 18)),
        ("AllOf", _tree(SIGNATURE), ("sdk", 18)),
        ("AllOf", _tree(SIGNATURE, _part("AnyOf", _tree(PLACING))), ("sdk", 18)),
        ("AllOf", _tree(SIGNATURE, _part("Nonsense", b"")), ("sdk", 18)),
        ("AllOf", _tree(SIGNATURE, _part("SubaccountFilter", b"a,b")), ("", 0)),
        ("AllOf", _tree(SIGNATURE, _part("ClobPairIdFilter", b"")), ("", 0)),
        ("AllOf", _tree(SIGNATURE, {"type": "MessageFilter", "config": [256]}), ("undefined", 1)),
        ("AllOf", _tree(SIGNATURE, PLACING).ljust(1_024), ("", 0)),
        ("AllOf", _tree(SIGNATURE, PLACING).ljust(1_025), ("dydxaccountplus", 3)),
    ],
)
def test_7_a_tree_is_judged_in_the_block_by_its_types_and_its_signatures(
    kind: str, data: bytes, answer: tuple[str, int]
) -> None:
    made = lab()
    one = made.funded(1)

    result = _add(made, one, kind, data)

    assert (result.codespace, result.code) == answer
    assert isinstance(result, Included) or answer[0] == "dydxaccountplus"
    held = made.exchange.authenticators(one.address)
    assert [number for number, _ in held] == ([0] if answer == ("", 0) else [])


ABSENT = "failed to get initialized authenticator"


@pytest.mark.parametrize(
    ("kind", "data", "codes", "text"),
    [
        ("SignatureVerification", PUBLIC, (0, 0), ""),
        ("SignatureVerification", b"\x02" + b"\xff" * 32, (100, 100), "type SignatureVerification"),
        ("AllOf", _tree(SIGNATURE, PLACING), (0, 104), "Got /dydxprotocol.clob.MsgCancelOrder"),
        ("AllOf", _tree(PLACING, SIGNATURE), (0, 104), "Message type verification failed: AllOf"),
        ("AnyOf", _tree(SIGNATURE, SIGNATURE), (0, 0), ""),
        (
            "AnyOf",
            _tree(
                _part("AllOf", _tree(SIGNATURE, PLACING)),
                _part("SignatureVerification", PUBLIC[:1] + bytes(32)),
            ),
            (0, 105),
            "[AllOf (id = 0.0)] message types do not match",
        ),
        (
            "AllOf",
            _tree(SIGNATURE, _part("SubaccountFilter", b"1,2")),
            (104, 104),
            "subaccount number 0 not in whitelist map[1:{} 2:{}]: Subaccount",
        ),
        (
            "AllOf",
            _tree(SIGNATURE, _part("ClobPairIdFilter", b"10,0")),
            (104, 104),
            "order id 2 not in whitelist map[0:{} 10:{}]: Clob pair id",
        ),
        ("AllOf", _tree(SIGNATURE, _part("ClobPairIdFilter", b"002")), (0, 0), ""),
        (
            "AllOf",
            _tree(SIGNATURE, _part("ClobPairIdFilter", b"2,")),
            (1, 1),
            'strconv.ParseUint: parsing "": invalid syntax',
        ),
        (
            "AllOf",
            _tree(SIGNATURE, _part("SubaccountFilter", b"4294967296")),
            (1, 1),
            "value out of range",
        ),
        ("AllOf", _tree(SIGNATURE, {"type": "MessageFilter"}), (104, 104), "Expected map[:{}]"),
        (
            "AllOf",
            _tree(SIGNATURE, {"TYPE": "MessageFilter", "Config": list(PLACE), "more": 1}),
            (0, 104),
            "Expected map[/dydxprotocol.clob.MsgPlaceOrder:{}]",
        ),
    ],
)
def test_7_a_tree_lets_through_what_it_says(
    kind: str, data: bytes, codes: tuple[int, int], text: str
) -> None:
    made = lab()
    one = made.funded(1)
    assert _add(made, one, kind, data).code == 0

    place = _by_key(made, one, one.order(BUY, 1, "7", gtb=made.gtb, tif=GTT), 0)
    cancel = _by_key(made, one, one.cancel(9, made.gtb), 0)

    assert (place.code, cancel.code) == codes
    assert text in cancel.log
    for result in (place, cancel):
        spaces = {0: "", 1: "undefined"}
        assert result.codespace == spaces.get(result.code, "dydxaccountplus")


def test_7_a_stranger_cannot_use_another_owners_authenticator() -> None:
    made = lab()
    one, other = made.funded(1), made.funded(2)
    _add(made, one, "SignatureVerification", PUBLIC)
    order = other.order(BUY, 1, "7", gtb=made.gtb, tif=GTT)

    for number in (0, 7):
        result = _by_key(made, other, order, number)
        assert (result.codespace, result.code) == ("dydxaccountplus", 1)
        assert f"authenticator {number} not found for account {other.address}" in result.log


def test_7_ids_count_over_the_whole_chain_and_are_listed_as_text() -> None:
    made = lab()
    one, other = made.funded(1), made.funded(2)
    for number in range(12):
        _add(made, other if number == 1 else one, "SignatureVerification", PUBLIC)

    asked = GetAuthenticatorsRequest(account=one.address).SerializeToString()
    method = "/dydxprotocol.accountplus.Query/GetAuthenticators"
    raw = Queries(made.exchange, "test").answer(method, asked)
    listed = GetAuthenticatorsResponse.FromString(raw).account_authenticators

    assert [row.id for row in listed] == [0, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    assert {(row.type, row.config) for row in listed} == {("SignatureVerification", PUBLIC)}


def test_7_a_removed_key_opens_nothing_even_in_the_same_block_and_its_makers_fall_out() -> None:
    made = lab()
    one, seller = made.funded(1), made.funded(2)
    _add(made, one, "SignatureVerification", PUBLIC)
    bid = one.order(BUY, 1, "7", gtb=made.exchange.height + 30, tif=GTT, client_id=5)
    assert _by_key(made, one, bid, 0).code == 0
    opened = [row for row in made.told if isinstance(row, OrderOpened)]
    assert opened[-1].order.authenticators == (0,)

    removal = MsgRemoveAuthenticator(sender=one.address, id=0)
    now = _last_ms(made)
    gone = made.send(one, removal, sequence=now, fee=gas())
    signer = Trader(Wallet(KEY, one.wallet.account_number, 0))
    late = made.exchange.check_tx(signer.sign(leverage(one), sequence=now + 1, authenticators=[0]))
    assert (gone.code, late.code) == (0, 0)
    made.block()

    assert _included(made, gone.tx_hash).code == 0
    refused = _included(made, late.tx_hash)
    assert (refused.codespace, refused.code) == ("dydxaccountplus", 1)
    assert made.place(seller, SELL, 1, "7", tif=IOC).code == 0
    made.block()
    assert made.position(one) == made.position(seller) == 0
    expired = [row for row in made.told if isinstance(row, OrderRemoved) and row.key.client_id == 5]
    assert [row.reason for row in expired] == ["PERMISSIONED_KEY_EXPIRED"]


def test_7_authenticators_and_leverage_outlive_a_restart() -> None:
    made = lab()
    one = made.funded(1)
    _add(made, one, "SignatureVerification", PUBLIC)
    assert made.send(one, leverage(one), sequence=_last_ms(made)).code == 0
    made.block()
    tables = {name: dict(table.committed) for name, table in made.exchange.state.tables()}

    again = made.exchange.copy_at(tables)

    assert again.authenticators(one.address) == made.exchange.authenticators(one.address)
    asked = QueryLeverageRequest(owner=one.address, number=0).SerializeToString()
    raw = Queries(again, "test").answer("/dydxprotocol.clob.Query/Leverage", asked)
    (row,) = QueryLeverageResponse.FromString(raw).clob_pair_leverage
    assert (row.clob_pair_id, row.custom_imf_ppm) == (LINK, 500_000)


def test_a_chosen_margin_is_asked_for_from_the_next_block_on() -> None:
    made = lab()
    one, seller = made.funded(1, usdc=100), made.funded(2)
    assert made.send(one, leverage(one, ppm=1_000_000), sequence=_last_ms(made)).code == 0
    made.block()
    price = str(
        GOVERNANCE.markets[LINK].price_usd(made.exchange.oracle_price(GOVERNANCE.markets[LINK]))
    )
    size = int(Decimal(200) / Decimal(price))
    assert made.place(seller, SELL, size, price, tif=GTT).code == 0
    assert made.place(one, BUY, size, price, tif=IOC).code == 0
    made.block()
    assert made.position(one) == 0  # twice the collateral, at a margin of all of it

    assert made.send(one, leverage(one, ppm=100_000), sequence=_last_ms(made)).code == 0
    made.block()
    assert made.place(one, BUY, size, price, tif=IOC, client_id=2).code == 0
    made.block()
    assert made.position(one) == size
    stricter = made.send(one, leverage(one, ppm=1_000_000), sequence=_last_ms(made))
    assert (stricter.codespace, stricter.code) == ("subaccounts", 703)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_7_no_configuration_crashes_a_node(data: bytes) -> None:
    with suppress(Unreadable):
        assert all(isinstance(part, Part) for part in read_parts(data))


# -- 8: the same bytes again ----------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 48])
def test_8_the_same_bytes_again_are_refused_without_a_word(first: int) -> None:
    made = lab()
    one = made.funded(1)
    node = Node(made.exchange, Gossip(), SystemClock(), "one")
    raw = one.sign(one.order(BUY, 1, "7", gtb=made.gtb, tif=3 if first else GTT))

    assert node.submit(raw).code == first
    for _ in range(2):
        again = node.submit(raw)
        assert (again.codespace, again.code, again.log) == ("sdk", 19, "")
        made.block()


def test_8_nodes_tell_each_other_what_they_took_and_not_what_they_refused() -> None:
    made = lab()
    one = made.funded(1)
    gossip = Gossip()
    first, second = (Node(made.exchange, gossip, SystemClock(), name) for name in ("one", "two"))
    good = one.sign(one.order(BUY, 1, "7", gtb=made.gtb, tif=GTT))
    bad = one.sign(one.order(BUY, 1, "7", gtb=made.gtb, tif=3))

    assert (first.submit(good).code, second.submit(good).code) == (0, 19)
    assert (first.submit(bad).code, second.submit(bad).code) == (48, 48)
    assert trader(1).address == one.address


def test_8_bytes_that_two_nodes_refuse_count_once_for_the_rate_of_their_owner() -> None:
    made = lab()
    one = made.funded(1)
    gossip = Gossip()
    nodes = [Node(made.exchange, gossip, SystemClock(), name) for name in ("one", "two")]
    long_ago, soon = int(NOON.timestamp()) - 1, int(NOON.timestamp()) + 600

    def signed(client_id: int, until: int) -> bytes:
        order = one.order(
            BUY, 1, "6", client_id=client_id, tif=GTT, flags=64, good_til_block_time=until
        )
        return one.sign(order, sequence=client_id)

    bad = signed(0, long_ago)
    assert [node.submit(bad).code for node in nodes] == [3003, 3003]
    assert [nodes[0].submit(signed(number, soon)).code for number in (0, 1)] == [0, 5001]
