"""Authenticators of accounts: added and removed in a block, and used to let a transaction through.

Ids count up over the whole chain from 0. A transaction that selects authenticators names one for
each of its messages; the account's own key then says nothing. Source: docs/protocol.md,
authenticators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator, MsgRemoveAuthenticator

from core.paper.refusals import Refused, accountplus, sdk, undefined
from core.paper.state import Account, Authenticator, State
from core.paper.transactions import Signed, signature_holds, signer_of
from core.paper.tree import Request, build, is_known, needs_signature

_NEXT_ID: Final = "authenticator"


@dataclass(frozen=True)
class Authenticators:
    """The registered authenticators of a chain."""

    state: State
    chain_id: str

    def add(self, message: MsgAddAuthenticator) -> None:
        """Register a tree under the next id. Raises Refused without having changed anything."""
        kind, config = message.authenticator_type, bytes(message.data)
        if not is_known(kind):
            raise undefined(f"authenticator type {kind} is not registered")
        number = self.state.next_ids.get(_NEXT_ID) or 0
        try:
            safe = needs_signature(kind, config, str(number))
        except Refused as refusal:
            raise refusal.within(
                f"`OnAuthenticatorAdded` failed on authenticator type {kind}"
            ) from refusal
        if not safe:
            raise undefined(
                "unsafe: authenticator tree does not require signature verification all possible "
                f"paths, type = {kind}, config = [{' '.join(map(str, config))}]"
            )
        self.state.next_ids.put(_NEXT_ID, number + 1)
        self.state.authenticators.put((message.sender, number), Authenticator(kind, config))

    def remove(self, message: MsgRemoveAuthenticator) -> None:
        """Take one of the sender's away. Raises Refused where he has none of this id."""
        key = (message.sender, message.id)
        if self.state.authenticators.get(key) is None:
            raise accountplus(
                1,
                f"RemoveAuthenticator: failed to get authenticator {message.id} for address "
                f"{message.sender}",
            )
        self.state.authenticators.drop(key)

    def check(
        self,
        signed: Signed,
        account_of: Callable[[str], Account | None],
        *,
        simulated: bool = False,
    ) -> None:
        """Let a transaction through that selects authenticators, when it is only `simulated`
        whatever its signature is. Raises Refused.
        """
        if len(signed.authenticators) != len(signed.messages):
            raise sdk(
                18,
                "Mismatch between the number of selected authenticators and messages, msg count "
                f"{len(signed.messages)}, got {len(signed.authenticators)} selected authenticators",
            )
        for index, (message, number) in enumerate(
            zip(signed.messages, signed.authenticators, strict=True)
        ):
            owner = signer_of(message)
            try:
                found, check = self._initialized(owner, number)
            except Refused as refusal:
                raise refusal.within(
                    f"failed to get initialized authenticator (account = {owner}, authenticator id "
                    f"= {number}, msg index = {index}, msg type url = "
                    f"/{message.DESCRIPTOR.full_name})"
                ) from refusal
            account, place = account_of(owner) or Account(0), signed.signers.index(owner)
            request = Request(
                message,
                lambda key, account=account, place=place: (  # type: ignore[misc]
                    simulated or signature_holds(signed, key, account.number, self.chain_id, place)
                ),
                "signature verification failed; please verify account number "
                f"({account.number}), sequence ({account.sequence}) and chain-id ({self.chain_id})",
            )
            try:
                check(request, str(number))
            except Refused as refusal:
                raise refusal.within(
                    f"authentication failed for message {index}, authenticator id {number}, type "
                    f"{found.kind}"
                ) from refusal

    def _initialized(self, owner: str, number: int) -> tuple[Authenticator, Callable[..., None]]:
        found = self.state.authenticators.get((owner, number))
        if found is None:
            raise accountplus(1, f"authenticator {number} not found for account {owner}")
        try:
            return found, build(found.kind, found.config)
        except Refused as refusal:
            raise refusal.within(
                f"authenticator {number} with type {found.kind} failed to initialize for account "
                f"{owner}"
            ) from refusal
