"""The grammars of other platforms whose messages are understood: one module for each.

`PRESETS` lists them for the chat, `template` makes the message to paste, `known_in` finds the one
whose unmistakable shape a body has.
"""

from __future__ import annotations

from typing import Final

from core.signals.presets import (
    alertatron,
    altrady,
    autoview,
    finandy,
    hypertrade,
    junta,
    octobot,
    okx,
    threecommas,
    tickerly,
    traderspost,
    tradingview,
    tv_hub,
    wundertrading,
)
from core.signals.presets.common import Content, Preset, PriceOf

__all__ = ["PRESETS", "Content", "Preset", "PriceOf", "known_in", "preset_named"]

PRESETS: Final[tuple[Preset, ...]] = (
    traderspost.PRESET,
    threecommas.PRESET,
    octobot.PRESET,
    wundertrading.PRESET,
    tv_hub.PRESET,
    alertatron.PRESET,
    tickerly.PRESET,
    autoview.PRESET,
    finandy.PRESET,
    altrady.PRESET,
    okx.PRESET,
    junta.PRESET,
    hypertrade.PRESET,
    tradingview.PRESET,
)
_BY_NAME: Final = {preset.name: preset for preset in PRESETS}


def preset_named(name: str) -> Preset:
    """The preset of this name. Raises KeyError."""
    return _BY_NAME[name]


def known_in(content: Content) -> list[Preset]:
    """All presets whose shape a body's content has; the general one only where it has no other."""
    is_text = isinstance(content, str)
    found = [
        preset
        for preset in PRESETS
        if (preset.text if is_text else preset.json) and preset.knows(content)
    ]
    return [preset for preset in found if preset is not tradingview.PRESET] or found
