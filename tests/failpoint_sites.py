"""Reads in the source where the desk writes durably or sends: the failpoints of the program.

`core/failpoints.py` names the place that asked for a write or a send; this finds all such places
without running anything, so that a place that no test dies at cannot go unnoticed.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
ROOMS: Final = ("core", "handlers", "bot")
LEDGER: Final = ROOT / "core/ledger"
# Tenants with processes of their own: the paper network, the emulator, the demo, the command line.
ELSEWHERE: Final = frozenset({"paper", "emulator", "demo", "admin.py"})
# Hands that write or send for others, with what their callers are asked by.
COMMITTING: Final = frozenset({"executing", "transaction", "commit", "check_writable"})
OPENING: Final = "open_ledger"  # begins an epoch
# What the chat's modules call the ledger's modules that they are handed.
PORTS: Final = {"store": "conversations"}
BROADCASTING: Final = "core.trading.venue"
PASSED: Final = "passed"
CHAT_SENDERS: Final = frozenset(
    {"handlers.chat.sending", "handlers.chat.deletions", "bot.notifier"}
)
CHAT_VERBS: Final = ("send_", "edit_", "delete_message")


@dataclass(frozen=True)
class Site:
    """A place that writes or sends: the function, with its module and class, and the lines of the
    call. `what`: commit or send.
    """

    function: str
    first: int
    last: int
    what: str

    def is_at(self, place: str) -> bool:
        """Whether a place as `core.failpoints.site` names it is this one."""
        function, _, line = place.rpartition(":")
        return function == self.function and self.first <= int(line) <= self.last

    def __str__(self) -> str:
        return f"{self.function}:{self.first} ({self.what})"


def module_of(path: Path) -> str:
    """The dotted name of a source file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@functools.cache
def sources() -> tuple[tuple[Path, ast.Module], ...]:
    """The files of the rooms, without the paper network, which is a tenant of its own."""
    return tuple(
        (path, ast.parse(path.read_text()))
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if ELSEWHERE.isdisjoint(path.relative_to(ROOT).parts)
    )


def committers() -> dict[str, frozenset[str]]:
    """By module of the ledger: its functions that commit a transaction of their own, be it one
    statement.
    """
    found: dict[str, frozenset[str]] = {}
    for path in LEDGER.rglob("*.py"):
        names = set()
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.AsyncFunctionDef):
                continue
            alone = any(
                isinstance(one, ast.Name) and one.id == "alone" for one in node.decorator_list
            )
            if alone or any(
                _called(call) == "commit" and _owner(call) == "ledger" for call in _calls(node)
            ):
                names.add(node.name)
        found[path.stem] = frozenset(names)
    return found


@functools.cache
def sites() -> tuple[Site, ...]:
    """Every place outside the ledger that commits, and every place that sends."""
    writers = committers()
    found = []
    for path, tree in sources():
        module = module_of(path)
        if LEDGER in path.parents or module == "core.failpoints":
            continue
        for function, call in _calls_by_function(tree, module):
            name, owner = _called(call), _owner(call)
            what = None
            commits = owner == "ledger" and name in COMMITTING
            opens = any(_names(given, OPENING) for given in call.args)
            room = PORTS.get(owner or "", owner or "")
            if commits or opens or name in writers.get(room, ()):
                what = "commit"
            elif (name == "broadcast" and owner == "venue") or (
                name == PASSED and owner == "failpoints"
            ):
                what = "send"
            if what is not None:
                found.append(Site(function, call.lineno, call.end_lineno or call.lineno, what))
    return tuple(found)


def strays() -> list[str]:
    """Sends that pass no failpoint: nodes are given transactions by the venue alone, Telegram
    messages by one module of the chat.
    """
    found = []
    for path, tree in sources():
        module = module_of(path)
        for call in _calls(tree):
            name, owner = _called(call), _owner(call)
            to_node = name == "broadcast" and owner == "node" and not module.startswith("core.dydx")
            to_chat = owner == "bot" and (name or "").startswith(CHAT_VERBS)
            if (to_node and module != BROADCASTING) or (to_chat and module not in CHAT_SENDERS):
                found.append(f"{module}:{call.lineno} {owner}.{name}")
    return found


def _calls_by_function(tree: ast.AST, name: str) -> Iterator[tuple[str, ast.Call]]:
    """Each call with the dotted name of what it stands in, as a frame's code names it."""
    for node in ast.iter_child_nodes(tree):
        inner = name
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{name}.{node.name}"
        if isinstance(node, ast.Call):
            yield inner, node
        yield from _calls_by_function(node, inner)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node


def _names(node: ast.AST, function: str) -> bool:
    """Whether it is a call of a bare name."""
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function
    )


def _called(call: ast.Call) -> str | None:
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


def _owner(call: ast.Call) -> str | None:
    """The last name before the dot of a call: `x.ledger.commit()` has `ledger`."""
    if not isinstance(call.func, ast.Attribute):
        return None
    value = call.func.value
    if isinstance(value, ast.Attribute):
        return value.attr.lstrip("_")
    return value.id.lstrip("_") if isinstance(value, ast.Name) else None
