"""What the prices of a paper network follow: a real network's, or none."""

from __future__ import annotations

import functools
import ssl

import httpx

from core.dydx.network import Network, is_loopback

TIMEOUT_S = 2.0


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once: reading all certificates takes tens of milliseconds."""
    return httpx.create_ssl_context()


async def price_source(network: Network) -> str | None:
    """`mainnet`, `walk` or `still`; None for a network that does not say."""
    address = f"{network.rest.rstrip('/')}/paper/state"
    try:
        async with httpx.AsyncClient(
            timeout=TIMEOUT_S, trust_env=not is_loopback(network.rest), verify=_tls()
        ) as client:
            answer = await client.get(address)
        if not answer.is_success:
            return None
        return str(answer.json()["prices"]["mode"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
