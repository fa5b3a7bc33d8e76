"""What signs for an account: a key made from a phrase, or a trading key in its owner's name."""

from __future__ import annotations

from collections.abc import Sequence

from core.dydx.drafts import BatchCancelDraft, Draft, OrderDraft, TransferDraft
from core.dydx.keys import SigningKey
from core.dydx.signing import SignedOrder, SignedTx, sign
from core.ledger.models import Account, Credential
from core.trading.decision import Refusal
from core.vault import Vault

TRADING_KEY = "trading_key"


class Signer:
    """Signs for one account. The key is opened for each signature and not kept.

    Every method that signs raises Refusal where the key may not do it, and ValueError for what the
    chain would refuse without looking at its state.
    """

    def __init__(
        self, account: Account, credential: Credential, vault: Vault, chain_id: str
    ) -> None:
        self._account = account
        self._credential = credential
        self._vault = vault
        self._chain_id = chain_id

    @property
    def is_trading_key(self) -> bool:
        """Whether it signs through an authenticator: it can trade and nothing else."""
        return self._credential.kind == TRADING_KEY

    @property
    def authenticator_id(self) -> int | None:
        """The id under which the chain lists a trading key; ids begin at 0."""
        found: int | None = self._credential.authenticator_id
        return found

    @property
    def clob_pairs(self) -> frozenset[int] | None:
        """The markets that the key may trade; None for all."""
        pairs = self._credential.clob_pairs
        return None if pairs is None else frozenset(pairs)

    def may_trade(self, clob_pair_id: int) -> bool:
        """Whether the key may place and cancel orders in this market."""
        pairs = self._credential.clob_pairs
        return pairs is None or clob_pair_id in pairs

    def check(self, clob_pair_id: int, ticker: str) -> None:
        """Raises Refusal `key_market` where the key may not trade this market."""
        if not self.may_trade(clob_pair_id):
            raise Refusal(
                "key_market",
                f"The trading key of this account may not trade {ticker}. Nothing was sent. "
                "Connect a key that includes this market.",
            )

    def sign(self, drafts: Sequence[Draft], *, sequence: int = 0) -> SignedTx:
        """Signs one short-term message, or several stateful ones that are done together.

        `sequence` as `core.dydx.signing.sign` wants it: a timestamp nonce or the owner's next
        sequence for stateful messages, ignored by the chain for short-term ones.
        """
        for draft in drafts:
            self._check_draft(draft)
        authenticators: list[int] = []
        if self.is_trading_key:
            assert self._credential.authenticator_id is not None
            authenticators = [self._credential.authenticator_id] * len(drafts)
        number = self._account.chain_account_number
        if number is None:
            raise ValueError("the chain does not know the account yet")
        return sign(
            drafts,
            self._open(),
            self._chain_id,
            number,
            sequence=sequence,
            authenticators=authenticators,
        )

    def sign_order(self, draft: OrderDraft, *, sequence: int = 0) -> SignedOrder:
        """`sign` for the placement of one order."""
        signed = self.sign((draft,), sequence=sequence)
        return SignedOrder(draft, signed.tx, signed.tx_hash, draft.order_uuid)

    def _check_draft(self, draft: Draft) -> None:
        if isinstance(draft, TransferDraft):
            if self.is_trading_key:
                raise Refusal(
                    "key_no_transfer", "A trading key cannot move money. Nothing was sent."
                )
            return
        if isinstance(draft, BatchCancelDraft):
            pairs = [pair for pair, _ in draft.batches]
        else:
            pairs = [draft.clob_pair_id]
        for pair in pairs:
            self.check(pair, f"market {pair}")
        if draft.number != self._account.subaccount_number:
            raise ValueError("a draft was for another subaccount")

    def _open(self) -> SigningKey:
        row = self._credential
        return SigningKey.from_secret(
            self._vault.open(row.sealed, trader_id=row.trader_id, record=row.record)
        )

    def __repr__(self) -> str:
        return f"Signer(account={self._account.id}, kind={self._credential.kind})"
