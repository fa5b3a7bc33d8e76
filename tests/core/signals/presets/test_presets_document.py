"""The document on presets names each of them, and its examples close a long as they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.signals.body import NAMES, PRESETS, open_body
from tests.core.signals.presets.preset_kit import told

DOCUMENT = (Path(__file__).parents[4] / "docs" / "presets.md").read_text()
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL))
EXAMPLES = {
    name: re.findall(r"^```\w+\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    for name, section in SECTIONS.items()
}


def test_every_preset_has_a_section_and_a_row() -> None:
    assert [name for name in SECTIONS if name in NAMES] == [preset.name for preset in PRESETS]
    for name in NAMES:
        assert f"| `{name}`" in DOCUMENT


@pytest.mark.parametrize("name", [preset.name for preset in PRESETS])
def test_its_example_closes_a_long_and_is_known_by_its_shape(name: str) -> None:
    (example,) = EXAMPLES[name]

    assert open_body(example.encode()).preset == name
    assert open_body(example.encode()).secret == "…"
    expected = "reduce SELL 0.5 1.5" if name in ("octobot", "tickerly") else "close SELL 2 0"
    assert told(example, "2", name) == expected
