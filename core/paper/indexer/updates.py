"""One websocket message before it is numbered for a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
VERSIONS = {"v4_subaccounts": "3.0.0", "v4_parent_subaccounts": "3.0.0", "v4_trades": "2.1.0"}


@dataclass(frozen=True)
class Update:
    """One websocket message before it is numbered. `number` is the subaccount's; the parent
    channel gets `parent_contents` where they differ from `contents`.
    """

    channel: str
    id: str
    contents: Json
    number: int | None = None
    parent_contents: Json | None = None

    @property
    def version(self) -> str:
        """The channel's data version."""
        return VERSIONS.get(self.channel, "1.0.0")
