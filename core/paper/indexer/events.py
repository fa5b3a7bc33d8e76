"""What can be read off a block's events without the indexer's rows."""

from __future__ import annotations

from typing import Any

from core.paper.happenings import Filled, SubaccountKey, Transferred
from core.paper.indexer import order_life
from core.paper.indexer.texts import usdc

Json = dict[str, Any]


def fees_of(event: Filled) -> int:
    """All that a fill cost beside its price, in quote quantums."""
    return event.fee_quote_quantums + event.builder_fee_quote_quantums


def built_by(event: Filled) -> Json:
    """Who built and routed the order behind a fill, where it says so."""
    order = event.order
    if order is None:
        return {}
    built: Json = {"order_router_address": order.order_router_address}
    if order.builder_address is not None:
        built["builder_address"] = order.builder_address
        built["builder_fee"] = usdc(event.builder_fee_quote_quantums)
    return built


def group_of(event: Filled) -> str:
    """Fills of one order make one message; those of liquidations one each."""
    owner = event.subaccount
    name = event.event_id.hex() if event.order is None else order_life.row_id_of(event)
    return f"{owner.owner}/{owner.number}/{name}"


def parent_of(key: SubaccountKey) -> tuple[str, int]:
    """The parent of a subaccount: its owner, and its number below 128."""
    return key.owner, key.number % 128


def transfer_sign(event: Transferred, key: SubaccountKey) -> int:
    """+1 for the recipient, −1 for the sender, 0 for both or neither."""
    ours = (key.owner, key.number)
    received = ours == (event.recipient_address, event.recipient_number)
    sent = ours == (event.sender_address, event.sender_number)
    return int(received) - int(sent)
