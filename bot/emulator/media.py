"""Photos, documents and albums: where the bytes come from and what Telegram takes."""

from __future__ import annotations

import struct
from typing import Any, Literal

from bot.emulator.errors import bad_request
from bot.emulator.parameters import Parameters, word
from bot.emulator.state import StoredFile, Telegram

Kind = Literal["photo", "document"]
Item = tuple[StoredFile, str, str, Any]

MAX_PHOTO_BYTES = 10 * 1024 * 1024
MAX_DOWNLOAD_BYTES = 20 * 1024 * 1024
_ATTACH = "attach://"


def file_of(
    telegram: Telegram, parameters: Parameters, kind: Kind, given: Any, field: str
) -> StoredFile:
    """The file that a call names: uploaded under `field`, attached, or a known file id.

    Raises ApiError where there is none or where it is no picture.
    """
    upload = parameters.uploads.get(field)
    if isinstance(given, str) and given.startswith(_ATTACH):
        upload = parameters.uploads.get(given.removeprefix(_ATTACH))
    if upload is not None:
        content = upload.content
        if not content:
            raise bad_request("file must be non-empty")
        if kind == "document":
            return telegram.keep_file(kind, upload.file_name, upload.content_type, content)
        if len(content) > MAX_PHOTO_BYTES:
            raise bad_request("file is too big for a photo")
        content_type, size = picture(content)
        if not content_type:
            raise bad_request("IMAGE_PROCESS_FAILED")
        if size[0] + size[1] > 10_000 or max(size) > 20 * min(size):
            raise bad_request("PHOTO_INVALID_DIMENSIONS")
        return telegram.keep_file(kind, upload.file_name, content_type, content, size)
    if not isinstance(given, str) or not given:
        raise bad_request(f"there is no {kind} in the request")
    if given.startswith(("http://", "https://")):
        raise bad_request("failed to get HTTP URL content")
    known = telegram.files.get(given)
    if known is None:
        raise bad_request(
            "wrong remote file identifier specified: can't unserialize it. Wrong last symbol"
        )
    if known.kind != kind:
        raise bad_request(f"can't use file of type {known.kind} as {kind}")
    return known


def picture(content: bytes) -> tuple[str, tuple[int, int]]:
    """Type and size in pixels of a PNG or JPEG; an empty type for everything else."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return ("image/png", (width, height)) if width and height else ("", (0, 0))
    if content[:2] == b"\xff\xd8":
        size = _jpeg_size(content)
        return ("image/jpeg", size) if size != (0, 0) else ("", (0, 0))
    return "", (0, 0)


def _jpeg_size(content: bytes) -> tuple[int, int]:
    position = 2
    while position + 9 < len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        length = int.from_bytes(content[position + 2 : position + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height = int.from_bytes(content[position + 5 : position + 7], "big")
            width = int.from_bytes(content[position + 7 : position + 9], "big")
            return width, height
        position += 2 + max(2, length)
    return 0, 0


def item_of(telegram: Telegram, parameters: Parameters, item: Any) -> Item:
    """One InputMedia: file, caption, parse mode, entities. Raises ApiError."""
    if not isinstance(item, dict):
        raise bad_request("can't parse InputMedia: expected an Object")
    kind = word(item.get("type"))
    if kind not in {"photo", "document"}:
        raise bad_request(f'can\'t parse InputMedia: type "{kind}" is not supported')
    wanted = item.get("media")
    if not isinstance(wanted, str) or not wanted:
        raise bad_request("can't parse InputMedia: media not found")
    chosen: Kind = "photo" if kind == "photo" else "document"
    file = file_of(telegram, parameters, chosen, wanted, "")
    caption, mode = word(item.get("caption")), word(item.get("parse_mode"))
    return file, caption, mode, item.get("caption_entities")


def group_of(telegram: Telegram, parameters: Parameters) -> list[Item]:
    """The items of an album. Raises ApiError."""
    items = parameters.structure("media", "media")
    if not isinstance(items, list):
        raise bad_request("expected an Array of InputMedia")
    if not items:
        raise bad_request("there are no messages to send")
    if len(items) > 10:
        raise bad_request("too many messages to send as an album")
    kinds = {word(item.get("type")) for item in items if isinstance(item, dict)}
    if len(kinds) > 1:
        raise bad_request("can't use the media of the specified type in the album")
    return [item_of(telegram, parameters, item) for item in items]


def get_file(telegram: Telegram, parameters: Parameters) -> Any:
    file_id = parameters.text("file_id")
    if not file_id:
        raise bad_request("file_id not specified")
    file = telegram.files.get(file_id)
    if file is None:
        raise bad_request("invalid file_id")
    if len(file.content) > MAX_DOWNLOAD_BYTES:
        raise bad_request("file is too big")
    return {
        "file_id": file.file_id,
        "file_unique_id": file.unique_id,
        "file_size": len(file.content),
        "file_path": file.path,
    }
