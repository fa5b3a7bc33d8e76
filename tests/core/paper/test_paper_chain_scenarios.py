"""The recorded scenarios of crafted transactions, step by step, against the paper exchange."""

from __future__ import annotations

from typing import Final

import grpc
import pytest
from v4_proto.cosmos.tx.v1beta1 import service_pb2 as tx_pb2
from v4_proto.cosmos.tx.v1beta1 import service_pb2_grpc as tx_grpc

from core.paper.network import PaperNetwork, PaperSettings
from tests.core.paper.chain_kit import trader
from tests.core.paper.scenario_kit import SCENARIOS, Play, Row, Script
from tests.core.paper.scenarios_checks import SCRIPTS as CHECKS
from tests.core.paper.scenarios_keys import SCRIPTS as KEYS
from tests.core.paper.scenarios_money import SCRIPTS as MONEY
from tests.core.paper.scenarios_short_term import SCRIPTS as SHORT_TERM
from tests.core.paper.scenarios_stateful import SCRIPTS as STATEFUL

SCRIPTS: Final[dict[str, Script]] = CHECKS | SHORT_TERM | STATEFUL | KEYS | MONEY
OVER_THE_WIRE: Final = frozenset({"broadcast_modes"})
"""Scenarios that another test plays through a node's port."""


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_recorded_scenario_gets_the_recorded_answers_and_states(name: str) -> None:
    Play(name, SCRIPTS[name]).run()


def test_every_recorded_scenario_is_played() -> None:
    assert SCRIPTS.keys() | OVER_THE_WIRE == SCENARIOS.keys()


async def over_the_wire(raw: bytes, mode: int) -> tuple[object, str]:
    """(codespace, code) or the name of the status, and the log, of a broadcast to a node's port."""
    settings = PaperSettings(
        grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still", block_s=60
    )
    network = PaperNetwork(settings, indexer=False, blocks=False)
    await network.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{network.grpc_port}") as channel:
            request = tx_pb2.BroadcastTxRequest(tx_bytes=raw, mode=tx_pb2.BroadcastMode.Name(mode))
            answer = await tx_grpc.ServiceStub(channel).BroadcastTx(request, timeout=10)
            return [answer.tx_response.codespace, answer.tx_response.code], ""
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details() or ""
    finally:
        await network.close()


@pytest.mark.parametrize("row", SCENARIOS["broadcast_modes"], ids=lambda row: row.step)
async def test_each_mode_of_a_broadcast_is_answered_as_recorded(row: Row) -> None:
    modes = {"ASYNC of a bad order": 3, "BLOCK": 1, "mode 0": 0}
    one = trader(1)

    seen, log = await over_the_wire(one.sign(one.order(1, 1, "3", gtb=10)), modes[row.step])

    assert (seen, log) == (row.observed, row.log)


async def test_a_broadcast_of_no_bytes_is_answered_as_recorded() -> None:
    row = next(row for row in SCENARIOS["signatures"] if row.step == "no bytes")

    seen, log = await over_the_wire(b"", tx_pb2.BROADCAST_MODE_SYNC)

    assert ((row.codespace, row.code), row.log) == (("grpc", seen), log)
