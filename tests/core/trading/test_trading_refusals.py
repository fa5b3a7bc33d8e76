"""What the desk may refuse is documented, code by code."""

from __future__ import annotations

import ast
from pathlib import Path

import core.trading
from core.trading.risk.rules import REFUSALS

DESK = Path(core.trading.__file__).parent
DOCUMENT = DESK.parent.parent / "docs" / "webhook.md"


def codes_of(source: str) -> set[str]:
    """The codes that a module gives to the reasons of what is not carried out."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        first = node.args[0]
        if name in ("Refusal", "Missed") and isinstance(first, ast.Constant):
            found.add(str(first.value))
    return found


def test_every_code_of_a_refusal_is_in_the_document_for_alerts() -> None:
    codes = {code for file in DESK.rglob("*.py") for code in codes_of(file.read_text())} | REFUSALS
    assert len(codes) > 40  # else they are written in another way now
    text = DOCUMENT.read_text()
    assert sorted(code for code in codes if f"`{code}`" not in text) == []


def test_a_code_that_nobody_wrote_down_is_found() -> None:
    assert codes_of('raise Refusal("brand_new", "No.")') == {"brand_new"}
