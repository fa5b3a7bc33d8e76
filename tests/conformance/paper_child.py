"""A paper network on free ports, in memory, that ends when its standard input closes."""

from __future__ import annotations

import asyncio
import contextlib

from bot.stdin import when_stdin_closes
from core.paper.network import PaperSettings
from core.paper.serve import serve


async def main() -> None:
    settings = PaperSettings(grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still")
    serving = asyncio.create_task(serve(settings))
    when_stdin_closes(serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


if __name__ == "__main__":
    asyncio.run(main())
