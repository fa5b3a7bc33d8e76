"""Settings: where they come from, what is refused and in which words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bot.errors import StartRefused
from bot.settings import (
    Settings,
    SettingsError,
    load_paper_settings,
    load_settings,
    public_url_problem,
)
from bot.settings_table import DOCUMENT, settings_document
from core.dydx.network import MAINNET, TESTNET

TOKEN = "123456:AAabc-DEF_ghijklmnopqrstuvwxyz01234"
ROOT = Path(__file__).parents[2]


def load(tmp_path: Path, dotenv: str = "", **environ: str) -> Settings:
    file = tmp_path / ".env"
    file.write_text(dotenv)
    return load_settings(environ, file)


def refusal(tmp_path: Path, dotenv: str = "", **environ: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, dotenv, **environ)
    line = str(refused.value)
    assert "\n" not in line
    return line


def test_without_any_setting_the_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path / "no-such-file")
    assert settings.networks == ("paper", "testnet")
    assert settings.database_url.get_secret_value() == "sqlite://data/perpgram.db"
    assert settings.starts_paper
    assert settings.paper_state_path == Path("data/paper").absolute()
    assert settings.network("testnet") == TESTNET
    assert settings.network("mainnet") == MAINNET


def test_the_environment_wins_over_the_file_and_empty_counts_as_not_set(tmp_path: Path) -> None:
    dotenv = "HTTP_PORT=1111\nSIGNUP=open\nLOG_LEVEL=\n"
    settings = load(tmp_path, dotenv, HTTP_PORT="2222", SIGNUP="  ", LOG_LEVEL="DEBUG")
    assert (settings.http_port, settings.signup, settings.log_level) == (2222, "open", "debug")


def test_a_secret_comes_from_a_file_and_the_place_that_counts_more_wins(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n")
    settings = load(tmp_path, "BOT_TOKEN=1:other", BOT_TOKEN_FILE=str(secret))
    assert settings.bot_token is not None
    assert settings.bot_token.get_secret_value() == TOKEN
    settings = load(tmp_path, f"BOT_TOKEN_FILE={secret}", BOT_TOKEN="2:this")
    assert settings.bot_token is not None
    assert settings.bot_token.get_secret_value() == "2:this"


def test_a_secret_given_both_ways_in_one_place_is_refused(tmp_path: Path) -> None:
    line = refusal(tmp_path, f"BOT_TOKEN={TOKEN}\nBOT_TOKEN_FILE=/run/secrets/token")
    assert "both set" in line
    assert TOKEN not in line
    assert "both set" in refusal(tmp_path, MASTER_KEY="ab" * 32, MASTER_KEY_FILE="keys/x")


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_secret_file_that_is_missing_or_empty_is_named(
    tmp_path: Path, content: str | None
) -> None:
    secret = tmp_path / "token"
    if content is not None:
        secret.write_text(content)
    line = refusal(tmp_path, BOT_TOKEN_FILE=str(secret))
    assert line.startswith("BOT_TOKEN_FILE names ")
    assert str(secret) in line


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("HTTP_PORT", "80a", "a port from 1 to 65535"),
        ("HTTP_PORT", "0", "a port from 1 to 65535"),
        ("PAPER_WS_PORT", "70000", "a port from 1 to 65535"),
        ("GOOD_TIL_BLOCKS", "21", "from 1 to 20"),
        ("GOOD_TIL_BLOCKS", "1.5", "from 1 to 20"),
        ("MONITOR_INTERVAL_S", "0", "seconds"),
        ("RECONCILE_ORDERS_S", "0", "seconds"),
        ("RECONCILE_IDLE_S", "never", "seconds"),
        ("RECONCILE_BUDGET_PERCENT", "100", "from 1 to 90"),
        ("NETWORKS", "paper,moonnet", "paper, testnet, mainnet"),
        ("NETWORKS", ",", "paper, testnet, mainnet"),
        ("ADMIN_IDS", "12,@ann", "numbers"),
        ("ADMIN_IDS", "-5", "numbers"),
        ("SIGNUP", "everybody", "open, approval or closed"),
        ("TELEGRAM_MODE", "pushing", "polling or webhook"),
        ("PUBLIC_URL", "desk.example.org", "https://desk.example.org"),
        ("PUBLIC_URL", "https://desk.example.org/?a=1", "https://desk.example.org"),
        ("PUBLIC_URL", "https://desk example.org", "https://desk.example.org"),
        ("TELEGRAM_API_URL", "ftp://x", "https://api.telegram.org"),
        ("LOG_LEVEL", "loud", "debug, info"),
        ("PAPER_PRICES", "moon", "mainnet, walk or still"),
    ],
)
def test_a_malformed_value_is_one_line_with_name_value_and_cure(
    tmp_path: Path, name: str, value: str, cure: str
) -> None:
    line = refusal(tmp_path, **{name: value})
    assert line.startswith(f"{name}={value} ")
    assert cure in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOT_TOKEN", "geheim"),
        ("DATABASE_URL", "mysql://u:geheim@h/x"),
        ("DATABASE_URL", "postgres://u:geheim@h"),
        ("DYDX_TESTNET_REST", "ftp://host/geheim"),
        ("DYDX_TESTNET_WS", "https://host/geheim"),
        ("DYDX_MAINNET_GRPC", "https://host/geheim"),
        ("DYDX_MAINNET_GRPC", "https://good:1,gopher://geheim"),
    ],
)
def test_what_may_be_secret_is_not_repeated(tmp_path: Path, name: str, value: str) -> None:
    line = refusal(tmp_path, **{name: value})
    assert line.startswith(f"{name} ")
    assert "geheim" not in line


def test_no_secret_shows_in_the_settings_themselves(tmp_path: Path) -> None:
    key = "ab" * 32
    settings = load(
        tmp_path,
        BOT_TOKEN=TOKEN,
        MASTER_KEY=key,
        MASTER_KEY_PREVIOUS=key,
        DATABASE_URL="postgres://u:geheim@h/x",
    )
    shown = repr(settings) + str(settings) + str(settings.model_dump())
    assert all(secret not in shown for secret in (TOKEN, key, "geheim"))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("BOT_TOKN", "BOT_TOKEN"),
        ("bot_token", "BOT_TOKEN"),
        ("DYDX_TESNET_GRPC", "DYDX_TESTNET_GRPC"),
        ("TUNEL_TOKEN", "TUNNEL_TOKEN"),
    ],
)
def test_an_unknown_name_in_the_file_stops_with_the_nearest_known(
    tmp_path: Path, name: str, nearest: str
) -> None:
    line = refusal(tmp_path, f"{name}=geheim")
    assert line.startswith(f"{name} in .env is not known")
    assert f"did you mean {nearest}?" in line
    assert "geheim" not in line


def test_what_compose_reads_from_the_file_is_known(tmp_path: Path) -> None:
    load(
        tmp_path,
        "COMPOSE_PROFILES=caddy\nDOMAIN=a.org\nTUNNEL_TOKEN=x\nPOSTGRES_PASSWORD=y\nDOCKER_HOST=z",
    )


def test_every_name_of_the_example_file_is_known(tmp_path: Path) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    names = {
        line.lstrip("# ").split("=")[0]
        for line in lines
        if line.lstrip("# ").split("=")[0].isupper() and "=" in line
    }
    assert "BOT_TOKEN" in names
    load(tmp_path, "".join(f"{name}=\n" for name in names))


@pytest.mark.parametrize("name", ["DYDX_TESNET_GRPC", "PAPER_PORT", "DYDX_MAINNET_FAUCET"])
def test_an_unknown_name_of_ours_in_the_environment_stops(tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path, **{name: "x"}).startswith(f"{name} in the environment is not known")


def test_names_of_others_in_the_environment_are_let_be(tmp_path: Path) -> None:
    load(tmp_path, HOME="/root", BOT_TOKN="x", PATH="/bin")


@pytest.mark.parametrize("line", ["BOT_TOKEN geheim", "BOT_TOKEN", 'SIGNUP="open'])
def test_a_line_that_is_no_setting_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    text = refusal(tmp_path, f"# comment\n\nLOG_LEVEL=info\n{line}\n")
    assert "line 4" in text
    assert "geheim" not in text


def test_a_setting_error_is_a_reason_not_to_start() -> None:
    assert issubclass(SettingsError, StartRefused)


def test_endpoints_are_taken_in_their_order_and_made_uniform(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        DYDX_TESTNET_GRPC="a.example.org, http://b:9090 ,insecure://c:1,https://[::1]:443/",
        DYDX_TESTNET_REST="https://indexer.example.org/v4/",
        DYDX_TESTNET_WS="wss://indexer.example.org",
        DYDX_TESTNET_CHAIN_ID="mine-1",
        DYDX_TESTNET_FAUCET="https://faucet.example.org/",
    )
    network = settings.network("testnet")
    assert network.grpc == (
        "https://a.example.org:443",
        "http://b:9090",
        "insecure://c:1",
        "https://[::1]:443",
    )
    assert network.rest == "https://indexer.example.org"
    assert network.ws == "wss://indexer.example.org/v4/ws"
    assert network.chain_id == "mine-1"
    assert network.faucet == "https://faucet.example.org"
    assert network.native_denom == TESTNET.native_denom


def test_another_paper_network_is_used_as_it_is_and_none_is_started(tmp_path: Path) -> None:
    settings = load(
        tmp_path, DYDX_PAPER_GRPC="http://p:1", DYDX_PAPER_REST="http://p:2", PAPER_WS_PORT="7"
    )
    assert not settings.starts_paper
    network = settings.network("paper")
    assert (network.grpc, network.rest, network.faucet) == (
        ("http://p:1",),
        "http://p:2",
        "http://p:2",
    )
    assert network.ws == "ws://127.0.0.1:7/v4/ws"
    other = load(tmp_path, DYDX_PAPER_FAUCET="http://f:3").network("paper")
    assert other.faucet == "http://f:3"


def test_paper_is_not_started_when_it_is_not_offered(tmp_path: Path) -> None:
    assert not load(tmp_path, NETWORKS="testnet").starts_paper


def test_the_papers_state_and_the_copies_lie_beside_the_ledger(tmp_path: Path) -> None:
    settings = load(tmp_path, DATABASE_URL=f"sqlite://{tmp_path}/x/my.db")
    assert settings.paper_state_path == tmp_path / "x" / "paper"
    assert settings.copies_path == tmp_path / "x" / "copies"
    assert load(tmp_path, PAPER_STATE="/srv/paper").paper_state_path == Path("/srv/paper")
    server = load(tmp_path, DATABASE_URL="postgres://u:p@h/x")
    assert server.copies_path == Path("data/copies")


def test_the_paper_process_is_told_all_of_its_settings(tmp_path: Path) -> None:
    settings = load(tmp_path, PAPER_GRPC_PORT="11", PAPER_REST_PORT="12", PAPER_PRICES="still")
    paper = load_paper_settings(settings.paper_environment(), tmp_path / "none")
    assert (paper.grpc_port, paper.rest_port, paper.prices) == (11, 12, "still")
    assert paper.state_dir == settings.paper_state_path.absolute()
    assert paper.governance is None


def test_under_run_the_papers_prices_follow_mainnet_unless_something_else_is_set(
    tmp_path: Path,
) -> None:
    def prices(**environ: str) -> tuple[str, str, str]:
        child = load(tmp_path, **environ).paper_environment()
        paper = load_paper_settings(child, tmp_path / "none")
        return paper.prices, paper.mainnet_rest, paper.mainnet_ws

    assert prices() == ("mainnet", "https://indexer.dydx.trade", "wss://indexer.dydx.trade/v4/ws")
    assert prices(PAPER_PRICES="walk")[0] == "walk"
    mine = {"DYDX_MAINNET_REST": "http://i:1", "DYDX_MAINNET_WS": "ws://i:2/v4/ws"}
    assert prices(**mine) == ("mainnet", "http://i:1", "ws://i:2/v4/ws")
    assert load_paper_settings({}, tmp_path / "none").prices == "walk"


def test_the_papers_governance_is_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "governance.json"
    settings = load(tmp_path, PAPER_GOVERNANCE=str(file))
    assert load_paper_settings(settings.paper_environment(), tmp_path / "none").governance == file


def test_the_paper_command_runs_in_any_folder(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("SOME_OTHER_PROGRAM=1\nBOT_TOKEN=broken\nPAPER_WS_PORT=5\n")
    assert load_paper_settings({}, file).ws_port == 5
    file.write_text("PAPER_WS_PRT=5\n")
    with pytest.raises(SettingsError, match="PAPER_WS_PORT"):
        load_paper_settings({}, file)


def test_mainnet_is_taken_where_it_is_named_and_only_there(tmp_path: Path) -> None:
    settings = load(tmp_path, BOT_TOKEN=TOKEN, NETWORKS="testnet,mainnet")
    settings.refuse_unready()
    assert settings.network("mainnet").chain_id == "dydx-mainnet-1"
    assert "mainnet" not in load(tmp_path, BOT_TOKEN=TOKEN).networks


def test_how_far_a_stop_may_fill_is_a_setting_in_percent(tmp_path: Path) -> None:
    assert load(tmp_path, BOT_TOKEN=TOKEN).stop_slippage_bps is None
    given = load(tmp_path, BOT_TOKEN=TOKEN, STOP_SLIPPAGE_PERCENT="7.5")
    assert given.stop_slippage_bps == 750
    assert "STOP_SLIPPAGE_PERCENT" in refusal(tmp_path, STOP_SLIPPAGE_PERCENT="100")


def test_a_missing_token_is_told_with_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="@BotFather"):
        load(tmp_path).refuse_unready()


def test_telegrams_webhook_needs_a_public_address(tmp_path: Path) -> None:
    assert "PUBLIC_URL" in refusal(tmp_path, TELEGRAM_MODE="webhook")
    load(tmp_path, TELEGRAM_MODE="webhook", PUBLIC_URL="https://desk.example.org")


def test_a_network_named_twice_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, NETWORKS="paper,paper").startswith("NETWORKS")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://desk.example.org", None),
        ("https://desk.example.org:443/perp", None),
        ("https://8.8.8.8", None),
        ("http://localhost:8080", "this machine only"),
        ("http://127.0.0.1", "this machine only"),
        ("https://0.0.0.0", "this machine only"),
        ("https://192.168.1.7", "private network"),
        ("https://10.0.0.1", "private network"),
        ("https://100.64.1.1", "private network"),
        ("https://169.254.1.1", "private network"),
        ("https://nas.local", "private network"),
        ("https://nas", "private network"),
        ("https://[2606:4700::1]", "IPv6"),
        ("https://desk.example.org:8443", "port 8443"),
        ("http://desk.example.org:8080", "port 8080"),
        ("http://desk.example.org", "use https"),
    ],
)
def test_whether_tradingview_can_call_an_address(url: str, problem: str | None) -> None:
    found = public_url_problem(url)
    if problem is None:
        assert found is None
    else:
        assert found is not None
        assert problem in found
        assert url in found


def test_the_page_about_settings_is_current() -> None:
    assert (ROOT / DOCUMENT).read_text(encoding="utf-8") == settings_document()


def test_reading_settings_imports_neither_chat_nor_database_nor_chain() -> None:
    program = (
        "import sys, bot.settings;"
        "print([m for m in ('aiogram','tortoise','asyncpg','grpc','v4_proto','dydx_v4_client')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
