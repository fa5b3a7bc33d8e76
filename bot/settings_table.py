"""docs/settings.md, generated from the fields of the settings.

`python -m bot.settings_table` writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from bot.settings import Settings, secret_names
from bot.settings_sources import COMPOSE_NAMES

DOCUMENT: Final = Path("docs/settings.md")

HEAD: Final = """# Settings

<!-- Generated from bot/settings.py: python -m bot.settings_table -->

Settings come from the environment and from a file `.env` in the folder the program is started
in; the environment wins. An empty value counts as not set. A secret may also come from a file: the
setting's name with `_FILE` at its end names the file, such as
`BOT_TOKEN_FILE=/run/secrets/bot_token`.

A malformed value stops the start with one line. So does an unknown name in `.env`, or one in the
environment that begins with `DYDX_` or `PAPER_`. What compose itself reads from `.env` may stand
there too: `COMPOSE_…`, `DOCKER_…`, {compose}.

"""


def settings_document() -> str:
    """The whole page."""
    rows = ["| Setting | Default | Meaning |", "|---|---|---|"]
    for field, info in Settings.model_fields.items():
        name = field.upper()
        names = f"`{name}`"
        if name in secret_names() and name != "MASTER_KEY":
            names += f", `{name}_FILE`"
        extra: dict[str, Any] = info.json_schema_extra  # type: ignore[assignment]
        rows.append(f"| {names} | {_default(info.default, extra['shown'])} | {info.description} |")
    compose = ", ".join(f"`{name}`" for name in sorted(COMPOSE_NAMES))
    return HEAD.format(compose=compose) + "\n".join(rows) + "\n"


def _default(default: Any, shown: str) -> str:
    if shown:
        return shown if " " in shown else f"`{shown}`"
    if default is None or default == () or isinstance(default, SecretStr):
        return "–"
    return f"`{default}`"


def main() -> None:
    """Writes the page."""
    DOCUMENT.write_text(settings_document(), encoding="utf-8")


if __name__ == "__main__":
    main()
