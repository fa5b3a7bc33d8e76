"""The faucet of paper and test networks."""

from __future__ import annotations

from decimal import Decimal

import httpx

from core.dydx.network import Network, is_loopback

TIMEOUT_S = 20.0


class FaucetError(Exception):
    """The faucet gave nothing; the text says why."""


async def fund(network: Network, address: str, number: int, amount_usdc: Decimal) -> None:
    """Asks the faucet for whole USDC in a subaccount; returns when it said yes.

    Raises FaucetError.

    The money is there once the indexer shows it, some blocks later.
    """
    if network.faucet is None:
        raise FaucetError(f"{network.name} has no faucet")
    body = {"address": address, "subaccountNumber": number, "amount": int(amount_usdc)}
    try:
        async with httpx.AsyncClient(
            timeout=TIMEOUT_S, trust_env=not is_loopback(network.faucet)
        ) as client:
            answer = await client.post(f"{network.faucet.rstrip('/')}/faucet/tokens", json=body)
    except httpx.HTTPError as error:
        raise FaucetError(f"it could not be reached ({type(error).__name__})") from None
    if not answer.is_success:
        raise FaucetError(f"it answered {answer.status_code}: {answer.text[:200]}")
