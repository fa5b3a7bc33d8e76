"""`perpgram demo`: everything on loopback and one address to open."""

from __future__ import annotations

import asyncio
import errno
import signal
import tempfile
from pathlib import Path

from bot.demo.world import World, WorldFault
from bot.errors import StartRefused

HIGHEST_PORT = 65535
LOOK_EVERY_S = 1.0


async def demo(host: str, port: int) -> int:
    """Runs until SIGINT or SIGTERM; with port 0 on a free one.

    Raises StartRefused when a part does not come up or ends by itself.
    """
    if not 0 <= port <= HIGHEST_PORT:
        raise StartRefused(
            f"there is no port {port}; ports are 1 to {HIGHEST_PORT}, 0 is a free one"
        )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    with tempfile.TemporaryDirectory(prefix="perpgram-demo-") as folder:
        world = World(Path(folder), page_host=host, page_port=port)
        try:
            print("Starting paper dYdX, the Bot API emulator and the bot …", flush=True)
            await world.start()
            print(f"\nOpen {world.emulator.base_url}/ and write /start.\n", flush=True)
            print("Ctrl-C ends the demo; nothing of it is kept.", flush=True)
            await _watch(world, stopped)
            print("\nStopping …", flush=True)
        except (WorldFault, OSError) as fault:
            if not stopped.is_set():
                raise StartRefused(_explained(fault, host, port)) from None
        finally:
            await world.close()
    return 0


async def _watch(world: World, stopped: asyncio.Event) -> None:
    """Returns once `stopped`. Raises WorldFault when a part ends before that."""
    children = [child for child in (world.paper, world.bot) if child is not None]
    while not stopped.is_set():
        for child in children:
            if not child.running and not stopped.is_set():
                raise WorldFault(f"{child.name} ended; the end of its output:\n{child.tail()}")
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await stopped.wait()
        except TimeoutError:
            continue


def _explained(fault: WorldFault | OSError, host: str, port: int) -> str:
    if isinstance(fault, OSError) and fault.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is taken, perhaps by another demo; "
            "`perpgram demo --port 0` takes a free one"
        )
    return str(fault)
