"""The command line. Each command imports only what it needs: aiogram alone costs seconds."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

Command = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


_UNTIL_HELP = "end when standard input ends, as it does when the parent process is gone"


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    root = argparse.ArgumentParser(prog="perpgram", description="A Telegram desk for dYdX v4.")
    commands = root.add_subparsers(dest="command", required=True, metavar="command")
    run = commands.add_parser("run", help="start the bot")
    run.add_argument("--until-stdin-closes", action="store_true", help=_UNTIL_HELP)
    run.set_defaults(act=_run)
    demo = commands.add_parser("demo", help="the whole desk on this machine, with a chat page")
    demo.add_argument("--port", type=int, default=8090, help="port of the chat page")
    demo.add_argument("--host", default="127.0.0.1", help="address of the chat page")
    demo.set_defaults(act=_demo)
    story = commands.add_parser("story", help="the demo, scripted and proved step by step")
    story.set_defaults(act=_story)
    paper = commands.add_parser("paper", help="a local dYdX on loopback")
    paper.add_argument("--until-stdin-closes", action="store_true", help=_UNTIL_HELP)
    paper.set_defaults(act=_paper)
    commands.add_parser(
        "alert", help="what alerts would do: JSON lines in, one answer a line out"
    ).set_defaults(act=_alert)
    commands.add_parser(
        "admin-link", help="a new one-time link that makes its visitor admin"
    ).set_defaults(act=_admin_link)
    commands.add_parser("healthcheck", help="exit 0 if the bot answers").set_defaults(
        act=_healthcheck
    )
    return root


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and exits with its status."""
    arguments = parser().parse_args(argv)
    act: Command = arguments.act
    sys.exit(_finish(act, arguments))


def _finish(act: Command, arguments: argparse.Namespace) -> int:
    """One clear line for what an operator can mend; a stack only for our own mistakes."""
    from bot.errors import StartRefused

    try:
        return _loop(act(arguments))
    except StartRefused as refused:
        print(f"perpgram: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _loop(work: Coroutine[Any, Any, int]) -> int:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _run(arguments: argparse.Namespace) -> int:
    from bot.app import run
    from bot.settings import load_settings

    await run(load_settings(), until_stdin_closes=arguments.until_stdin_closes)
    return 0


async def _demo(arguments: argparse.Namespace) -> int:
    from bot.demo.play import demo

    return await demo(arguments.host, arguments.port)


async def _story(arguments: argparse.Namespace) -> int:
    from bot.demo.story import story

    return await story()


async def _paper(arguments: argparse.Namespace) -> int:
    from bot.paper import serve_paper

    return await serve_paper(until_stdin_closes=arguments.until_stdin_closes)


async def _alert(arguments: argparse.Namespace) -> int:
    from bot.alert import answer_standard_input

    return answer_standard_input()


async def _admin_link(arguments: argparse.Namespace) -> int:
    from bot.admin import print_admin_link
    from bot.settings import load_settings

    return await print_admin_link(load_settings())


async def _healthcheck(arguments: argparse.Namespace) -> int:
    from bot.health import healthcheck
    from bot.settings import load_settings

    return await healthcheck(load_settings())
