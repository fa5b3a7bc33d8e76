"""The one settings object: every setting, read once from environment, `.env` and secret files.

What a setting means stands at its field; docs/settings.md is generated from there.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.settings_forms import (
    bare_url,
    comma_list,
    grpc_endpoints,
    indexer_root,
    malformed,
    telegram_token,
    websocket_address,
)
from bot.settings_sources import SettingsError, gather
from core.dydx.network import MAINNET, TESTNET, Network, NetworkName, paper_network
from core.ledger.address import SqliteAddress, parse_address
from core.ledger.errors import LedgerRefused

if TYPE_CHECKING:
    from core.paper.network import PaperSettings

__all__ = ["Settings", "SettingsError", "load_paper_settings", "load_settings"]

ENV_FILE: Final = Path(".env")
DYDX_NETWORKS: Final = get_args(NetworkName)

Port = Annotated[int, Field(ge=1, le=65535)]
Network_ = Literal["paper", "testnet", "mainnet"]
BareUrl = Annotated[str, AfterValidator(bare_url)]
Endpoints = Annotated[tuple[str, ...] | None, BeforeValidator(grpc_endpoints)]
IndexerRoot = Annotated[str | None, AfterValidator(indexer_root)]
WebsocketAddress = Annotated[str | None, AfterValidator(websocket_address)]


def _setting(default: Any, meaning: str, *, cure: str, shown: str | None = None) -> Any:
    """A field. `cure` ends the line about a malformed value; `shown` is the default in the docs."""
    return Field(
        default, description=meaning, json_schema_extra={"cure": cure, "shown": shown or ""}
    )


_PORT = "write a port from 1 to 65535"
_GRPC = "write one or more addresses with commas between, like https://host:443 or http://host:9090"
_REST = "write an address like https://indexer.example.org"
_WS = "write an address like wss://indexer.example.org/v4/ws"
_FAUCET = "write an address like https://faucet.example.org"
_CHAIN = "write the chain's id, like dydx-testnet-4"


def _database(value: SecretStr) -> SecretStr:
    try:
        parse_address(value.get_secret_value())
    except LedgerRefused as refused:
        raise malformed(str(refused).removeprefix("DATABASE_URL ")) from None
    return value


class Settings(BaseSettings):
    """All settings of the process. Built by `load_settings`, never changed."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    bot_token: Annotated[SecretStr | None, AfterValidator(telegram_token)] = _setting(
        None, "Token of the bot, from @BotFather.", cure="copy it whole from @BotFather"
    )
    telegram_api_url: BareUrl = _setting(
        "https://api.telegram.org",
        "Base address of the Bot API server.",
        cure="write an address like https://api.telegram.org",
    )
    telegram_mode: Literal["polling", "webhook"] = _setting(
        "polling",
        "How updates come in: `polling`, or `webhook` (needs `PUBLIC_URL`).",
        cure="write polling or webhook",
    )
    database_url: Annotated[SecretStr, AfterValidator(_database)] = _setting(
        SecretStr("sqlite://data/perpgram.db"),
        "The ledger: `sqlite://relative`, `sqlite:///absolute` or `postgres://…`.",
        cure="write sqlite://data/perpgram.db or postgres://user:password@host/name",
        shown="sqlite://data/perpgram.db",
    )
    master_key: SecretStr | None = _setting(
        None,
        "The key that seals all credentials: 32 bytes as hexadecimal digits or base64.",
        cure="make one with: openssl rand -hex 32",
    )
    master_key_file: Path = _setting(
        Path("keys/master.key"),
        "File of the master key; made on first run, mode 0600. Keep a copy of it apart from the "
        "ledger's. If it is missing while the ledger holds credentials, the start stops.",
        cure="write the path of a file",
    )
    master_key_previous: SecretStr | None = _setting(
        None,
        "The master key before a rotation; credentials are wrapped anew at the start.",
        cure="write the old key as it was",
    )
    public_url: BareUrl = _setting(
        "http://localhost:8080",
        "What webhook addresses begin with. TradingView reaches only ports 80 and 443.",
        cure="write an address like https://desk.example.org",
    )
    http_host: Annotated[str, Field(min_length=1)] = _setting(
        "127.0.0.1", "Address on which the process listens.", cure="write 127.0.0.1 or 0.0.0.0"
    )
    http_port: Port = _setting(8080, "Port on which the process listens.", cure=_PORT)
    networks: Annotated[tuple[Network_, ...], Field(min_length=1), BeforeValidator(comma_list)] = (
        _setting(
            ("paper", "testnet"),
            "Networks offered to traders. With `paper` and no `DYDX_PAPER_…` set, `run` starts the "
            "paper network too.",
            cure="write some of paper, testnet, mainnet with commas between",
            shown="paper,testnet",
        )
    )
    paper_grpc_port: Port = _setting(9090, "Paper network: gRPC, plaintext.", cure=_PORT)
    paper_rest_port: Port = _setting(3002, "Paper network: indexer and faucet.", cure=_PORT)
    paper_ws_port: Port = _setting(3003, "Paper network: websocket.", cure=_PORT)
    paper_rpc_port: Port = _setting(26657, "Paper network: CometBFT's JSON-RPC.", cure=_PORT)
    paper_prices: Literal["mainnet", "walk", "still"] = _setting(
        "walk",
        "Prices of the paper network: `walk`, `still`, or `mainnet`: all markets and prices of the "
        "indexer that `DYDX_MAINNET_REST` and `DYDX_MAINNET_WS` name, and `walk` while it cannot "
        "be reached. Under `run` the default is `mainnet`.",
        cure="write mainnet, walk or still",
    )
    paper_governance: Path | None = _setting(
        None,
        "File with the paper network's governance: markets, margins, fee tiers, equity tiers, rate "
        "limits, in the shape of core/paper/data/governance.json.",
        cure="write the path of a file",
        shown="that of a local test network",
    )
    paper_state: Path | None = _setting(
        None,
        "Folder of the paper network's state.",
        cure="write the path of a folder",
        shown="`paper` beside the ledger: data/paper",
    )
    admin_ids: Annotated[tuple[Annotated[int, Field(gt=0)], ...], BeforeValidator(comma_list)] = (
        _setting(
            (),
            "Telegram ids of admins. With none here and none in the ledger, the start prints a "
            "one-time link that makes its visitor admin.",
            cure="write numbers with commas between, like 123456789,987654321",
        )
    )
    signup: Literal["open", "approval", "closed"] = _setting(
        "approval",
        "Who may become a trader: `open`, `approval` (an admin answers) or `closed`.",
        cure="write open, approval or closed",
    )
    good_til_blocks: Annotated[int, Field(ge=1, le=20)] = _setting(
        10, "Blocks for which a short-term order stays valid.", cure="write a number from 1 to 20"
    )
    stop_slippage_percent: Annotated[Decimal, Field(gt=0, lt=100, decimal_places=2)] | None = (
        _setting(
            None,
            "How far behind its trigger, in percent, a stop on chain may fill. Too little and it "
            "disappears without a fill.",
            cure="write a number of percent above 0 and below 100, like 7.5",
            shown="5 for BTC and ETH, 10 for all others",
        )
    )
    monitor_interval_s: Annotated[int, Field(ge=1, le=3600)] = _setting(
        15,
        "Seconds between two looks at every plan, at accounts that could not be taken over yet and "
        "at alerts that wait.",
        cure="write a number of seconds from 1 to 3600",
    )
    reconcile_orders_s: Annotated[int, Field(ge=1, le=3600)] = _setting(
        10,
        "Seconds between two comparisons of orders with the chain, for accounts with a position or "
        "an order.",
        cure="write a number of seconds from 1 to 3600",
    )
    reconcile_positions_s: Annotated[int, Field(ge=1, le=3600)] = _setting(
        30,
        "Seconds between two comparisons of fills and positions with the chain, for the same "
        "accounts.",
        cure="write a number of seconds from 1 to 3600",
    )
    reconcile_idle_s: Annotated[int, Field(ge=10, le=86400)] = _setting(
        600,
        "Seconds between two comparisons with the chain for all other accounts.",
        cure="write a number of seconds from 10 to 86400",
    )
    reconcile_budget_percent: Annotated[int, Field(ge=1, le=90)] = _setting(
        70,
        "Part of the indexer's request budget, in percent, that these comparisons may take. Beyond "
        "it their intervals grow, least for accounts with an order of unknown fate or an "
        "unprotected position.",
        cure="write a number of percent from 1 to 90",
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(lambda text: text.lower())
    ] = _setting(
        "info", "Least serious kind of log line.", cure="write debug, info, warning or error"
    )

    dydx_paper_grpc: Endpoints = _setting(
        None, "Paper: nodes, in order.", cure=_GRPC, shown="the paper network's own port"
    )
    dydx_paper_rest: IndexerRoot = _setting(
        None, "Paper: indexer, without `/v4`.", cure=_REST, shown="the paper network's own port"
    )
    dydx_paper_ws: WebsocketAddress = _setting(
        None, "Paper: indexer's websocket.", cure=_WS, shown="the paper network's own port"
    )
    dydx_paper_chain_id: str | None = _setting(
        None, "Paper: chain id.", cure=_CHAIN, shown="localdydxprotocol"
    )
    dydx_paper_faucet: IndexerRoot = _setting(
        None, "Paper: faucet.", cure=_FAUCET, shown="what `DYDX_PAPER_REST` says"
    )
    dydx_testnet_grpc: Endpoints = _setting(
        None, "Testnet: nodes, in order.", cure=_GRPC, shown="documented endpoints"
    )
    dydx_testnet_rest: IndexerRoot = _setting(
        None, "Testnet: indexer, without `/v4`.", cure=_REST, shown=TESTNET.rest
    )
    dydx_testnet_ws: WebsocketAddress = _setting(
        None, "Testnet: indexer's websocket.", cure=_WS, shown=TESTNET.ws
    )
    dydx_testnet_chain_id: str | None = _setting(
        None, "Testnet: chain id.", cure=_CHAIN, shown=TESTNET.chain_id
    )
    dydx_testnet_faucet: IndexerRoot = _setting(
        None, "Testnet: faucet.", cure=_FAUCET, shown=TESTNET.faucet
    )
    dydx_mainnet_grpc: Endpoints = _setting(
        None, "Mainnet: nodes, in order.", cure=_GRPC, shown="documented endpoints"
    )
    dydx_mainnet_rest: IndexerRoot = _setting(
        None, "Mainnet: indexer, without `/v4`.", cure=_REST, shown=MAINNET.rest
    )
    dydx_mainnet_ws: WebsocketAddress = _setting(
        None, "Mainnet: indexer's websocket.", cure=_WS, shown=MAINNET.ws
    )
    dydx_mainnet_chain_id: str | None = _setting(
        None, "Mainnet: chain id.", cure=_CHAIN, shown=MAINNET.chain_id
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` gathered: the order and the errors are our own."""
        return (init_settings,)

    @model_validator(mode="after")
    def _webhook_needs_an_address(self) -> Settings:
        if self.telegram_mode == "webhook" and "public_url" not in self.model_fields_set:
            raise PydanticCustomError(
                "together",
                "TELEGRAM_MODE=webhook needs PUBLIC_URL; "
                "write the https address under which Telegram reaches this process",
            )
        if len(set(self.networks)) != len(self.networks):
            raise PydanticCustomError(
                "together", "NETWORKS named a network twice; name each of them once"
            )
        return self

    @property
    def starts_paper(self) -> bool:
        """Whether `run` starts the paper network itself: offered, and no other one was named."""
        return "paper" in self.networks and not any(
            name.startswith("dydx_paper_") for name in self.model_fields_set
        )

    @property
    def data_path(self) -> Path:
        """The folder of the ledger's file; `data` where the ledger is on a server."""
        address = parse_address(self.database_url.get_secret_value())
        return address.path.parent if isinstance(address, SqliteAddress) else Path("data")

    @property
    def paper_state_path(self) -> Path:
        """Where the paper network keeps its state: beside the ledger unless set."""
        return self.paper_state or self.data_path / "paper"

    @property
    def copies_path(self) -> Path:
        """Where copies of the ledger go before a migration."""
        return self.data_path / "copies"

    def paper_environment(self) -> dict[str, str]:
        """The settings of the paper network for its own process, as a child of `run`."""
        mainnet = self.network("mainnet")
        prices_are_set = "paper_prices" in self.model_fields_set
        governance: dict[str, str] = {}
        if self.paper_governance is not None:
            governance["PAPER_GOVERNANCE"] = str(self.paper_governance.absolute())
        return {
            "PAPER_GRPC_PORT": str(self.paper_grpc_port),
            "PAPER_REST_PORT": str(self.paper_rest_port),
            "PAPER_WS_PORT": str(self.paper_ws_port),
            "PAPER_RPC_PORT": str(self.paper_rpc_port),
            "PAPER_PRICES": self.paper_prices if prices_are_set else "mainnet",
            "PAPER_STATE": str(self.paper_state_path.absolute()),
            "DYDX_MAINNET_REST": mainnet.rest,
            "DYDX_MAINNET_WS": mainnet.ws,
            **governance,
        }

    def network(self, name: NetworkName) -> Network:
        """A network with the operator's endpoints where he named some."""
        match name:
            case "paper":
                base = paper_network(self.paper_grpc_port, self.paper_rest_port, self.paper_ws_port)
                faucet = self.dydx_paper_faucet or self.dydx_paper_rest or base.faucet
            case "testnet":
                base, faucet = TESTNET, self.dydx_testnet_faucet or TESTNET.faucet
            case "mainnet":
                base, faucet = MAINNET, None
        return replace(
            base,
            grpc=getattr(self, f"dydx_{name}_grpc") or base.grpc,
            rest=getattr(self, f"dydx_{name}_rest") or base.rest,
            ws=getattr(self, f"dydx_{name}_ws") or base.ws,
            chain_id=getattr(self, f"dydx_{name}_chain_id") or base.chain_id,
            faucet=faucet,
        )

    @property
    def stop_slippage_bps(self) -> int | None:
        """`stop_slippage_percent` in hundredths of a percent."""
        percent = self.stop_slippage_percent
        return None if percent is None else int(percent * 100)

    def refuse_unready(self) -> None:
        """Raises SettingsError where `run` must not start although every value is well-formed."""
        if self.bot_token is None:
            raise SettingsError(
                "BOT_TOKEN is missing; ask @BotFather in Telegram for a bot and write "
                "BOT_TOKEN=… into .env"
            )

    def public_url_problem(self) -> str | None:
        """Why TradingView cannot (or should not) call PUBLIC_URL and what to do; None if it can."""
        return public_url_problem(self.public_url)


def public_url_problem(url: str) -> str | None:
    """TradingView calls ports 80 and 443 over IPv4 only. Source: docs/protocol.md."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    cure = "set PUBLIC_URL to a public address of this machine (a domain or a tunnel)"
    where = _where_it_points(host)
    if where is not None:
        return f"TradingView cannot reach {url}: {where}; {cure}."
    port = parts.port or (443 if parts.scheme == "https" else 80)
    usual = 443 if parts.scheme == "https" else 80
    if port != usual:
        return (
            f"TradingView cannot reach {url}: it calls only http on port 80 and https on port 443, "
            f"not port {port}; put a proxy on port 443 in front and leave the port out of "
            "PUBLIC_URL."
        )
    if parts.scheme == "http":
        return (
            f"TradingView reaches {url}, but everyone on the way can read the webhook's secret; "
            "use https."
        )
    return None


def _where_it_points(host: str) -> str | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if host == "localhost" or host.endswith(".localhost"):
            return "it is an address of this machine only"
        if "." not in host or host.endswith((".local", ".lan", ".internal", ".home.arpa")):
            return "it is a name of a private network"
        return None
    if address.is_loopback or address.is_unspecified:
        return "it is an address of this machine only"
    if address.version == 6:
        return "it is an IPv6 address, and TradingView calls over IPv4 only"
    return None if address.is_global else "it is an address of a private network"


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path = ENV_FILE) -> Settings:
    """Reads all settings; the environment wins over `.env`. Raises SettingsError with one line."""
    found = gather(
        os.environ if environ is None else environ,
        env_file,
        known=setting_names(),
        secrets=secret_names(),
    )
    return _built({name.lower(): value for name, value in found.items()})


def load_paper_settings(
    environ: Mapping[str, str] | None = None, env_file: Path = ENV_FILE
) -> PaperSettings:
    """Reads what `perpgram paper` needs; everything else in `.env` is none of its business."""
    from core.paper.network import PaperSettings

    names = {name for name in setting_names() if name.startswith("PAPER_")}
    names |= {"DYDX_MAINNET_REST", "DYDX_MAINNET_WS"}
    found = gather(
        os.environ if environ is None else environ,
        env_file,
        known=setting_names(),
        secrets=set(),
        only=names,
    )
    settings = _built({name.lower(): value for name, value in found.items()})
    mainnet = settings.network("mainnet")
    return PaperSettings(
        grpc_port=settings.paper_grpc_port,
        rest_port=settings.paper_rest_port,
        ws_port=settings.paper_ws_port,
        rpc_port=settings.paper_rpc_port,
        prices=settings.paper_prices,
        state_dir=settings.paper_state_path,
        governance=settings.paper_governance,
        mainnet_rest=mainnet.rest,
        mainnet_ws=mainnet.ws,
    )


def setting_names() -> set[str]:
    """All names as they are written in the environment, without the `_FILE` forms."""
    return {name.upper() for name in Settings.model_fields}


def secret_names() -> set[str]:
    """Settings whose value is a secret; each may also come from the file that `…_FILE` names.

    MASTER_KEY_FILE is a setting of its own: the vault reads that file and checks its mode.
    """
    return {"BOT_TOKEN", "DATABASE_URL", "MASTER_KEY", "MASTER_KEY_PREVIOUS"}


def _built(values: dict[str, str]) -> Settings:
    try:
        return Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_line(error, values)) from None


def _line(error: ValidationError, values: Mapping[str, str]) -> str:
    """The first fault as one line: name, what is wrong, cure; a secret's value never."""
    first = error.errors(include_input=False, include_url=False)[0]
    if not first["loc"]:
        return first["msg"]
    field = str(first["loc"][0])
    extra = Settings.model_fields[field].json_schema_extra
    cure = extra["cure"] if isinstance(extra, dict) else ""
    shown = f"={_short(values[field])}" if _may_be_shown(field) and field in values else ""
    problem = first["msg"] if first["type"] == "malformed" else "cannot be used"
    return f"{field.upper()}{shown} {problem}; {cure}"


def _may_be_shown(field: str) -> bool:
    """Endpoints may carry a provider's key in their path, addresses a password."""
    return field.upper() not in secret_names() and not field.startswith("dydx_")


def _short(value: str) -> str:
    return re.sub(r"\s+", " ", value)[:60]
