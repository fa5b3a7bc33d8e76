"""What a test needs from the machine and cannot bring along.

A missing need skips the test with its reason. Where `PERPGRAM_REQUIRE_<NEED>=1` is set, as .ci/run
does, it fails the test instead, so that nothing goes untested there unnoticed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final, NoReturn

import pytest

_COMMANDS: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
)
_PLACES: Final = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_PLAYWRIGHT_CACHES: Final = (".cache/ms-playwright", "Library/Caches/ms-playwright")
_NO_BROWSER: Final = (
    "no Chromium was found on this machine. Debian and Ubuntu: apt-get install chromium; "
    "elsewhere: .venv/bin/playwright install chromium"
)


def unmet(need: str, reason: str) -> NoReturn:
    """Skips the running test, or fails it where `PERPGRAM_REQUIRE_<need>` is 1."""
    if os.environ.get(f"PERPGRAM_REQUIRE_{need}") == "1":
        pytest.fail(f"required here, but {reason}", pytrace=False)
    pytest.skip(reason)


def browser_path() -> str:
    """The executable of a Chromium for browser tests; without one the test is skipped or failed."""
    for command in _COMMANDS:
        found = shutil.which(command)
        if found is not None:
            return found
    for place in [*_PLACES, *_downloaded()]:
        if os.access(place, os.X_OK):
            return place
    unmet("BROWSER", _NO_BROWSER)


def _downloaded() -> list[str]:
    """Browsers that Playwright fetched itself, the newest first."""
    home = Path.home()
    found: list[Path] = []
    for cache in _PLAYWRIGHT_CACHES:
        found += (home / cache).glob("chromium-*/chrome-*/chrome")
        found += (home / cache).glob("chromium-*/chrome-*/*.app/Contents/MacOS/*")
    return sorted(map(str, found), reverse=True)
