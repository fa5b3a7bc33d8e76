"""A trader's own initial margin per market, which may only be stricter than the market's.

Source: docs/protocol.md, codes; it takes effect with the block that holds the message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from v4_proto.dydxprotocol.clob.tx_pb2 import MsgUpdateLeverage

from core.paper.governance import Governance
from core.paper.happenings import SubaccountKey
from core.paper.margin import Collateral
from core.paper.refusals import Refused, clob
from core.paper.settlement import settled
from core.paper.state import State, Subaccount
from core.paper.stateless import check_subaccount

_WHOLE: Final = 1_000_000


def update_leverage(
    message: MsgUpdateLeverage,
    state: State,
    governance: Governance,
    collateral: Callable[[Subaccount], Collateral],
) -> None:
    """Choose initial margins for a subaccount. Raises Refused without having changed anything."""
    chosen = _chosen(message, governance)
    for pair, ppm in sorted(chosen.items()):
        least = governance.markets[pair].tier.initial_margin_ppm
        if ppm < least:
            raise Refused(
                "subaccounts",
                701,
                f"{ppm} is less than minimum allowed imf ({least}) for perpetual {pair} resulting "
                "in higher than allowed leverage: leverage exceeds maximum allowed",
            )
    key = SubaccountKey(message.subaccount_id.owner, message.subaccount_id.number)
    before = state.subaccount(key)
    leverage = tuple(sorted((dict(before.leverage) | chosen).items()))
    after = replace(before, leverage=leverage)
    worth = collateral(settled(after, state.funding.working).subaccount)
    if worth.net < worth.initial:
        number = f"number:{key.number} " if key.number else ""
        raise Refused(
            "subaccounts",
            703,
            f'subaccount owner:"{key.owner}" {number} violates margin requirements with new '
            "leverage: leverage violates margin requirements",
        )
    state.subaccounts.put(key, after)


def _chosen(message: MsgUpdateLeverage, governance: Governance) -> dict[int, int]:
    if not message.HasField("subaccount_id"):
        raise clob(11001, "subaccount ID cannot be nil")
    check_subaccount(message.subaccount_id)
    if not message.clob_pair_leverage:
        raise clob(11002, "clob pair leverage entries cannot be empty")
    chosen: dict[int, int] = {}
    for entry in message.clob_pair_leverage:
        pair, ppm = entry.clob_pair_id, entry.custom_imf_ppm
        if not 0 < ppm <= _WHOLE:
            raise clob(11002, f"imf ppm for clob pair {pair} must be between (0, 1,000,000]")
        if pair in chosen:
            raise clob(11002, f"duplicate clob pair ID {pair}")
        if pair not in governance.markets:
            raise clob(8, f"clob pair ID {pair} does not exist")
        chosen[pair] = ppm
    return chosen
