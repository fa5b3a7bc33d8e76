"""The vault: what is sealed opens for its own record only, and only with the right key."""

from __future__ import annotations

import base64
import os
import re
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import SystemRandom
from core.ledger.database import Ledger
from core.ledger.models import Credential
from core.vault import MasterKey, MasterKeys, Vault, VaultRefused, find_master_keys
from tests.core.ledger.ledger_kit import NOW, a_trader, an_account, opened

OLD = MasterKey(bytes(range(32)))
NEW = MasterKey(bytes(range(100, 132)))
RECORD = UUID("00000000-0000-4000-8000-000000000001")
PHRASE = b"merge panther lobster crazy road hollow amused security before critic about cliff"


def vault(active: MasterKey = OLD, *previous: MasterKey) -> Vault:
    return Vault(MasterKeys(active, previous), SystemRandom())


@given(st.binary(max_size=300), st.integers(-(2**31), 2**53), st.uuids())
def test_what_was_sealed_opens_as_it_was(plaintext: bytes, trader_id: int, record: UUID) -> None:
    sealed = vault().seal(plaintext, trader_id=trader_id, record=record)
    assert vault().open(sealed, trader_id=trader_id, record=record) == plaintext


def test_sealing_twice_never_gives_the_same_bytes() -> None:
    sealed = {vault().seal(PHRASE, trader_id=1, record=RECORD) for _ in range(50)}
    assert len(sealed) == 50
    keys_and_nonces = {one[11:23] for one in sealed} | {one[71:83] for one in sealed}
    assert len(keys_and_nonces) == 100


@pytest.mark.parametrize(
    ("trader_id", "record", "purpose"),
    [(2, RECORD, "credential"), (1, uuid4(), "credential"), (1, RECORD, "backup")],
)
def test_a_value_moved_to_another_trader_record_or_purpose_stays_shut(
    trader_id: int, record: UUID, purpose: str
) -> None:
    sealed = vault().seal(PHRASE, trader_id=1, record=RECORD)
    with pytest.raises(VaultRefused):
        vault().open(sealed, trader_id=trader_id, record=record, purpose=purpose)
    with pytest.raises(VaultRefused):
        vault(NEW, OLD).rewrap(sealed, trader_id=trader_id, record=record, purpose=purpose)


def test_another_master_key_opens_nothing() -> None:
    sealed = vault(OLD).seal(PHRASE, trader_id=1, record=RECORD)
    with pytest.raises(VaultRefused):
        vault(NEW).open(sealed, trader_id=1, record=RECORD)
    forged = sealed[:3] + NEW.id + sealed[11:]
    with pytest.raises(VaultRefused):
        vault(NEW).open(forged, trader_id=1, record=RECORD)


def test_a_record_key_from_another_sealed_value_opens_nothing() -> None:
    one = vault().seal(PHRASE, trader_id=1, record=RECORD)
    other = vault().seal(b"other", trader_id=1, record=RECORD)
    with pytest.raises(VaultRefused):
        vault().open(one[:71] + other[71:], trader_id=1, record=RECORD)


def test_every_damaged_byte_and_every_cut_is_noticed_in_the_same_words() -> None:
    sealed = vault().seal(PHRASE, trader_id=1, record=RECORD)
    texts = set()
    damaged = [sealed[:cut] for cut in range(len(sealed))]
    damaged += [
        sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))
    ]
    for value in [*damaged, sealed + b"\0"]:
        with pytest.raises(VaultRefused) as refused:
            vault().open(value, trader_id=1, record=RECORD)
        assert refused.value.__cause__ is None
        texts.add(str(refused.value))
    assert texts == {"a sealed value could not be opened"}


def test_rotation_wraps_the_key_anew_and_leaves_the_data() -> None:
    sealed = vault(OLD).seal(PHRASE, trader_id=1, record=RECORD)
    both = vault(NEW, OLD)
    assert not both.is_current(sealed)
    rotated = both.rewrap(sealed, trader_id=1, record=RECORD)
    assert both.is_current(rotated)
    assert rotated[71:] == sealed[71:]
    assert vault(NEW).open(rotated, trader_id=1, record=RECORD) == PHRASE
    with pytest.raises(VaultRefused):
        vault(OLD).open(rotated, trader_id=1, record=RECORD)


def test_a_wrong_master_key_is_noticed_by_the_canary_in_one_line() -> None:
    canary = vault(OLD).make_canary()
    vault(OLD).check_canary(canary)
    vault(NEW, OLD).check_canary(canary)
    assert not vault(NEW, OLD).canary_is_current(canary)
    for wrong in (canary, "", "no base64!", base64.b64encode(b"PV\x01").decode()):
        with pytest.raises(VaultRefused, match="not the one") as refused:
            vault(NEW).check_canary(wrong)
        assert "\n" not in str(refused.value)


def test_nothing_that_holds_a_key_shows_it() -> None:
    shown = repr([OLD, MasterKeys(OLD, (NEW,)), vault(OLD, NEW)]) + str(OLD) + f"{vault(NEW)}"
    for key in (OLD, NEW):
        assert key.secret.hex() not in shown
        assert repr(key.secret)[2:20] not in shown
        assert base64.b64encode(key.secret).decode() not in shown


@pytest.mark.parametrize(
    "text",
    [
        OLD.secret.hex(),
        OLD.secret.hex().upper() + "\n",
        base64.b64encode(OLD.secret).decode(),
        base64.urlsafe_b64encode(OLD.secret).decode().rstrip("="),
    ],
)
def test_a_master_key_is_read_as_hexadecimal_or_base64(text: str) -> None:
    assert MasterKey.parse(text, "MASTER_KEY") == OLD


@pytest.mark.parametrize("text", ["", "geheim", "ab" * 31, "ab" * 33, "!" * 44])
def test_what_is_no_master_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(VaultRefused, match="MASTER_KEY was no master key") as refused:
        MasterKey.parse(text, "MASTER_KEY")
    assert not text or text not in str(refused.value)


def find(file: Path, *, sealed: bool = False, given: str | None = None) -> MasterKeys:
    return find_master_keys(
        given=given, file=file, previous=None, ledger_is_sealed=sealed, random=SystemRandom()
    )


def test_the_first_start_makes_a_key_that_only_we_can_read(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "master.key"
    made = find(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["master.key"]
    assert find(file, sealed=True) == made


def test_a_missing_key_of_a_sealed_ledger_stops_the_start_and_none_is_made(
    tmp_path: Path,
) -> None:
    file = tmp_path / "keys" / "master.key"
    with pytest.raises(VaultRefused, match="is missing"):
        find(file, sealed=True)
    assert not file.parent.exists()


def test_a_key_that_is_empty_or_dangling_is_never_replaced(tmp_path: Path) -> None:
    empty, dangling = tmp_path / "empty", tmp_path / "dangling"
    empty.touch(mode=0o600)
    dangling.symlink_to(tmp_path / "nowhere")
    for file in (empty, dangling):
        with pytest.raises(VaultRefused):
            find(file)
    assert empty.read_bytes() == b""
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "master.key"
    find(file)
    file.chmod(mode)
    with pytest.raises(VaultRefused, match=re.escape(f"chmod 600 {file}")):
        find(file)


def test_a_mounted_secret_may_have_the_mode_its_engine_gave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "master.key"
    file.write_text(OLD.secret.hex())
    file.chmod(0o444)
    with pytest.raises(VaultRefused):
        find(file)
    monkeypatch.setattr("core.vault.SECRET_MOUNTS", (tmp_path,))
    assert find(file).active == OLD


def test_a_given_key_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    find(file)
    assert find(file, given=NEW.secret.hex()).active == NEW


def test_a_process_that_forbids_core_dumps_leaves_none() -> None:
    program = (
        "import resource, ctypes; from core.vault import forbid_core_dumps; forbid_core_dumps();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "(0, 0) 0"


@pytest.fixture
async def ledger(sqlite_ledger_url: str) -> AsyncIterator[Ledger]:
    async with opened(sqlite_ledger_url) as ledger:
        yield ledger


def on_disk(url: str) -> bytes:
    """Database, write-ahead log and all: used and free pages alike."""
    file = Path(url.removeprefix("sqlite://"))
    return b"".join(path.read_bytes() for path in sorted(file.parent.iterdir()))


async def test_a_credential_lies_sealed_on_disk_and_leaves_no_trace_when_erased(
    ledger: Ledger, sqlite_ledger_url: str
) -> None:
    account = await an_account(await a_trader())
    sealed = vault().seal(PHRASE * 40, trader_id=1, record=RECORD)
    async with ledger.executing():
        await Credential.create(
            record=RECORD,
            account_id=account.id,
            trader_id=1,
            kind="mnemonic",
            sealed=sealed,
            created_at=NOW,
        )
    stored = on_disk(sqlite_ledger_url)
    assert sealed[-400:] in stored  # the search below can find what is there
    for secret in (PHRASE, PHRASE.split()[1], OLD.secret, PHRASE.hex().encode()):
        assert secret not in stored
    async with ledger.executing():
        await Credential.filter(account_id=account.id).delete()
    await ledger.scrub()
    left = on_disk(sqlite_ledger_url)
    for at in range(0, len(sealed) - 32, 32):
        assert sealed[at : at + 32] not in left
