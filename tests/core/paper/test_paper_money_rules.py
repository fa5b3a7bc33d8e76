"""Fee tiers and volumes, the gate of withdrawals, clocks and premiums, and what a node answers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.dydxprotocol.blocktime import query_pb2 as blocktime
from v4_proto.dydxprotocol.feetiers import query_pb2 as feetiers
from v4_proto.dydxprotocol.sending.transfer_pb2 import MsgWithdrawFromSubaccount, Transfer
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.stats import query_pb2 as stats
from v4_proto.dydxprotocol.subaccounts import query_pb2 as subaccounts
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.protocol import USDC_DENOM
from core.paper.fees import Fees
from core.paper.funds import module_address
from core.paper.happenings import Filled, Rewarded
from core.paper.state import Subaccount, Volume
from tests.core.paper.chain_kit import (
    BUY,
    EIGEN,
    GOVERNANCE,
    LINK,
    SELL,
    SOL,
    Lab,
    Trader,
    gas,
    lab,
)
from tests.core.paper.money_kit import ask, events, governed, rest, shown

USDC = 1_000_000
MILLION = 10**12


# -- fees -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taker", "maker", "everybody", "index", "taker_ppm"),
    [
        (0, 0, 0, 0, 500),
        (MILLION - 1, 0, 10 * MILLION, 0, 500),
        (MILLION - 1, 1, 10 * MILLION, 1, 450),
        (0, 5 * MILLION, 10 * MILLION, 2, 400),
        (25 * MILLION, 0, 10**18, 3, 350),
        (125 * MILLION, 0, 10**18, 4, 300),
        (125 * MILLION, 0, 25_000 * MILLION, 5, 250),
        (0, 125 * MILLION, 12_500 * MILLION, 6, 250),
    ],
)
def test_a_tier_takes_volume_and_shares_of_the_whole(
    taker: int, maker: int, everybody: int, index: int, taker_ppm: int
) -> None:
    fees = Fees(GOVERNANCE, lab().exchange.state)

    reached, tier = fees.tier("me", {"me": Volume(taker, maker), "": Volume(everybody)})

    assert (reached, tier.taker_fee_ppm, tier.maker_fee_ppm) == (index, taker_ppm, -110)


def test_the_takers_tier_decides_his_fee_from_the_block_after_he_reached_it() -> None:
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal(10))
    one, maker = made.funded(1, 20_000), made.funded(2, 20_000)
    state = made.exchange.state
    state.volumes.put(one.address, Volume(taker=MILLION - 1_000 * USDC))
    rest(made, maker, SELL, 300, "10", LINK, 1)
    for number in (1, 2):
        made.place(one, BUY, 100, "10", client_id=number)
    made.block()
    made.place(one, BUY, 100, "10", client_id=3)
    made.block()

    assert [shown(fill)[4] for fill in made.fills(one)] == ["0.5", "0.5", "0.45"]
    answer = ask(
        made,
        "/dydxprotocol.feetiers.Query/UserFeeTier",
        feetiers.QueryUserFeeTierRequest(user=one.address),
        feetiers.QueryUserFeeTierResponse,
    )
    assert (answer.index, answer.tier.name, answer.tier.taker_fee_ppm) == (1, "2", 450)


@pytest.mark.parametrize(
    ("begins", "ends", "fees"),
    [
        ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", ("0.125", "-0.027")),
        ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", ("0.5", "-0.11")),
    ],
)
def test_a_market_charges_less_while_its_discount_lasts(
    begins: str, ends: str, fees: tuple[str, str]
) -> None:
    row = {"clob_pair_id": LINK, "start_time": begins, "end_time": ends, "charge_ppm": 250_000}
    made = governed(AllMarketFeeDiscountParams={"params": [row]})
    made.exchange.set_price("LINK-USD", Decimal(10))
    one, maker = made.funded(1, 20_000), made.funded(2, 20_000)
    rest(made, maker, SELL, 100, "10", LINK, 1)
    made.place(one, BUY, 100, "10")
    made.block()

    assert (shown(made.fills(one)[0])[4], shown(made.fills(maker)[0])[4]) == fees


def test_volumes_count_both_sides_and_fall_out_after_thirty_days() -> None:
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal(10))
    one, maker = made.funded(1, 20_000), made.funded(2, 20_000)
    rest(made, maker, SELL, 100, "10", LINK, 1)
    made.place(one, BUY, 100, "10")
    made.block()

    def volumes() -> tuple[int, int, int]:
        found = [
            ask(
                made,
                "/dydxprotocol.stats.Query/UserStats",
                stats.QueryUserStatsRequest(user=who.address),
                stats.QueryUserStatsResponse,
            ).stats
            for who in (one, maker)
        ]
        everybody = ask(
            made,
            "/dydxprotocol.stats.Query/GlobalStats",
            stats.QueryGlobalStatsRequest(),
            stats.QueryGlobalStatsResponse,
        )
        return (
            found[0].taker_notional,
            found[1].maker_notional,
            everybody.stats.notional_traded,
        )

    before = volumes()
    made.now += dt.timedelta(days=30)
    made.blocks(3)
    still = volumes()
    made.now += dt.timedelta(hours=2)
    made.blocks(4)

    assert before == still == (1_000 * USDC,) * 3
    assert volumes() == (0, 0, 0)


def test_without_a_treasury_nobody_is_rewarded() -> None:
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal(10))
    one, maker = made.funded(1, 20_000), made.funded(2, 20_000)
    state, treasury = made.exchange.state, module_address("rewards_treasury")
    rest(made, maker, SELL, 200, "10", LINK, 1)
    paid = []
    for number, left in enumerate((7, 0), start=1):
        state.pay(treasury, "adv4tnt", left - state.balance(treasury, "adv4tnt"))
        before = len(events(made, Rewarded))
        made.place(one, BUY, 100, "10", client_id=number)
        made.block()
        paid.append([row.amount for row in events(made, Rewarded)[before:]])

    assert paid == [[7], []]
    assert made.exchange.balance(treasury, "adv4tnt") == 0


# -- the gate -------------------------------------------------------------------------------


def move(one: Trader, kind: str) -> Any:
    sender = SubaccountId(owner=one.address, number=one.number)
    if kind == "withdraw":
        return MsgWithdrawFromSubaccount(sender=sender, recipient=one.address, quantums=USDC)
    recipient = SubaccountId(owner=one.address, number=1)
    return MsgCreateTransfer(transfer=Transfer(sender=sender, recipient=recipient, amount=USDC))


def deliver(made: Lab, one: Trader, message: Any) -> tuple[str, int, str]:
    account = made.exchange.account(one.address)
    assert account is not None
    sent = made.send(one, message, sequence=account.sequence, fee=gas())
    assert sent.code == 0
    made.block()
    found = made.exchange.transaction(sent.tx_hash)
    assert found is not None
    return found.codespace, found.code, found.log


def blocked(one: Trader) -> tuple[str, int, str]:
    return (
        "subaccounts",
        102,
        f"failed to execute message; message index: 0: Subaccount with id {{{one.address} "
        f"{one.number}}} failed with UpdateResult: WithdrawalsAndTransfersBlocked: failed to apply "
        "subaccount updates",
    )


def gate(made: Lab, pair: int) -> tuple[int, int, int]:
    answer = ask(
        made,
        "/dydxprotocol.subaccounts.Query/GetWithdrawalAndTransfersBlockedInfo",
        subaccounts.QueryGetWithdrawalAndTransfersBlockedInfoRequest(perpetual_id=pair),
        subaccounts.QueryGetWithdrawalAndTransfersBlockedInfoResponse,
    )
    return (
        answer.negative_tnc_subaccount_seen_at_block,
        answer.chain_outage_seen_at_block,
        answer.withdrawals_and_transfers_unblocked_at_block,
    )


@pytest.mark.parametrize(("seconds", "closes"), [(298, False), (300, True)])
@pytest.mark.parametrize("kind", ["withdraw", "transfer"])
def test_after_five_minutes_of_standstill_money_stays_for_fifty_blocks(
    seconds: int, closes: bool, kind: str
) -> None:
    made = lab()
    one = made.funded(1, 100)
    made.now += dt.timedelta(seconds=seconds)
    made.blocks(2)
    outage = gate(made, LINK)
    first = deliver(made, one, move(one, kind))
    while made.exchange.height < outage[2] - 2:
        made.block()
    last = deliver(made, one, move(one, kind)) if closes else blocked(one)
    after = deliver(made, one, move(one, kind))

    assert outage[0] == 0
    assert outage[2] == (outage[1] + 50 if closes else 0)
    assert first == (blocked(one) if closes else ("", 0, ""))
    assert last == blocked(one)
    assert after == ("", 0, "")
    answer = ask(
        made,
        "/dydxprotocol.blocktime.Query/AllDowntimeInfo",
        blocktime.QueryAllDowntimeInfoRequest(),
        blocktime.QueryAllDowntimeInfoResponse,
    )
    seen = [(info.duration.seconds, info.block_info.height) for info in answer.info.infos]
    assert seen == [(300, outage[1]), (1800, 0)]


def test_deposits_pass_while_money_is_kept() -> None:
    made = lab()
    one = made.funded(1, 100)
    made.now += dt.timedelta(minutes=6)
    made.blocks(2)
    made.exchange.give(one.address, 0, USDC)
    made.block()

    assert made.exchange.subaccount(one.key).usdc == 101 * USDC


@pytest.mark.parametrize(
    ("name", "open_to_all"),
    [
        ("fee_collector", False),
        ("distribution", False),
        ("bonded_tokens_pool", False),
        ("insurance_fund", True),
        ("subaccounts", True),
    ],
)
def test_nobody_may_send_to_the_wallets_of_some_modules(name: str, open_to_all: bool) -> None:
    made = lab()
    one = made.funded(1, 100)
    address = module_address(name)
    coin = Coin(denom=USDC_DENOM, amount="5")
    sender = SubaccountId(owner=one.address)
    messages = [
        MsgSend(from_address=one.address, to_address=address, amount=[coin]),
        MsgWithdrawFromSubaccount(sender=sender, recipient=address, quantums=5),
    ]

    answers = [deliver(made, one, message) for message in messages]

    refused = (
        "sdk",
        4,
        f"failed to execute message; message index: 0: {address} is not allowed to receive funds: "
        "unauthorized",
    )
    assert answers == [("", 0, "") if open_to_all else refused] * 2
    left = made.exchange.subaccount(one.key).usdc
    assert left == 100 * USDC - (5 if open_to_all else 0)


def stuck_below_zero(made: Lab, pair: int) -> None:
    """Somebody below zero whom nobody can offset: the only holder of the other side is below zero
    too, by another market.
    """
    market = GOVERNANCE.markets[pair]
    state = made.exchange.state
    size = market.quantums(10_000 * USDC, state.prices.working[market.market_id])
    sol = GOVERNANCE.markets[SOL]
    other = sol.quantums(10_000 * USDC, state.prices.working[sol.market_id])
    long, short = made.funded(71), made.funded(72)
    state.subaccounts.put(long.key, Subaccount(-10_001 * USDC, ((pair, size),)))
    positions = tuple(sorted(((pair, -size), (SOL, other))))
    state.subaccounts.put(short.key, Subaccount(-5_000 * USDC, positions))


def test_somebody_below_zero_closes_the_gate_of_his_collateral_pool() -> None:
    made = lab()
    one, isolated = made.funded(1, 100), made.funded(2, 100)
    eigen = GOVERNANCE.markets[EIGEN]
    step = eigen.scale.step_base_quantums
    state = made.exchange.state
    state.subaccounts.put(isolated.key, Subaccount(100 * USDC, ((EIGEN, step),)))
    stuck_below_zero(made, LINK)
    made.blocks(3)
    seen, _, opens = gate(made, LINK)

    assert (seen, opens) == (made.exchange.height, made.exchange.height + 50)
    assert deliver(made, one, move(one, "withdraw")) == blocked(one)
    assert deliver(made, isolated, move(isolated, "withdraw")) == ("", 0, "")
    assert gate(made, EIGEN) == (0, 0, 0)


def test_a_collateral_pool_holds_what_the_subaccounts_behind_it_hold() -> None:
    made = lab()
    isolated = made.funded(2, 100)
    made.exchange.state.subaccounts.put(isolated.key, Subaccount(40 * USDC, ((EIGEN, 1_000_000),)))
    made.block()

    def held(name: str) -> list[str]:
        answer = ask(
            made,
            "/cosmos.bank.v1beta1.Query/AllBalances",
            bank.QueryAllBalancesRequest(address=module_address(name)),
            bank.QueryAllBalancesResponse,
        )
        return [coin.amount for coin in answer.balances]

    genesis = sum(row.subaccount_quote_quantums for row in GOVERNANCE.genesis)
    assert held(f"subaccounts:{EIGEN}") == [str(40 * USDC)]
    assert held("subaccounts") == [str(genesis)]
    assert held("insurance_fund") == []
    assert held("rewards_treasury") == [str(200_000_000 * 10**18)]
    assert not events(made, Filled)
