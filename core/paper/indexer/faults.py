"""The faults that can be switched on over POST /paper/faults, and their validation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from core.paper.indexer.controls import NodeFaults, OrderRefusal

Json = dict[str, Any]
BLOCK_TEXTS: Final = {
    "GEOBLOCKED": "Because you appear to be a resident of, or trading from, a jurisdiction that "
    "violates our terms of use, or have engaged in activity that violates our terms of use, you "
    "have been blocked. You may withdraw your funds from the protocol at any time.",
    "COMPLIANCE_BLOCKED": "Because this address appears to be a resident of, or trading from, a "
    "jurisdiction that violates our terms of use, or has engaged in activity that violates our "
    "terms of use, this address has been blocked.",
}
_MAX_MS = 60_000
_MAX_COUNT = 1_000_000
_PPM = 1_000_000


class BadBody(ValueError):
    """A control body that cannot be used; the text is a sentence for the one who sent it."""


@dataclass(frozen=True)
class IndexerFaults:
    """Faults of the indexer. `rest_500` and `rest_429`: True for every request, or how many.
    `address_blocked`: the code with which every address is refused. `ws_dropped`, `ws_doubled` and
    `ws_reordered` are shares of the data messages of each connection, in ppm.
    """

    indexer_lag_blocks: int = 0
    indexer_latency_ms: int | None = None
    rest_500: bool | int = False
    rest_429: bool | int = False
    address_blocked: str | None = None
    ws_dropped: int = 0
    ws_doubled: int = 0
    ws_reordered: int = 0
    ws_seed: int = 0
    ws_snapshot_ms: int = 0


@dataclass(frozen=True)
class Change:
    """A validated body of POST /paper/faults."""

    node: NodeFaults
    indexer: IndexerFaults
    close_sockets: bool


_NAMES = (
    "fill_withheld",
    "answer_lost",
    "order_refused",
    "rtt_ms",
    "rtt_jitter_ms",
    "request_lost",
    "node_down",
    "node_behind_blocks",
    "node_stands_apart",
    "node_number_ahead",
    "chain_halted",
    "clock_skew_ms",
    "node",
    "indexer_lag_blocks",
    "indexer_latency_ms",
    "ws_closed",
    "ws_dropped",
    "ws_doubled",
    "ws_reordered",
    "ws_seed",
    "ws_snapshot_ms",
    "rest_500",
    "rest_429",
    "address_blocked",
    "clear",
)


def chosen_node(body: Any, count: int) -> int | None:
    """The node that a body names by its index; None for all. Raises BadBody."""
    node = body.get("node") if isinstance(body, dict) else None
    if node is None:
        return None
    if isinstance(node, bool) or not isinstance(node, int) or not 0 <= node < count:
        raise BadBody(f"node must be null (all nodes) or a whole number from 0 to {count - 1}.")
    return node


def parse_change(body: Any, node: NodeFaults, indexer: IndexerFaults) -> Change:
    """The faults after this body; what it does not name stays. Raises BadBody."""
    if not isinstance(body, dict) or not body:
        raise BadBody("The body must be a JSON object with at least one fault.")
    for name in body:
        if name not in _NAMES:
            raise BadBody(f"Unknown fault {name!r}. Known are: {', '.join(_NAMES)}.")
    if _flag(body, "clear", False):
        node, indexer = NodeFaults(), IndexerFaults()
    node = replace(
        node,
        fill_withheld=_flag(body, "fill_withheld", node.fill_withheld),
        answer_lost=_flag_or_count(body, "answer_lost", node.answer_lost),
        order_refused=_refusal(body, node.order_refused),
        rtt_ms=_whole(body, "rtt_ms", node.rtt_ms, _MAX_MS),
        rtt_jitter_ms=_whole(body, "rtt_jitter_ms", node.rtt_jitter_ms, _MAX_MS),
        request_lost=_flag_or_count(body, "request_lost", node.request_lost),
        node_down=_flag(body, "node_down", node.node_down),
        node_behind_blocks=_whole(body, "node_behind_blocks", node.node_behind_blocks, 1_000),
        node_stands_apart=_flag(body, "node_stands_apart", node.node_stands_apart),
        node_number_ahead=_flag_or_count(body, "node_number_ahead", node.node_number_ahead),
        chain_halted=_flag(body, "chain_halted", node.chain_halted),
        clock_skew_ms=_whole(body, "clock_skew_ms", node.clock_skew_ms, _MAX_MS, -_MAX_MS),
    )
    latency = indexer.indexer_latency_ms
    if body.get("indexer_latency_ms") is not None:
        latency = _whole(body, "indexer_latency_ms", 0, _MAX_MS)
    elif "indexer_latency_ms" in body:
        latency = None
    indexer = replace(
        indexer,
        indexer_lag_blocks=_whole(body, "indexer_lag_blocks", indexer.indexer_lag_blocks, 10_000),
        indexer_latency_ms=latency,
        rest_500=_flag_or_count(body, "rest_500", indexer.rest_500),
        rest_429=_flag_or_count(body, "rest_429", indexer.rest_429),
        address_blocked=_block_code(body, indexer.address_blocked),
        ws_dropped=_share(body, "ws_dropped", indexer.ws_dropped),
        ws_doubled=_share(body, "ws_doubled", indexer.ws_doubled),
        ws_reordered=_share(body, "ws_reordered", indexer.ws_reordered),
        ws_seed=_whole(body, "ws_seed", indexer.ws_seed, _MAX_COUNT),
        ws_snapshot_ms=_whole(body, "ws_snapshot_ms", indexer.ws_snapshot_ms, _MAX_MS),
    )
    return Change(node, indexer, _flag(body, "ws_closed", False))


def shown(node: NodeFaults, indexer: IndexerFaults) -> Json:
    """The faults in force, as GET /paper/faults answers them."""
    refusal = node.order_refused
    return {
        "fill_withheld": node.fill_withheld,
        "answer_lost": node.answer_lost,
        "order_refused": None
        if refusal is None
        else {"codespace": refusal.codespace, "code": refusal.code, "count": refusal.count},
        "rtt_ms": node.rtt_ms,
        "rtt_jitter_ms": node.rtt_jitter_ms,
        "request_lost": node.request_lost,
        "node_down": node.node_down,
        "node_behind_blocks": node.node_behind_blocks,
        "node_stands_apart": node.node_stands_apart,
        "node_number_ahead": node.node_number_ahead,
        "chain_halted": node.chain_halted,
        "clock_skew_ms": node.clock_skew_ms,
        "indexer_lag_blocks": indexer.indexer_lag_blocks,
        "indexer_latency_ms": indexer.indexer_latency_ms,
        "rest_500": indexer.rest_500,
        "rest_429": indexer.rest_429,
        "address_blocked": indexer.address_blocked,
        "ws_dropped": indexer.ws_dropped / _PPM,
        "ws_doubled": indexer.ws_doubled / _PPM,
        "ws_reordered": indexer.ws_reordered / _PPM,
        "ws_seed": indexer.ws_seed,
        "ws_snapshot_ms": indexer.ws_snapshot_ms,
    }


_OF_NODE: Final = (
    "answer_lost",
    "request_lost",
    "rtt_ms",
    "rtt_jitter_ms",
    "node_down",
    "node_behind_blocks",
    "node_stands_apart",
    "node_number_ahead",
)


def shown_of_node(node: NodeFaults) -> Json:
    """The faults in force at one node."""
    return {name: getattr(node, name) for name in _OF_NODE}


def _flag(body: Json, name: str, present: bool) -> bool:
    value = body.get(name, present)
    if not isinstance(value, bool):
        raise BadBody(f"{name} must be true or false.")
    return value


def _whole(body: Json, name: str, present: int, limit: int, least: int = 0) -> int:
    value = body.get(name, present)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= limit:
        raise BadBody(f"{name} must be a whole number from {least} to {limit}.")
    return value


def _share(body: Json, name: str, present: int) -> int:
    """A share from 0 to 1, in ppm."""
    if name not in body:
        return present
    value = body[name]
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise BadBody(f"{name} must be a number from 0 to 1, the share of the messages.")
    if not 0 <= value <= 1:
        raise BadBody(f"{name} must be a number from 0 to 1, the share of the messages.")
    return int(value * _PPM)


def _flag_or_count(body: Json, name: str, present: bool | int) -> bool | int:
    value = body.get(name, present)
    if isinstance(value, bool):
        return value
    if not isinstance(value, int) or not 0 <= value <= _MAX_COUNT:
        raise BadBody(f"{name} must be true, false, or how many times (a whole number).")
    return value or False


def _block_code(body: Json, present: str | None) -> str | None:
    value = body.get("address_blocked", present)
    if value is not None and value not in BLOCK_TEXTS:
        raise BadBody(f"address_blocked must be null or one of {', '.join(BLOCK_TEXTS)}.")
    return None if value is None else str(value)


def _refusal(body: Json, present: OrderRefusal | None) -> OrderRefusal | None:
    if "order_refused" not in body:
        return present
    value = body["order_refused"]
    if value is None or value is False:
        return None
    if not isinstance(value, dict) or set(value) - {"codespace", "code", "count"}:
        raise BadBody(
            'order_refused must be null or {"codespace": text, "code": number, "count": number}.'
        )
    codespace, code, count = value.get("codespace"), value.get("code"), value.get("count")
    if not isinstance(codespace, str) or not codespace:
        raise BadBody('order_refused.codespace must be a text such as "clob".')
    if isinstance(code, bool) or not isinstance(code, int) or not 1 <= code < 2**32:
        raise BadBody("order_refused.code must be a whole number from 1.")
    if count is not None:
        count = _whole(value, "count", 0, _MAX_COUNT)
        if count == 0:
            return None
    return OrderRefusal(codespace, code, count)
