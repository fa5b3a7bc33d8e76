"""The forms that settings are written in. Each function returns the value made uniform."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")


def malformed(problem: str) -> PydanticCustomError:
    """A fault whose text continues the setting's name, such as "has no host"."""
    return PydanticCustomError("malformed", "{problem}", {"problem": problem})


def comma_list(value: object) -> object:
    """`a, b` as a tuple; empty parts are left out."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def telegram_token(value: SecretStr | None) -> SecretStr | None:
    """A bot's token: a number, a colon, letters and digits."""
    if value is not None and not TOKEN.fullmatch(value.get_secret_value()):
        raise malformed("is no Telegram token")
    return value


def bare_url(value: str) -> str:
    """An http address without query and without a slash at its end."""
    _check(value, ("http", "https"))
    if "?" in value or "#" in value:
        raise malformed("must not have a query")
    return value.rstrip("/")


def grpc_endpoints(value: object) -> object:
    """`host:port` means TLS; ports left out are 443 with TLS and 80 without."""
    parts = comma_list(value)
    if not isinstance(parts, tuple):
        return value
    if not parts:
        raise malformed("names no endpoint")
    return tuple(_endpoint(part, place) for place, part in enumerate(parts, start=1))


def _endpoint(text: str, place: int) -> str:
    address = text if "://" in text else f"https://{text}"
    try:
        parts = _check(address, ("http", "https", "insecure"))
        if parts.path not in ("", "/"):
            raise malformed("must not have a path")
    except PydanticCustomError as error:
        raise malformed(f"is malformed in place {place}: it {error.message()}") from None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def indexer_root(value: str | None) -> str | None:
    """An indexer's address without the `/v4` that its routes begin with."""
    return None if value is None else bare_url(value).removesuffix("/v4")


def websocket_address(value: str | None) -> str | None:
    """A whole websocket address; without a path it gets the indexer's own."""
    if value is None:
        return None
    parts = _check(value, ("ws", "wss"))
    return value.rstrip("/") + "/v4/ws" if parts.path in ("", "/") else value


def _check(value: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise malformed("has a malformed host or port") from None
    if parts.scheme not in schemes:
        raise malformed("must begin with " + " or ".join(f"{name}://" for name in schemes))
    if not parts.hostname or re.search(r"\s", value) or port == 0:
        raise malformed("has no usable host")
    return parts
