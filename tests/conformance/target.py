"""Which network is meant and how it is reached, as the environment says."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from core.dydx.network import MAINNET, TESTNET, Network, is_loopback, paper_network

START_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0


class Unusable(Exception):
    """The settings name no network that the suite can run on."""


@dataclass(frozen=True)
class Target:
    """A network under test.

    `faucet` answers POST /faucet/tokens; `mnemonic` is a funded account's phrase and is used
    instead of the faucet where it is given. `price_url` takes {"ticker", "price"} and moves the
    oracle. `controls` is the root of the paper network's own routes, None elsewhere. `flood` allows
    the check that uses up the REST budget of this address for some seconds.
    """

    name: str
    chain_id: str
    grpc: str
    rest: str
    ws: str
    native_denom: str
    rpc: str | None = None
    faucet: str | None = None
    mnemonic: str | None = None
    price_url: str | None = None
    controls: str | None = None
    flood: bool = False
    funds_usdc: int = 2_000

    @property
    def network(self) -> Network:
        """As `core.dydx` names it."""
        return Network(
            name="testnet" if self.name not in ("paper", "mainnet") else self.name,  # type: ignore[arg-type]
            chain_id=self.chain_id,
            grpc=(self.grpc,),
            rest=self.rest,
            ws=self.ws,
            faucet=self.faucet,
            native_denom=self.native_denom,
        )

    @property
    def grpc_host(self) -> tuple[str, bool]:
        """Host and port of the node, and whether it speaks TLS."""
        parts = urlsplit(self.grpc if "://" in self.grpc else f"https://{self.grpc}")
        return parts.netloc, parts.scheme not in ("http", "insecure")

    @property
    def here(self) -> bool:
        """Whether the network runs on this machine."""
        return is_loopback(self.rest)


def target_of(environ: Mapping[str, str]) -> Target | None:
    """The network of `NETWORK` (default paper) and its settings; None when the suite shall start a
    paper network itself. Raises Unusable.
    """
    name = environ.get("NETWORK", "paper").lower()
    bases = {"paper": paper_network(), "testnet": TESTNET, "mainnet": MAINNET}
    if name not in bases:
        raise Unusable(f"NETWORK must be one of {', '.join(bases)}, was {name!r}")
    base = bases[name]

    def setting(part: str) -> str | None:
        return environ.get(f"DYDX_{name.upper()}_{part}") or None

    if name == "paper" and not any(setting(part) for part in ("GRPC", "REST", "WS")):
        return None
    rest = (setting("REST") or base.rest).rstrip("/")
    faucet = environ.get("CONFORMANCE_FAUCET") or setting("FAUCET")
    if faucet is None:
        faucet = rest if name == "paper" else base.faucet
    price_url = environ.get("CONFORMANCE_PRICE_URL") or None
    return Target(
        name=name,
        chain_id=setting("CHAIN_ID") or base.chain_id,
        grpc=(setting("GRPC") or base.grpc[0]).split(",")[0].strip(),
        rest=rest,
        ws=setting("WS") or base.ws,
        native_denom=base.native_denom,
        rpc=setting("RPC"),
        faucet=faucet.rstrip("/") if faucet else None,
        mnemonic=_phrase(environ),
        price_url=price_url,
        controls=rest if environ.get("CONFORMANCE_CONTROLS") == "1" else None,
        flood=environ.get("CONFORMANCE_FLOOD") == "1",
        funds_usdc=int(environ.get("CONFORMANCE_USDC", "2000")),
    )


def _phrase(environ: Mapping[str, str]) -> str | None:
    place = environ.get("CONFORMANCE_MNEMONIC_FILE")
    if place:
        return Path(place).expanduser().read_text().strip()
    return environ.get("CONFORMANCE_MNEMONIC") or None


class PaperChild:
    """A paper network of our own, in a process that ends with us."""

    def __init__(self, process: asyncio.subprocess.Process, target: Target) -> None:
        self._process = process
        self.target = target

    @classmethod
    async def start(cls) -> Self:
        """Starts it on free ports, in memory, with prices that stand still. Raises Unusable."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.conformance.paper_child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        found: dict[str, str] = {}
        try:
            async with asyncio.timeout(START_WITHIN_S):
                while len(found) < 4:
                    line = (await process.stdout.readline()).decode()
                    if not line:
                        raise Unusable("the paper network did not start")
                    if match := re.match(r"paper (gRPC|indexer|websocket|RPC)\s+(\S+)", line):
                        found[match[1]] = match[2]
        except TimeoutError:
            process.kill()
            raise Unusable("the paper network did not start in time") from None
        target = Target(
            name="paper",
            chain_id="localdydxprotocol",
            grpc=f"http://{found['gRPC']}",
            rest=found["indexer"],
            ws=found["websocket"],
            native_denom="adv4tnt",
            rpc=found["RPC"],
            faucet=found["indexer"],
            price_url=f"{found['indexer']}/paper/price",
            controls=found["indexer"],
            flood=True,
        )
        return cls(process, target)

    async def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
