"""The frame around the program: lock, make targets, CI, container, proxy, documents."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bot.cli import parser
from bot.settings import Settings, load_settings
from bot.settings_sources import COMPOSE_NAMES
from tests import needs

ROOT = Path(__file__).resolve().parent.parent
INSTALL_PAGES = sorted(ROOT.glob("docs/install-*.md"))
TOKEN = "123456789:AAF-0123456789abcdefghijklmnopqrstuv"
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]

# The files of dydx-v4-client 1.1.5 and v4-proto 9.6.1 that were reviewed: wheel and source.
REVIEWED = {
    ("dydx-v4-client", "1.1.5"): {
        "sha256:8fc0b90abbd38ca38454ebaa3d3e9c5a46137184d0d9c33537b152aed3c731f5",
        "sha256:c5a2d16863a83bfa32940f8f55d1a0ab7dc175736ab42e7958c98571a0d6d582",
    },
    ("v4-proto", "9.6.1"): {
        "sha256:22f6a0de82ec32ce0a28c9d3cc36d060c87eab9518a056dc14887e4b016e4d56",
        "sha256:f5daecab7b0fe950a3103fa7e1139584eda606005ba57c436e2563eef7e4adc7",
    },
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    return tomllib.loads(read("uv.lock"))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


def files_of(package: dict[str, Any]) -> list[dict[str, Any]]:
    found = list(package.get("wheels", []))
    return [*found, package["sdist"]] if "sdist" in package else found


# The lock


@pytest.mark.parametrize(("name", "version"), REVIEWED)
def test_the_client_and_its_stubs_are_locked_to_the_reviewed_files(
    lock: dict[str, Any], name: str, version: str
) -> None:
    found = [package for package in lock["package"] if package["name"] == name]
    assert [package["version"] for package in found] == [version]
    assert {file["hash"] for file in files_of(found[0])} == REVIEWED[name, version]


@pytest.mark.parametrize("requirement", ["dydx-v4-client==1.1.5", "v4-proto==9.6.1"])
def test_the_project_asks_for_exactly_the_reviewed_versions(
    project: dict[str, Any], requirement: str
) -> None:
    assert requirement in project["project"]["dependencies"]


def test_the_client_in_use_is_the_locked_one() -> None:
    from importlib.metadata import version

    assert version("dydx-v4-client") == "1.1.5"
    assert version("v4-proto") == "9.6.1"


def test_every_locked_file_has_a_hash(lock: dict[str, Any]) -> None:
    outside = [package for package in lock["package"] if package["source"] != {"editable": "."}]
    assert len(outside) > 50
    for package in outside:
        assert "registry" in package["source"], package["name"]
        assert files_of(package), package["name"]
        for file in files_of(package):
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]), package["name"]


def test_the_lock_was_made_from_the_projects_requirements(
    lock: dict[str, Any], project: dict[str, Any]
) -> None:
    ours = next(package for package in lock["package"] if package["name"] == "perpgram")
    locked = ours["metadata"]
    assert names_and_bounds(locked["requires-dist"]) == asked(project["project"]["dependencies"])
    for group, requirements in project["dependency-groups"].items():
        assert names_and_bounds(locked["requires-dev"][group]) == asked(requirements)


def names_and_bounds(rows: list[dict[str, Any]]) -> set[tuple[str, frozenset[str]]]:
    return {(row["name"], frozenset(row.get("specifier", "").split(","))) for row in rows}


def asked(requirements: list[str]) -> set[tuple[str, frozenset[str]]]:
    found = set()
    for requirement in requirements:
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?([^;]*)", requirement)
        assert match is not None
        found.add((match[1].lower(), frozenset(match[2].strip().split(","))))
    return found


def test_new_releases_wait_a_week_before_they_enter_the_lock(
    lock: dict[str, Any], project: dict[str, Any]
) -> None:
    assert project["tool"]["uv"]["exclude-newer"] == "7 days"
    assert lock["options"]["exclude-newer-span"] == "P7D"


def test_the_installer_itself_is_pinned_by_hash() -> None:
    lines = [line for line in read("requirements/uv.txt").splitlines() if line[:1] != "#"]
    joined = " ".join(lines).replace("\\", " ").split()
    assert re.fullmatch(r"uv==\d+\.\d+\.\d+", joined[0])
    assert len(joined) > 10
    assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", part) for part in joined[1:])


# Make and CI


def make_targets() -> dict[str, list[str]]:
    found = {}
    for line in read("Makefile").splitlines():
        if match := re.match(r"([a-z]+):([^=]*?)(##.*)?$", line):
            found[match[1]] = match[2].split()
    return found


def test_every_target_that_runs_the_program_installs_it_first() -> None:
    targets = make_targets()
    assert set(targets) >= {"demo", "story", "test", "lint", "bench", "run"}
    for name, needed in targets.items():
        if name not in {"help", "clean"}:
            assert needed == ["$(STAMP)"], name


def test_make_calls_only_what_exists() -> None:
    makefile, commands = read("Makefile"), subparsers()
    for called in re.findall(r"-m bot (\w+)", makefile):
        assert called in commands
    modules = set(re.findall(r"\$\(BIN\)/python -m ([\w.]+)", makefile)) - {"pip"}
    assert modules >= {"bot", "pytest", "tests.bench"}
    for module in modules:
        assert importlib.util.find_spec(f"{module}.__main__") is not None, module


def test_ci_runs_lint_story_and_the_readmes_test_command() -> None:
    quick_start = read("README.md").split("## Try it")[1].split("```")[1].split("\n")
    assert [line for line in quick_start if line] == ["make demo", "make test"]
    ci = read(".ci/run")
    assert re.search(r"^make lint$", ci, re.MULTILINE)
    assert re.search(r"^make story$", ci, re.MULTILINE)
    assert re.search(r"^PYTEST_ADDOPTS=\S+ make test ", ci, re.MULTILINE)
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_every_command_the_documents_name_exists() -> None:
    targets, commands = make_targets(), subparsers()
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"(?:^|`|&& )make ([a-z]+)(?=`|$| &&)", text, re.MULTILINE):
            assert target in targets, (document.name, target)
        for command in re.findall(r"(?:bin/|perpgram |`)perpgram ([a-z][a-z-]+)(?=[`\s])", text):
            assert command in commands, (document.name, command)


def subparsers() -> set[str]:
    for action in parser()._actions:
        if action.dest == "command":
            assert action.choices is not None
            return set(action.choices)
    raise AssertionError("the command line has no commands")


@pytest.mark.parametrize(
    ("required", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_a_missing_browser_skips_a_test_but_fails_it_where_ci_requires_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PERPGRAM_REQUIRE_BROWSER", required)
    monkeypatch.setattr(needs, "_PLACES", ())
    with pytest.raises(outcome, match="no Chromium was found"):
        needs.browser_path()


def test_a_browser_on_the_path_or_fetched_by_playwright_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(needs, "_PLACES", ())
    fetched = tmp_path / ".cache/ms-playwright/chromium-1200/chrome-linux/chrome"
    fetched.parent.mkdir(parents=True)
    fetched.touch(mode=0o755)
    assert needs.browser_path() == str(fetched)
    installed = tmp_path / "chromium"
    installed.touch(mode=0o755)
    assert needs.browser_path() == str(installed)


# Container


def test_the_image_installs_by_hash_and_runs_as_an_ordinary_user() -> None:
    text = read("Dockerfile")
    assert "--require-hashes --only-binary :all: -r requirements/uv.txt" in text
    assert text.count("uv sync --frozen --no-dev") == 2
    last_stage = text.rsplit("\nFROM ", 1)[1]
    assert re.findall(r"^USER (\w+)$", last_stage, re.MULTILINE) == ["perpgram"]
    assert "HTTP_HOST=0.0.0.0" in last_stage
    assert 'VOLUME ["/data", "/keys"]' in last_stage
    assert "STOPSIGNAL SIGTERM" in last_stage
    for command in re.findall(r'CMD \["(?:perpgram", ")?([a-z]+)"\]', last_stage):
        assert command in subparsers()


def test_the_image_holds_every_room_and_the_build_context_nothing_else(
    project: dict[str, Any],
) -> None:
    copied = set()
    for line in read("Dockerfile").splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied |= {part.split("/")[0] for part in line.split()[1:-1]}
    rooms = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert rooms <= copied
    assert set(project["project"]["license-files"]) | {project["project"]["readme"]} <= copied
    allowed = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    assert allowed == copied


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """compose.yaml as data. PyYAML is not among our dependencies; Debian's Python often has it."""
    code = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    for python in (sys.executable, "/usr/bin/python3", shutil.which("python3") or "python3"):
        with (ROOT / "compose.yaml").open("rb") as opened:
            try:
                done = subprocess.run(
                    [python, "-c", code], stdin=opened, capture_output=True, check=True, timeout=30
                )
            except (OSError, subprocess.CalledProcessError):
                continue
        loaded: dict[str, Any] = json.loads(done.stdout)
        return loaded
    return needs.unmet("YAML", "no Python with PyYAML was found to read compose.yaml")


def test_only_the_proxy_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    published = {name: row.get("ports", []) for name, row in compose["services"].items()}
    assert published.pop("caddy") == ["80:80", "443:443"]
    ports = [port for rows in published.values() for port in rows]
    assert sorted(ports) == ["127.0.0.1:8080:8080", "127.0.0.1:8090:8090"]


def test_the_bot_starts_without_a_profile_and_the_rest_only_with_one(
    compose: dict[str, Any],
) -> None:
    profiles = {name: row.get("profiles", []) for name, row in compose["services"].items()}
    assert profiles == {
        "perpgram": [],
        "postgres": ["postgres"],
        "demo": ["demo"],
        "caddy": ["caddy"],
        "gate": ["tunnel"],
        "cloudflared": ["tunnel"],
    }


@pytest.mark.parametrize("name", ["perpgram", "demo", "caddy", "gate", "cloudflared"])
def test_a_service_cannot_write_its_root_or_gain_rights(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service.get("cap_add", [])) <= {"NET_BIND_SERVICE"}


def test_every_service_is_bounded_and_rotates_its_log(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["logging"]["driver"] == "json-file", name
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name


def test_keys_have_a_volume_of_their_own_that_only_the_bot_mounts(compose: dict[str, Any]) -> None:
    volumes = {name: row.get("volumes", []) for name, row in compose["services"].items()}
    assert set(volumes.pop("perpgram")) == {"data:/data", "keys:/keys"}
    others = [volume for rows in volumes.values() for volume in rows]
    assert not [volume for volume in others if volume.startswith(("data:", "keys:"))]


def test_docker_waits_longer_than_the_drain_takes(compose: dict[str, Any]) -> None:
    waits = [
        float(seconds)
        for path in ROOT.glob("bot/*.py")
        for seconds in re.findall(r"^DRAIN_S\b.*= ([\d.]+)$", path.read_text(), re.MULTILINE)
    ]
    assert waits
    grace = compose["services"]["perpgram"]["stop_grace_period"]
    assert float(grace.removesuffix("s")) >= sum(waits) + 5
    assert compose["services"]["perpgram"]["restart"] == "unless-stopped"


def test_the_tunnel_reaches_nothing_but_the_gate(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["cloudflared"]["networks"] == ["edge"]
    on_edge = {name for name, row in services.items() if "edge" in row["networks"]}
    assert on_edge == {"cloudflared", "gate"}


def test_the_database_has_no_way_to_the_internet(compose: dict[str, Any]) -> None:
    assert compose["services"]["postgres"]["networks"] == ["ledger"]
    assert compose["networks"]["ledger"]["internal"] is True


def test_images_have_exact_tags(compose: dict[str, Any]) -> None:
    images = {row["image"] for row in compose["services"].values()} - {"perpgram:local"}
    images.add(re.findall(r"ARG PYTHON_IMAGE=(\S+)", read("Dockerfile"))[0])
    assert len(images) == 4
    for image in images:
        assert re.fullmatch(r"[\w/]+:\d+\.\d+(\.\d+)?(-\w+)*", image), image


def test_every_name_that_compose_asks_for_is_known_to_the_settings_and_in_the_example() -> None:
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)", read("compose.yaml")))
    assert wanted == COMPOSE_NAMES
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", read(".env.example"), re.MULTILINE))
    assert wanted | {"BOT_TOKEN", "COMPOSE_PROFILES"} <= named


def test_the_example_sets_nothing_but_the_token() -> None:
    lines = read(".env.example").splitlines()
    assert [line for line in lines if line and line[0] != "#"] == ["BOT_TOKEN="]


def test_the_example_with_every_line_in_use_starts_the_bot(tmp_path: Path) -> None:
    text = re.sub(r"^# (?=[A-Z_]+=)", "", read(".env.example"), flags=re.MULTILINE)
    settings = settings_of(text.replace("BOT_TOKEN=", f"BOT_TOKEN={TOKEN}"), tmp_path)
    settings.refuse_unready()
    assert settings.public_url_problem() is None
    assert settings.starts_paper


@pytest.mark.parametrize("page", INSTALL_PAGES, ids=lambda page: page.stem)
def test_the_settings_of_an_install_page_start_the_bot(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = [block for block in text.split("```")[1::2] if block.startswith("\nBOT_TOKEN=")]
    if page.stem == "install-laptop":
        assert "`BOT_TOKEN=…`" in text
        blocks = ["BOT_TOKEN="]
    (block,) = blocks
    # the page's address is one of those kept for documents
    block = re.sub(r"BOT_TOKEN=\S*", f"BOT_TOKEN={TOKEN}", block).replace("203.0.113.7", "9.9.9.9")
    settings = settings_of(block, tmp_path)
    settings.refuse_unready()
    problem = settings.public_url_problem()
    expected = {"install-laptop": "cannot reach", "install-vps-no-domain": "can read"}
    assert expected.get(page.stem, "None") in str(problem)


def settings_of(text: str, folder: Path) -> Settings:
    env_file = folder / ".env"
    env_file.write_text(text, encoding="utf-8")
    return load_settings({}, env_file)


# The proxy, run for real where there is a Caddy


class _Upstream(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"reached " + self.path.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        """Quiet."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The tunnel's filter before a server that answers everything: its address and its log."""
    caddy = shutil.which("caddy")
    if caddy is None:
        needs.unmet("CADDY", "no Caddy was found on this machine (Debian: apt-get install caddy)")
    folder = tmp_path_factory.mktemp("gate")
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    served = threading.Thread(target=upstream.serve_forever)
    served.start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name in ("public_paths.caddy", "gate.Caddyfile"):
        text = read(f"deploy/caddy/{name}")
        text = text.replace("perpgram:8080", f"127.0.0.1:{upstream.server_port}")
        text = text.replace(":8081", f"http://127.0.0.1:{port}")
        (folder / name).write_text(text)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [caddy, "run", "--config", "gate.Caddyfile", "--adapter", "caddyfile"],
            cwd=folder,
            env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.terminate()
        process.wait(timeout=20)
        upstream.shutdown()
        upstream.server_close()
        served.join(timeout=20)


def ask(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


@pytest.mark.parametrize("path", ["/api/webhooks/signal/0f9d-a948", "/app/index.html"])
def test_the_gate_lets_webhooks_and_the_web_app_through(gate: tuple[str, Path], path: str) -> None:
    assert ask(gate[0] + path) == (200, b"reached " + path.encode())


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics",
        "/healthz",
        "/readyz",
        "//metrics",
        "/api/webhooks/../../metrics",
        "/api/webhooks/%2e%2e/%2e%2e/metrics",
        "/app/..%2fmetrics",
        "/API",
    ],
)
def test_the_gate_answers_404_to_everything_else(gate: tuple[str, Path], path: str) -> None:
    assert ask(gate[0] + path) == (404, b"")


def test_the_gates_log_has_neither_a_webhooks_id_nor_a_query(gate: tuple[str, Path]) -> None:
    ask(gate[0] + "/api/webhooks/signal/beefcafe-0001?token=/hush")
    deadline = time.monotonic() + 10
    while '"uri":"/api/webhooks/signal"' not in gate[1].read_text():
        assert time.monotonic() < deadline, gate[1].read_text()
    assert "beefcafe" not in gate[1].read_text()
    assert "hush" not in gate[1].read_text()


# Documents


def test_the_licence_is_the_whole_agpl() -> None:
    text = read("LICENSE")
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in text.splitlines()[0]
    assert re.findall(r"^  (\d+)\. ", text, re.MULTILINE) == [str(n) for n in range(18)]
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "8486a10c4393cee1c25392769ddd3b2d6c242d6ec7928e1414efff7dfb2f07ef"


def test_there_is_an_install_page_for_each_kind_of_machine() -> None:
    assert [page.stem for page in INSTALL_PAGES] == [
        "install-home-server",
        "install-laptop",
        "install-vps-domain",
        "install-vps-no-domain",
    ]


@pytest.mark.parametrize("page", INSTALL_PAGES, ids=lambda page: page.stem)
def test_an_install_page_says_first_what_tradingview_needs_and_how_to_do_without(
    page: Path,
) -> None:
    before_the_steps = page.read_text(encoding="utf-8").split("\n## ", 1)[0]
    for needed in ("paid plan", "two-factor", "port 80", "443", "IPv4", "3 seconds"):
        assert needed in before_the_steps
    line = before_the_steps.split("```")[1].replace("\\\n", " ")
    assert line.split()[0] == "curl"


@pytest.mark.parametrize("page", INSTALL_PAGES, ids=lambda page: page.stem)
def test_the_curl_line_of_a_page_sends_an_alert_that_the_grammar_takes(
    page: Path, tmp_path: Path
) -> None:
    import datetime as dt

    from core.signals.alert import Action
    from core.signals.grammar import parse_alert, secret_of
    from core.signals.reading import read_object

    sent = tmp_path / "arguments"
    shell = tmp_path / "curl"
    shell.write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" > {shlex.quote(str(sent))}\n')
    shell.chmod(0o755)
    line = page.read_text(encoding="utf-8").split("```")[1]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["/bin/sh", "-c", line], env=environment, check=True, timeout=30)
    arguments = sent.read_bytes().split(b"\0")
    body = read_object(arguments[arguments.index(b"-d") + 1])
    alert = parse_alert(body, dt.datetime.now(dt.UTC))
    assert secret_of(body) == "SECRET"
    assert (alert.action, alert.symbol) == (Action.BUY, "BTC-USD")
    assert alert.time is not None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (document.parent / target).exists(), target
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        assert anchor in headings, anchor


def test_the_backup_line_copies_a_ledger_that_is_being_written(tmp_path: Path) -> None:
    line = next(line for line in read("docs/operations.md").splitlines() if "VACUUM INTO" in line)
    python = shlex.split(line)
    code = python[python.index("-c") + 1].replace("/data/", f"{tmp_path}/")
    with_wal = sqlite3.connect(tmp_path / "perpgram.db", isolation_level=None)
    try:
        with_wal.execute("PRAGMA journal_mode=WAL")
        with_wal.execute("CREATE TABLE t (n)")
        with_wal.execute("INSERT INTO t VALUES (1)")
        with_wal.execute("BEGIN IMMEDIATE")
        with_wal.execute("INSERT INTO t VALUES (2)")
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
        with_wal.execute("COMMIT")
    finally:
        with_wal.close()
    copy = sqlite3.connect(tmp_path / "backup.db")
    try:
        assert copy.execute("SELECT n FROM t").fetchall() == [(1,)]
    finally:
        copy.close()
