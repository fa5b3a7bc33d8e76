"""The parameters of a call, whichever way they were sent."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from bot.emulator.errors import bad_request

MAX_BODY_BYTES = 52 * 1024 * 1024
_WORDS = {"text", "caption", "description", "url"}


def word(value: Any, default: str = "") -> str:
    """A string field of a JSON object; what is no string counts as missing."""
    return value if isinstance(value, str) else default


@dataclass(frozen=True)
class Upload:
    """A file that came with the call."""

    file_name: str
    content_type: str
    content: bytes

    def summary(self) -> dict[str, Any]:
        """What the call log keeps of it."""
        return {
            "file_name": self.file_name,
            "content_type": self.content_type,
            "bytes": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(),
        }


@dataclass
class Parameters:
    """Values by name. A form sends strings, JSON typed values: the readers below take both."""

    values: dict[str, Any] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A string; empty where it is missing."""
        value = self.values.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        return json.dumps(value)

    def integer(
        self, name: str, default: int = 0, low: int | None = None, high: int | None = None
    ) -> int:
        """A whole number, cut to the range. What is no number counts as 0, as Telegram has it."""
        raw = self.text(name).strip()
        if not raw:
            number = default
        else:
            try:
                number = int(raw)
            except ValueError:
                number = 0
        if low is not None:
            number = max(low, number)
        if high is not None:
            number = min(high, number)
        return number

    def boolean(self, name: str) -> bool:
        """True for true, yes and 1."""
        return self.text(name).strip().lower() in {"true", "yes", "1"}

    def structure(self, name: str, what: str) -> Any:
        """A JSON value; None where it is missing. `what` names it in the error.

        Raises ApiError where a string does not hold JSON.
        """
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            return value
        try:
            return _decoded(value)
        except ValueError:
            raise bad_request(f"can't parse {what} JSON object") from None

    def logged(self) -> dict[str, Any]:
        """All of it for the call log: JSON in strings unfolded, files as summaries."""
        shown: dict[str, Any] = {}
        for name, value in self.values.items():
            shown[name] = value
            if isinstance(value, str) and value[:1] in {"[", "{"} and name not in _WORDS:
                with contextlib.suppress(ValueError):
                    shown[name] = json.loads(value)
        for name, upload in self.uploads.items():
            shown[name] = upload.summary()
        return shown


def _decoded(raw: str | bytes) -> Any:
    """JSON whose strings can be written as UTF-8. Raises ValueError for all else."""
    try:
        value = json.loads(raw)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


async def read_parameters(request: web.Request) -> Parameters:
    """Read query string and body. Raises ApiError where the body is not what its type says."""
    parameters = Parameters(values=dict(request.query))
    if request.method != "POST":
        return parameters
    kind = request.content_type
    if kind == "application/json":
        raw = await request.read()
        if not raw.strip():
            return parameters
        try:
            body = _decoded(raw)
        except ValueError:
            raise bad_request("can't parse JSON object") from None
        if not isinstance(body, dict):
            raise bad_request("can't parse JSON object")
        parameters.values.update({name: value for name, value in body.items() if value is not None})
    elif kind == "multipart/form-data":
        await _read_multipart(request, parameters)
    elif kind == "application/x-www-form-urlencoded":
        form = await request.post()
        parameters.values.update({name: str(value) for name, value in form.items()})
    return parameters


async def _read_multipart(request: web.Request, parameters: Parameters) -> None:
    try:
        reader = await request.multipart()
        async for part in reader:
            if not isinstance(part, BodyPartReader) or part.name is None:
                continue
            content = bytes(await part.read(decode=True))
            if part.filename is None:
                parameters.values[part.name] = content.decode("utf-8")
            else:
                parameters.uploads[part.name] = Upload(
                    file_name=part.filename,
                    content_type=part.headers.get("Content-Type", "application/octet-stream"),
                    content=content,
                )
    except (ValueError, AssertionError):
        raise bad_request("can't parse the multipart body") from None
