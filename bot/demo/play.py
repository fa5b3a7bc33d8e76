"""`perpgram demo`: everything on loopback and one address to open."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path

from bot.demo.world import World, WorldFault
from bot.errors import StartRefused


async def demo(host: str, port: int) -> int:
    """Runs until SIGINT or SIGTERM. Raises StartRefused when a part does not come up."""
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
            await stopped.wait()
        except (WorldFault, OSError) as fault:
            raise StartRefused(str(fault)) from None
        finally:
            await world.close()
    return 0
