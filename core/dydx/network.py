"""The networks and where they are reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

NetworkName = Literal["paper", "testnet", "mainnet"]


@dataclass(frozen=True)
class Network:
    """One dYdX network: chain id, node endpoints in order of preference, indexer addresses.

    `grpc` holds addresses like `https://host:443` (TLS) and `http://host:9090` or
    `insecure://host:9090` (plaintext). `rest` is the indexer's root without `/v4`; `ws` is the
    whole websocket address.
    """

    name: NetworkName
    chain_id: str
    grpc: tuple[str, ...]
    rest: str
    ws: str
    faucet: str | None
    native_denom: str


# All gRPC hosts that dYdX's endpoint page listed in April 2026, the order entry gateway first.
MAINNET = Network(
    name="mainnet",
    chain_id="dydx-mainnet-1",
    grpc=(
        "https://oegs.dydx.trade:443",
        "https://dydx-dao-grpc-1.polkachu.com:443",
        "https://dydx-dao-grpc-2.polkachu.com:443",
        "https://dydx-dao-grpc-3.polkachu.com:443",
        "https://dydx-ops-grpc.kingnodes.com:443",
        "https://dydx-dao-grpc.enigma-validator.com:443",
        "https://dydx-grpc.publicnode.com:443",
    ),
    rest="https://indexer.dydx.trade",
    ws="wss://indexer.dydx.trade/v4/ws",
    faucet=None,
    native_denom="adydx",
)

TESTNET = Network(
    name="testnet",
    chain_id="dydx-testnet-4",
    grpc=(
        "https://oegs-testnet.dydx.exchange:443",
        "https://test-dydx-grpc.kingnodes.com:443",
        "http://dydx-testnet-grpc.polkachu.com:23890",
    ),
    rest="https://indexer.v4testnet.dydx.exchange",
    ws="wss://indexer.v4testnet.dydx.exchange/v4/ws",
    faucet="https://faucet.v4testnet.dydx.exchange",
    native_denom="adv4tnt",
)


def paper_network(
    grpc_port: int = 9090, rest_port: int = 3002, ws_port: int = 3003, host: str = "127.0.0.1"
) -> Network:
    """The paper network on loopback; its faucet answers on the REST port."""
    return Network(
        name="paper",
        chain_id="localdydxprotocol",
        grpc=(f"http://{host}:{grpc_port}",),
        rest=f"http://{host}:{rest_port}",
        ws=f"ws://{host}:{ws_port}/v4/ws",
        faucet=f"http://{host}:{rest_port}",
        native_denom="adv4tnt",
    )


def is_loopback(address: str) -> bool:
    """Whether an address is on this machine; a proxy of the environment must not be asked then."""
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
