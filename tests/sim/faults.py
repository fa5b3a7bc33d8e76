"""What goes wrong in the world: each fault has a name, begins, and ends."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.paper.faults import NodeFaults, OrderRefusal
from core.paper.indexer.faults import IndexerFaults

if TYPE_CHECKING:
    from tests.sim.world import World

_CLEAN = NodeFaults()
_CLEAN_INDEXER = IndexerFaults()
Act = Callable[["World", random.Random], None]


@dataclass(frozen=True)
class Fault:
    """`lasts_s`: from how long to how long it goes on."""

    name: str
    begin: Act
    end: Act
    lasts_s: tuple[float, float] = (5.0, 25.0)


def _node(**values: Any) -> tuple[Act, Act]:
    """A fault of one node, or of all of them."""

    def begin(world: World, rand: random.Random) -> None:
        nodes = world.chain.nodes
        for wire in nodes if rand.random() < 0.5 else [rand.choice(nodes)]:
            for name, value in values.items():
                chosen = value(rand) if callable(value) else value
                setattr(wire.node.faults, name, chosen)

    def end(world: World, rand: random.Random) -> None:
        for wire in world.chain.nodes:
            for name in values:
                setattr(wire.node.faults, name, getattr(_CLEAN, name))

    return begin, end


def _one_node(**values: Any) -> tuple[Act, Act]:
    """A fault that only ever one node has."""

    def begin(world: World, rand: random.Random) -> None:
        wire = rand.choice(world.chain.nodes)
        for name, value in values.items():
            setattr(wire.node.faults, name, value(rand) if callable(value) else value)

    return begin, _node(**values)[1]


def _indexer(**values: Any) -> tuple[Act, Act]:
    def begin(world: World, rand: random.Random) -> None:
        chosen = {n: v(rand) if callable(v) else v for n, v in values.items()}
        world.chain.indexer.set_faults(replace(world.chain.indexer.faults, **chosen))

    def end(world: World, rand: random.Random) -> None:
        clean = {name: getattr(_CLEAN_INDEXER, name) for name in values}
        world.chain.indexer.set_faults(replace(world.chain.indexer.faults, **clean))

    return begin, end


def _wire(which: str, attribute: str) -> tuple[Act, Act]:
    def wires(world: World) -> list[Any]:
        found = getattr(world.chain, which)
        return list(found) if isinstance(found, list) else [found]

    def begin(world: World, rand: random.Random) -> None:
        for wire in wires(world) if rand.random() < 0.5 else [rand.choice(wires(world))]:
            setattr(wire, attribute, True)

    def end(world: World, rand: random.Random) -> None:
        for wire in wires(world):
            setattr(wire, attribute, False)

    return begin, end


def _cut_stream(world: World, rand: random.Random) -> None:
    world.chain.stream.cut = True
    world.chain.stream.break_all()


def _mend_stream(world: World, rand: random.Random) -> None:
    world.chain.stream.cut = False


def _mute_stream(world: World, rand: random.Random) -> None:
    world.chain.stream.mute_all()


def _restart_stream(world: World, rand: random.Random) -> None:
    with world.loop.outside():
        world.chain.sockets.close_connections()


def _nothing(world: World, rand: random.Random) -> None:
    """It ends by itself."""


def _halt(world: World, rand: random.Random) -> None:
    world.chain.network.chain.paused = True


def _resume(world: World, rand: random.Random) -> None:
    world.chain.network.chain.paused = False


def _refuse(world: World, rand: random.Random) -> None:
    codespace, code = rand.choice((("sdk", 20), ("clob", 5001), ("clob", 1003), ("sdk", 11)))
    world.chain.exchange.faults.order_refused = OrderRefusal(
        codespace, code, count=rand.choice((1, 1, 2, 3))
    )


def _accept(world: World, rand: random.Random) -> None:
    world.chain.exchange.faults.order_refused = None


def _withhold(world: World, rand: random.Random) -> None:
    world.chain.exchange.faults.fill_withheld = True


def _match(world: World, rand: random.Random) -> None:
    world.chain.exchange.faults.fill_withheld = False


def _skew_chain(world: World, rand: random.Random) -> None:
    world.chain.network.chain.skew = dt.timedelta(milliseconds=rand.choice((-2500, 1500, 4000)))


def _unskew_chain(world: World, rand: random.Random) -> None:
    world.chain.network.chain.skew = dt.timedelta()


def _skew_bot(world: World, rand: random.Random) -> None:
    world.clock.skew_s = rand.choice((-20.0, -4.0, 3.0, 8.0))


def _unskew_bot(world: World, rand: random.Random) -> None:
    world.clock.skew_s = 0.0


def _swallow(world: World, rand: random.Random) -> None:
    indexer = world.chain.indexer
    indexer.set_faults(replace(indexer.faults, indexer_lag_blocks=8))
    for wire in world.chain.nodes:
        wire.node.faults.answer_lost = True


def _answer(world: World, rand: random.Random) -> None:
    indexer = world.chain.indexer
    indexer.set_faults(replace(indexer.faults, indexer_lag_blocks=0))
    for wire in world.chain.nodes:
        wire.node.faults.answer_lost = False


def _times(rand: random.Random) -> bool | int:
    return rand.choice((1, 1, 2, 4, True))


ALL_SILENT = Fault("all_answers_lost", _swallow, _answer, lasts_s=(4.0, 9.0))
"""Whatever is sent is carried out, no node says so, and the indexer says it late."""

FAULTS: tuple[Fault, ...] = (
    ALL_SILENT,
    Fault("node_down", *_node(down=True)),
    Fault("node_unreachable", *_wire("nodes", "cut")),
    Fault("answers_lost", *_node(answer_lost=_times), lasts_s=(5.0, 20.0)),
    Fault("requests_lost", *_node(request_lost=_times), lasts_s=(5.0, 20.0)),
    Fault(
        "node_slow", *_node(rtt_ms=lambda rand: rand.choice((300, 900, 2500)), rtt_jitter_ms=250)
    ),
    Fault("node_behind", *_one_node(behind_blocks=lambda rand: rand.choice((3, 8, 20)))),
    Fault("node_apart", *_one_node(stands_apart=True), lasts_s=(3.0, 10.0)),
    Fault("orders_refused", _refuse, _accept),
    Fault("fills_withheld", _withhold, _match, lasts_s=(3.0, 12.0)),
    Fault("chain_halted", _halt, _resume, lasts_s=(5.0, 40.0)),
    Fault("chain_clock", _skew_chain, _unskew_chain),
    Fault("bot_clock", _skew_bot, _unskew_bot),
    Fault("indexer_lag", *_indexer(indexer_lag_blocks=lambda rand: rand.choice((2, 6, 20)))),
    Fault("indexer_slow", *_indexer(indexer_latency_ms=lambda rand: rand.choice((800, 3000)))),
    Fault("indexer_errors", *_indexer(rest_500=lambda rand: rand.choice((2, 5, True)))),
    Fault("indexer_busy", *_indexer(rest_429=lambda rand: rand.choice((1, 3, True)))),
    Fault("indexer_unreachable", *_wire("rest", "cut")),
    Fault("indexer_silent", *_wire("rest", "mute"), lasts_s=(5.0, 15.0)),
    Fault("stream_cut", _cut_stream, _mend_stream, lasts_s=(0.5, 25.0)),
    Fault("stream_mute", _mute_stream, _nothing, lasts_s=(20.0, 21.0)),
    Fault("stream_restart", _restart_stream, _nothing, lasts_s=(1.0, 2.0)),
    Fault("stream_doubled", *_indexer(ws_doubled=400_000)),
    Fault("stream_reordered", *_indexer(ws_reordered=300_000)),
    Fault("stream_drops", *_indexer(ws_dropped=200_000)),
    Fault(
        "stream_slow_snapshots",
        *_indexer(ws_snapshot_ms=lambda rand: rand.choice((500, 4000))),
    ),
)
