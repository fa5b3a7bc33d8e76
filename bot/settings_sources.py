"""Where settings come from: the environment, then `.env`, each value possibly from a file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from bot.errors import StartRefused

# What compose reads from the same .env: its own variables and those of our compose.yaml.
COMPOSE_PREFIXES: Final = ("COMPOSE_", "DOCKER_")
COMPOSE_NAMES: Final = frozenset({"DOMAIN", "TUNNEL_TOKEN", "POSTGRES_PASSWORD"})
# In the environment only names with these prefixes are ours beyond doubt.
OUR_PREFIXES: Final = ("DYDX_", "PAPER_")
MASTER_KEY: Final = "MASTER_KEY"
LONGEST_SECRET: Final = 4096


class SettingsError(StartRefused):
    """A setting was wrong; the text is one line that names it and the cure."""


def gather(
    environ: Mapping[str, str],
    env_file: Path,
    *,
    known: set[str],
    secrets: set[str],
    only: set[str] | None = None,
) -> dict[str, str]:
    """The values that were set, by name; empty ones count as not set. `only` leaves the rest out.

    Raises SettingsError for an unknown name, a file that cannot be read, and a secret that was
    given both ways in one place.
    """
    by_file = {f"{name}_FILE": name for name in secrets if name != MASTER_KEY}
    names = known | set(by_file)
    in_file = _read(env_file)
    _refuse_unknown(environ, in_file, names, only)
    found: dict[str, str] = {}
    for place, values in ((str(env_file), in_file), ("the environment", environ)):
        layer = {name: text for name in names if (text := (values.get(name) or "").strip())}
        for file_name, name in by_file.items():
            if file_name in layer:
                if name in layer:
                    raise SettingsError(
                        f"{name} and {file_name} are both set in {place}; keep one of them"
                    )
                layer[name] = _secret(file_name, Path(layer.pop(file_name)))
        if MASTER_KEY in layer and f"{MASTER_KEY}_FILE" in layer:
            raise SettingsError(
                f"MASTER_KEY and MASTER_KEY_FILE are both set in {place}; keep one of them"
            )
        if f"{MASTER_KEY}_FILE" in layer:
            found.pop(MASTER_KEY, None)
        found.update(layer)
    return found if only is None else {name: found[name] for name in found if name in only}


def _read(env_file: Path) -> dict[str, str]:
    try:
        with env_file.open(encoding="utf-8") as stream:
            lines = list(parse_stream(stream))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise SettingsError(f"{env_file} could not be read: {reason}") from None
    for line in lines:
        # the line itself is not repeated: it may hold a secret
        if line.error or (line.key is not None and line.value is None):
            raise SettingsError(
                f"{env_file} could not be read in line {line.original.line}; write NAME=value"
            )
    return {line.key: line.value for line in lines if line.key and line.value is not None}


def _refuse_unknown(
    environ: Mapping[str, str], in_file: Mapping[str, str], names: set[str], only: set[str] | None
) -> None:
    for name in in_file:
        if name in names or name in COMPOSE_NAMES or name.startswith(COMPOSE_PREFIXES):
            continue
        if only is None or name.startswith(OUR_PREFIXES):
            raise SettingsError(f"{name} in .env is not known{_nearest(name, names)}")
    for name in sorted(environ):
        if name.startswith(OUR_PREFIXES) and name not in names:
            raise SettingsError(f"{name} in the environment is not known{_nearest(name, names)}")


def _nearest(name: str, names: set[str]) -> str:
    close = difflib.get_close_matches(name.upper(), sorted(names | COMPOSE_NAMES), n=1, cutoff=0.5)
    cure = "take it out, or see docs/settings.md"
    return f"; did you mean {close[0]}? Else {cure}" if close else f"; {cure}"


def _secret(file_name: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(LONGEST_SECRET).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(
            f"{file_name} names {path}, which could not be read: {reason}; "
            "put the secret there or correct the path"
        ) from None
    if not text:
        raise SettingsError(f"{file_name} names {path}, which is empty; put the secret there")
    return text
