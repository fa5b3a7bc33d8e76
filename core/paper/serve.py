"""The paper network as a program of its own: start, say where it listens, stop when told to."""

from __future__ import annotations

import asyncio
import signal
import sys

from core.paper.network import PaperNetwork, PaperSettings


async def serve(settings: PaperSettings) -> None:
    """Run a paper network until SIGTERM or SIGINT. One line per address on standard output. Raises
    OSError for a taken port, StateUnusable for a state it cannot read, and what stops the blocks.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    network = PaperNetwork(settings)
    try:
        await network.start()
        sys.stdout.write("".join(f"{line}\n" for line in addresses(network)))
        sys.stdout.flush()
        stopping = asyncio.create_task(stop.wait(), name="paper-stop")
        blocks = asyncio.create_task(network.wait_stopped(), name="paper-wait")
        try:
            await asyncio.wait({stopping, blocks}, return_when=asyncio.FIRST_COMPLETED)
            if blocks.done():
                await blocks
        finally:
            for task in (stopping, blocks):
                task.cancel()
            await asyncio.gather(stopping, blocks, return_exceptions=True)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        await network.close()


def addresses(network: PaperNetwork) -> list[str]:
    """Where a running network listens, one line each."""
    host = network.settings.host
    return [
        f"paper gRPC       {host}:{network.grpc_port}",
        f"paper indexer    http://{host}:{network.rest_port}",
        f"paper websocket  ws://{host}:{network.ws_port}/v4/ws",
        f"paper RPC        http://{host}:{network.rpc_port} (and the node's REST)",
        f"paper state      {network.settings.state_dir or 'in memory'}",
        f"paper prices     {_prices(network)}",
    ]


def _prices(network: PaperNetwork) -> str:
    prices, count = network.exchange.prices, len(network.exchange.governance.markets)
    if prices.settings.mode != "mainnet":
        return f"{prices.mode}, {count} markets"
    return f"mainnet from {network.settings.mainnet_rest} ({count} markets), walk while it is away"
