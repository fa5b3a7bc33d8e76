"""What a trading key can and cannot do, by the trees that real accounts hold and by odd ones."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from dydx_v4_client.node.authenticators import Authenticator as Theirs
from dydx_v4_client.node.authenticators import AuthenticatorType, validate_authenticator
from hypothesis import given
from hypothesis import strategies as st

from core.clock import SystemRandom
from core.dydx.authenticator_tree import (
    ALL_OF,
    ANY_OF,
    CLOB_PAIRS,
    MESSAGES,
    SIGNATURE,
    SUBACCOUNTS,
    TreeFault,
    read_tree,
    write_tree,
)
from core.dydx.authenticators import (
    BATCH_CANCEL,
    CANCEL,
    MAX_DATA,
    PLACE,
    TRADING_MESSAGES,
    Authenticator,
    Fit,
    KeyTrouble,
    Unfit,
    fitting_pairs,
    judge,
    key_trouble,
    own_tree,
)
from core.dydx.keys import SigningKey
from tests.core.dydx.dydx_kit import recording

KEY = SigningKey.from_secret(b"\x11" * 32)
OTHER = SigningKey.from_secret(b"\x22" * 32)
OWNER = SigningKey.from_secret(b"\x33" * 32)
PUB = KEY.public_key
THREE = ",".join(TRADING_MESSAGES).encode()
Part = tuple[str, bytes]

sig: Part = (SIGNATURE, PUB)
three: Part = (MESSAGES, THREE)
sub0: Part = (SUBACCOUNTS, b"0")


def any_of(*names: str) -> Part:
    return ANY_OF, write_tree(ANY_OF, *((MESSAGES, name.encode()) for name in names))


def all_of(*parts: Part) -> Authenticator:
    return Authenticator(0, ALL_OF, write_tree(ALL_OF, *parts))


def web_tree(public_key: bytes) -> bytes:
    """As dYdX's web writes it: nested base64 of JSON with spaces left out."""
    return write_tree(ALL_OF, (SIGNATURE, public_key), any_of(*TRADING_MESSAGES), sub0)


def package_tree(public_key: bytes) -> bytes:
    """As dYdX's Python client composes it: lists of numbers all the way down."""
    parts = [
        Theirs.signature_verification(public_key),
        Theirs.compose(
            AuthenticatorType.AnyOf, [Theirs.message_filter(name) for name in TRADING_MESSAGES]
        ),
        Theirs.subaccount_filter([0]),
    ]
    composed = Theirs.compose(AuthenticatorType.AllOf, parts)
    assert validate_authenticator(composed)
    config: bytes = composed.config
    return config


@pytest.mark.parametrize("config", [web_tree(PUB), package_tree(PUB)], ids=["web", "package"])
def test_the_key_of_dydxs_web_is_fit_in_either_encoding(config: bytes) -> None:
    verdict = judge([Authenticator(0, ALL_OF, config)], PUB, OWNER.address)
    assert verdict == Fit(0, (0,), None, TRADING_MESSAGES)


def test_our_own_tree_is_fit_with_its_markets_and_small_enough() -> None:
    data = own_tree(PUB, [3], [7, 0, 12])
    assert len(data) <= MAX_DATA
    verdict = judge([Authenticator(5, ALL_OF, data)], PUB)
    assert verdict == Fit(5, (3,), (0, 7, 12), TRADING_MESSAGES)


NOT_BASE64 = json.dumps([{"type": SIGNATURE, "config": "%%"}] * 2).encode()


def raw(*parts: dict[str, Any]) -> Authenticator:
    return Authenticator(0, ALL_OF, json.dumps(list(parts)).encode())


def b64(config: bytes) -> str:
    return base64.b64encode(config).decode()


SIG, THREE_JSON = (
    {"type": SIGNATURE, "config": b64(PUB)},
    {"type": MESSAGES, "config": b64(THREE)},
)
REFUSED: dict[str, tuple[Authenticator, str]] = {
    "nothing but a signature": (Authenticator(0, SIGNATURE, PUB), "key_can_more"),
    "no message filter": (all_of(sig, sub0), "key_can_more"),
    "only a market filter": (all_of(sig, (CLOB_PAIRS, b"0")), "key_can_more"),
    "a withdrawal among the messages": (
        all_of(sig, (MESSAGES, THREE + b",/dydxprotocol.sending.MsgWithdrawFromSubaccount")),
        "key_can_more",
    ),
    "a transfer in the AnyOf": (
        all_of(sig, any_of(PLACE, CANCEL, BATCH_CANCEL, "/dydxprotocol.sending.MsgCreateTransfer")),
        "key_can_more",
    ),
    "cannot cancel": (all_of(sig, (MESSAGES, PLACE.encode())), "key_can_less"),
    "cannot batch cancel": (all_of(sig, any_of(PLACE, CANCEL)), "key_can_less"),
    "an empty message filter": (all_of(sig, (MESSAGES, b"")), "key_odd"),
    "a bogus message filter": (all_of(sig, (MESSAGES, b"orders please")), "key_odd"),
    "a space in the message filter": (
        all_of(sig, (MESSAGES, THREE.replace(b",", b", "))),
        "key_odd",
    ),
    "a message twice": (all_of(sig, (MESSAGES, THREE + b"," + PLACE.encode())), "key_odd"),
    "two message filters": (all_of(sig, three, three), "key_odd"),
    "two subaccount filters": (all_of(sig, three, sub0, (SUBACCOUNTS, b"1")), "key_odd"),
    "two signatures of this key": (all_of(sig, sig, three), "key_odd"),
    "another signature besides": (all_of(sig, (SIGNATURE, OTHER.public_key), three), "key_odd"),
    "a subaccount filter of letters": (all_of(sig, three, (SUBACCOUNTS, b"a,b")), "key_odd"),
    "an empty subaccount filter": (all_of(sig, three, (SUBACCOUNTS, b"")), "key_odd"),
    "a subaccount that cannot be": (all_of(sig, three, (SUBACCOUNTS, b"128001")), "key_odd"),
    "a subaccount twice": (all_of(sig, three, (SUBACCOUNTS, b"0,0")), "key_odd"),
    "a negative subaccount": (all_of(sig, three, (SUBACCOUNTS, b"-1")), "key_odd"),
    "an empty market filter": (all_of(sig, three, (CLOB_PAIRS, b"")), "key_odd"),
    "a market filter with a space": (all_of(sig, three, (CLOB_PAIRS, b"0, 1")), "key_odd"),
    "an unknown type": (all_of(sig, three, ("SpendLimit", b"1")), "key_odd"),
    "a signature in the AnyOf": (
        all_of(sig, (ANY_OF, write_tree(ANY_OF, three, sig))),
        "key_odd",
    ),
    "AllOf inside AllOf": (all_of(sig, (ALL_OF, write_tree(ALL_OF, three, sub0))), "key_odd"),
    "AnyOf at the top": (
        Authenticator(0, ANY_OF, write_tree(ANY_OF, sig, (ALL_OF, web_tree(PUB)))),
        "key_odd",
    ),
    "the key one level down only": (
        all_of(three, (ANY_OF, write_tree(ANY_OF, sig, sig))),
        "key_odd",
    ),
    "a type that we do not know holds the key": (
        Authenticator(0, "PartitionedAllOf", web_tree(PUB)),
        "key_odd",
    ),
    "field names in capitals": (
        raw({"Type": SIGNATURE, "Config": b64(PUB)}, THREE_JSON),
        "key_odd",
    ),
    "a field too many": (raw({**SIG, "note": "x"}, THREE_JSON), "key_odd"),
    "null where a filter belongs": (
        raw(SIG, THREE_JSON, {"type": SUBACCOUNTS, "config": None}),
        "key_odd",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_key_is_refused_that_can_more_or_less_or_whose_tree_is_odd(name: str) -> None:
    authenticator, code = REFUSED[name]
    verdict = judge([authenticator], PUB, OWNER.address)
    assert isinstance(verdict, Unfit), verdict
    assert verdict.code == code
    assert verdict.reason.endswith(".")


def test_doubled_field_names_are_read_as_the_chain_reads_them() -> None:
    """The last one counts: what looks like a stranger's key first is ours."""
    doubled = (
        b'[{"type":"SignatureVerification","config":"%s","config":"%s"},'
        b'{"type":"MessageFilter","config":"%s"}]'
        % (
            base64.b64encode(OTHER.public_key),
            base64.b64encode(PUB),
            base64.b64encode(THREE),
        )
    )
    verdict = judge([Authenticator(0, ALL_OF, doubled)], PUB)
    assert isinstance(verdict, Unfit)
    assert verdict.code == "key_odd"


def test_a_dangerous_permission_beside_a_fit_one_spoils_the_key() -> None:
    fit = Authenticator(4, ALL_OF, web_tree(PUB))
    dangerous = Authenticator(3, SIGNATURE, PUB)
    strangers = Authenticator(1, SIGNATURE, OTHER.public_key)
    broken = Authenticator(2, ALL_OF, b"not json")
    assert judge([fit, strangers, broken], PUB) == Fit(4, (0,), None)
    for order in ([fit, dangerous], [dangerous, fit]):
        verdict = judge(order, PUB)
        assert isinstance(verdict, Unfit)
        assert verdict.code == "key_can_more"


def test_ids_are_numbers_not_texts_and_the_newest_fit_one_is_taken() -> None:
    rows = [Authenticator(id_, ALL_OF, web_tree(PUB)) for id_ in (100, 99, 0)]
    verdict = judge(rows, PUB)
    assert isinstance(verdict, Fit)
    assert verdict.id == 100
    assert judge(rows[2:], PUB) == Fit(0, (0,), None)


def test_the_owners_own_key_and_a_key_that_is_not_listed_are_told_apart() -> None:
    own = judge(
        [Authenticator(0, ALL_OF, web_tree(OWNER.public_key))], OWNER.public_key, OWNER.address
    )
    assert isinstance(own, Unfit)
    assert own.code == "key_is_owner"
    unknown = judge([Authenticator(0, ALL_OF, web_tree(OTHER.public_key))], PUB, OWNER.address)
    assert isinstance(unknown, Unfit)
    assert unknown.code == "key_not_listed"


def test_a_recorded_authenticator_of_a_real_node_is_read() -> None:
    rows = [
        line["answer"]["account_authenticators"]
        for line in recording("grpc")
        if line["method"].endswith("/GetAuthenticators") and line["status"] == "OK"
    ]
    (found,) = next(row for row in rows if row)
    tree = read_tree(found["type"], base64.b64decode(found["config"]))
    assert [part.type for part in tree.parts] == [SIGNATURE, MESSAGES]
    key = tree.parts[0].config
    verdict = judge(
        [Authenticator(int(found["id"]), found["type"], base64.b64decode(found["config"]))], key
    )
    assert isinstance(verdict, Unfit)
    assert verdict.code == "key_can_less"


@given(st.binary(max_size=400))
def test_no_bytes_are_fit_or_break_the_reader(config: bytes) -> None:
    assert isinstance(judge([Authenticator(0, ALL_OF, config)], PUB), Unfit)
    with contextlib.suppress(TreeFault):
        read_tree(ALL_OF, config)


_names = st.sampled_from([*TRADING_MESSAGES, "/cosmos.bank.v1beta1.MsgSend", "x", ""])
_leaves = st.one_of(
    st.sampled_from([sig, three, sub0]),
    st.tuples(st.just(SIGNATURE), st.sampled_from([PUB, OTHER.public_key, b"", PUB[:-1]])),
    st.tuples(st.just(MESSAGES), st.lists(_names, max_size=4).map(lambda n: ",".join(n).encode())),
    st.tuples(
        st.sampled_from([SUBACCOUNTS, CLOB_PAIRS]), st.sampled_from([b"0", b"0,1", b"", b"a"])
    ),
)
_trees = st.recursive(
    _leaves,
    lambda inner: st.tuples(st.sampled_from([ALL_OF, ANY_OF]), st.lists(inner, max_size=4)).map(
        lambda pair: (pair[0], write_tree(pair[0], *pair[1]))
    ),
    max_leaves=12,
)


def _lets_pass(kind: str, config: bytes, message: str, number: int) -> bool:
    """The chain's rule for a transaction that our key signed, told once more."""
    if kind == SIGNATURE:
        return config == PUB
    if kind == MESSAGES:
        return message in config.decode().split(",")
    if kind in (SUBACCOUNTS, CLOB_PAIRS):
        if message not in TRADING_MESSAGES:
            return True
        return str(number) in config.decode().split(",")
    parts = [(p["type"], base64.b64decode(p["config"])) for p in json.loads(config)]
    passed = [_lets_pass(k, c, message, number) for k, c in parts]
    return all(passed) if kind == ALL_OF else any(passed)


@given(_trees)
def test_whatever_is_fit_lets_orders_pass_and_nothing_else(tree: Part) -> None:
    verdict = judge([Authenticator(0, *tree)], PUB)
    if not isinstance(verdict, Fit):
        return
    number = verdict.subaccounts[0] if verdict.subaccounts is not None else 0
    if verdict.clob_pairs is None or number in verdict.clob_pairs:
        assert all(_lets_pass(*tree, name, number) for name in TRADING_MESSAGES)
    for name in ("/cosmos.bank.v1beta1.MsgSend", "x", ""):
        assert not _lets_pass(*tree, name, number)


def test_as_many_markets_as_the_chain_takes_go_into_a_key() -> None:
    wanted = [*range(300, 0, -1)]
    kept = fitting_pairs(PUB, [0], wanted)
    assert kept == tuple(wanted[: len(kept)])
    assert 80 < len(kept) < 300
    assert len(own_tree(PUB, [0], kept)) <= MAX_DATA
    with pytest.raises(ValueError, match="bytes"):
        own_tree(PUB, [0], wanted)
    with pytest.raises(ValueError, match="name something"):
        own_tree(PUB, [], [1])


@pytest.mark.parametrize(
    ("codespace", "code", "trouble"),
    [
        ("dydxaccountplus", 1, KeyTrouble.GONE),
        ("dydxaccountplus", 4, KeyTrouble.SWITCHED_OFF),
        ("dydxaccountplus", 104, KeyTrouble.FORBIDDEN),
        ("dydxaccountplus", 100, KeyTrouble.FORBIDDEN),
        ("dydxaccountplus", 3, None),
        ("clob", 104, None),
        ("sdk", 4, None),
        ("dydxaccountplus", None, None),
    ],
)
def test_refusals_that_are_about_the_key_are_known(
    codespace: str, code: int | None, trouble: KeyTrouble | None
) -> None:
    assert key_trouble(codespace, code) is trouble


def test_a_fresh_key_is_listed_nowhere() -> None:
    fresh = SigningKey.generate(SystemRandom())
    verdict = judge([Authenticator(0, ALL_OF, web_tree(PUB))], fresh.public_key)
    assert isinstance(verdict, Unfit)
