"""Envelope encryption of credentials.

Every record has a key of its own; the master key only wraps that key. Both layers are AES-256-GCM
and bound to the trader, the record and the purpose, so that a sealed value that was moved to
another row opens nowhere. Rotation wraps the record keys anew and leaves the data alone.

Sealed, in bytes: `PV`, version (1), id of the master key (8), nonce (12), wrapped record key (48),
nonce (12), ciphertext with its tag.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import ctypes
import hashlib
import os
import resource
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.clock import Random

CREDENTIAL: Final = "credential"

_MAGIC: Final = b"PV\x01"
_ID: Final = 8
_NONCE: Final = 12
_KEY: Final = 32
_WRAPPED: Final = _KEY + 16
_HEADER: Final = len(_MAGIC) + _ID
_DATA: Final = _HEADER + _NONCE + _WRAPPED

_CANARY_TEXT: Final = b"the master key of this ledger"
_CANARY: Final = "canary"
_NOBODY: Final = 0
_NO_RECORD: Final = UUID(int=0)

# Where containers and service managers mount secrets; their modes are not ours to choose.
SECRET_MOUNTS: Final = (Path("/run/secrets"), Path("/run/credentials"))


class VaultRefused(Exception):
    """The vault did not open. The text is one line and says nothing about what was sealed."""


@dataclass(frozen=True)
class MasterKey:
    """32 bytes that wrap record keys. Its id is a hash of it and no secret."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY:
            raise VaultRefused("a master key was not 32 bytes long")

    @property
    def id(self) -> bytes:
        return hashlib.sha256(b"perpgram master key id\x00" + self.secret).digest()[:_ID]

    @classmethod
    def parse(cls, text: str, where: str) -> MasterKey:
        """From 64 hexadecimal digits or base64. `where` names the source in the refusal."""
        compact = text.strip()
        with contextlib.suppress(ValueError, binascii.Error, VaultRefused):
            return cls(bytes.fromhex(compact))
        with contextlib.suppress(ValueError, binascii.Error, VaultRefused):
            standard = compact.replace("-", "+").replace("_", "/")
            return cls(base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True))
        raise VaultRefused(
            f"{where} was no master key: 32 bytes are wanted, "
            "as 64 hexadecimal digits or as base64 (openssl rand -hex 32)"
        )

    def __repr__(self) -> str:
        return f"MasterKey(id={self.id.hex()})"


@dataclass(frozen=True)
class MasterKeys:
    """The key that seals, and earlier ones that may still open."""

    active: MasterKey
    previous: tuple[MasterKey, ...] = ()

    def find(self, key_id: bytes) -> MasterKey | None:
        """The key of this id, if we have it."""
        return next((key for key in (self.active, *self.previous) if key.id == key_id), None)


class Vault:
    """Seals and opens. Holds the master keys in memory and shows them to nobody."""

    def __init__(self, keys: MasterKeys, random: Random) -> None:
        self._keys = keys
        self._random = random

    def __repr__(self) -> str:
        return f"Vault({self._keys.active!r})"

    def seal(
        self, plaintext: bytes, *, trader_id: int, record: UUID, purpose: str = CREDENTIAL
    ) -> bytes:
        """Encrypts for this trader, record and purpose only."""
        bound = _bound(trader_id, record, purpose)
        record_key = self._random.token_bytes(_KEY)
        nonce = self._random.token_bytes(_NONCE)
        data = AESGCM(record_key).encrypt(nonce, plaintext, b"data\x00" + bound)
        return self._wrap(record_key, bound) + nonce + data

    def open(
        self, sealed: bytes, *, trader_id: int, record: UUID, purpose: str = CREDENTIAL
    ) -> bytes:
        """Decrypts. Raises VaultRefused, whatever the reason, with the same text."""
        bound = _bound(trader_id, record, purpose)
        record_key = self._unwrap(sealed, bound)
        nonce, data = sealed[_DATA : _DATA + _NONCE], sealed[_DATA + _NONCE :]
        try:
            return AESGCM(record_key).decrypt(nonce, data, b"data\x00" + bound)
        except (InvalidTag, ValueError):
            raise _refused() from None

    def rewrap(
        self, sealed: bytes, *, trader_id: int, record: UUID, purpose: str = CREDENTIAL
    ) -> bytes:
        """The same value under the active master key; the data itself is not decrypted."""
        bound = _bound(trader_id, record, purpose)
        return self._wrap(self._unwrap(sealed, bound), bound) + sealed[_DATA:]

    def is_current(self, sealed: bytes) -> bool:
        """Whether the active master key wraps it; what is not current wants `rewrap`."""
        return sealed[:_HEADER] == _MAGIC + self._keys.active.id

    def make_canary(self) -> str:
        """A text for the ledger by which a wrong master key is noticed at the start."""
        sealed = self.seal(_CANARY_TEXT, trader_id=_NOBODY, record=_NO_RECORD, purpose=_CANARY)
        return base64.b64encode(sealed).decode()

    def check_canary(self, canary: str) -> None:
        """Raises VaultRefused when none of our master keys made it."""
        try:
            sealed = base64.b64decode(canary, validate=True)
            text = self.open(sealed, trader_id=_NOBODY, record=_NO_RECORD, purpose=_CANARY)
        except (VaultRefused, ValueError):
            text = b""
        if text != _CANARY_TEXT:
            raise VaultRefused(
                f"the master key (id {self._keys.active.id.hex()}) is not the one that this ledger "
                "was sealed with; bring back the right MASTER_KEY or keys/master.key"
            )

    def canary_is_current(self, canary: str) -> bool:
        """Whether the active key made it; else a new one is due after a rotation."""
        return self.is_current(base64.b64decode(canary))

    def _wrap(self, record_key: bytes, bound: bytes) -> bytes:
        key = self._keys.active
        nonce = self._random.token_bytes(_NONCE)
        wrapped = AESGCM(key.secret).encrypt(nonce, record_key, b"key\x00" + key.id + bound)
        return _MAGIC + key.id + nonce + wrapped

    def _unwrap(self, sealed: bytes, bound: bytes) -> bytes:
        key = self._keys.find(sealed[len(_MAGIC) : _HEADER])
        if not sealed.startswith(_MAGIC) or key is None or len(sealed) < _DATA + _NONCE:
            raise _refused()
        nonce, wrapped = sealed[_HEADER : _HEADER + _NONCE], sealed[_HEADER + _NONCE : _DATA]
        try:
            return AESGCM(key.secret).decrypt(nonce, wrapped, b"key\x00" + key.id + bound)
        except (InvalidTag, ValueError):
            raise _refused() from None


def _refused() -> VaultRefused:
    return VaultRefused("a sealed value could not be opened")


def _bound(trader_id: int, record: UUID, purpose: str) -> bytes:
    return purpose.encode() + b"\x00" + trader_id.to_bytes(8, "big", signed=True) + record.bytes


def find_master_keys(
    *,
    given: str | None,
    file: Path,
    previous: str | None,
    ledger_is_sealed: bool,
    random: Random,
) -> MasterKeys:
    """The master keys of this installation; a first one is made when there was none yet.

    `given` (from the environment) wins over `file`. `ledger_is_sealed` says that the ledger holds a
    canary or credentials: then a new key is never made. Raises VaultRefused with one line.
    """
    older = (MasterKey.parse(previous, "MASTER_KEY_PREVIOUS"),) if previous else ()
    if given is not None:
        return MasterKeys(MasterKey.parse(given, "MASTER_KEY"), older)
    if os.path.lexists(file):
        return MasterKeys(_read_key(file), older)
    if ledger_is_sealed:
        raise VaultRefused(
            f"the master key {file} is missing, but the ledger holds credentials sealed with it; "
            "bring it back from its copy, a new one would not open them"
        )
    return MasterKeys(_make_key(file, random), older)


def _read_key(file: Path) -> MasterKey:
    try:
        with file.open("rb") as opened:
            facts = os.fstat(opened.fileno())
            text = opened.read(1024).decode("ascii", "replace")
    except OSError as error:
        raise VaultRefused(f"the master key {file} could not be read: {error.strerror}") from None
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO) and not _is_mounted_secret(file):
        raise VaultRefused(
            f"the master key {file} can be read by others; make it yours alone: chmod 600 {file}"
        )
    return MasterKey.parse(text, str(file))


def _is_mounted_secret(file: Path) -> bool:
    """A secret that a container engine or service manager mounted: read-only, or in its place.

    Their modes (often 0444) are chosen by the engine and cannot be changed from inside.
    """
    if os.statvfs(file).f_flag & os.ST_RDONLY:
        return True
    return any(file.absolute().is_relative_to(place) for place in SECRET_MOUNTS)


def _make_key(file: Path, random: Random) -> MasterKey:
    """Written completely and synced before it bears its name; an existing key is never replaced."""
    key = MasterKey(random.token_bytes(_KEY))
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, key.secret.hex().encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            os.link(unfinished, file)
        finally:
            unfinished.unlink()
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise VaultRefused(f"the master key {file} could not be made: {error.strerror}") from None
    return key


def forbid_core_dumps() -> None:
    """No memory image of this process reaches a disk or another user's debugger."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        pr_set_dumpable = 4
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_dumpable, 0, 0, 0, 0)
