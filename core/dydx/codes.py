"""What an answer of the chain means, by the pair (codespace, code).

The same number means different things in different codespaces. Source: docs/protocol.md, codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.dydx.clob_codes import CLOB, TIMELESS
from core.dydx.reactions import Reaction

__all__ = ["ACCEPTED", "TABLE", "CodeMeaning", "Outcome", "Reaction", "classify"]


class Outcome(StrEnum):
    """What is known of a transaction after it was sent.

    ACCEPTED: a node took it, which is not yet a fill. REFUSED: it was turned away for good.
    UNKNOWN: it may live. UNSENT: no byte of it left for any node.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNSENT = "unsent"


@dataclass(frozen=True)
class CodeMeaning:
    """A code's outcome, its name in the chain's source, a sentence for a trader, the reaction."""

    outcome: Outcome
    name: str
    sentence: str
    reaction: Reaction
    timeless: bool = False
    """Whether the reason lies in the transaction alone, not in the chain's state or the time."""


ACCEPTED: Final = CodeMeaning(
    Outcome.ACCEPTED, "OK", "A dYdX node accepted the order.", Reaction.NONE
)
_BUG = "dYdX found the order malformed; this is a fault of this program."
_KEY = "dYdX did not accept the signature: key, account and network do not belong together."
_TRADING_KEY = "The trading key may not do this, or its owner has removed it."
_UNKNOWN = "dYdX gave an answer that proves nothing; the order is being looked up."


def _refused(
    name: str, reaction: Reaction, sentence: str = _BUG, *, timeless: bool = False
) -> CodeMeaning:
    return CodeMeaning(Outcome.REFUSED, name, sentence, reaction, timeless)


_SDK: Final = {
    2: _refused("ErrTxDecode", Reaction.BUG, timeless=True),
    3: _refused(
        "ErrInvalidSequence", Reaction.SIGN_AGAIN, "The transaction came in the wrong order."
    ),
    4: _refused("ErrUnauthorized", Reaction.CHECK_KEY, _KEY),
    5: _refused(
        "ErrInsufficientFunds", Reaction.FUND_WALLET, "The wallet cannot pay the network fee."
    ),
    6: _refused("ErrUnknownRequest", Reaction.BUG, timeless=True),
    7: _refused("ErrInvalidAddress", Reaction.BUG, timeless=True),
    8: _refused("ErrInvalidPubKey", Reaction.CHECK_KEY, _KEY),
    9: _refused(
        "ErrUnknownAddress",
        Reaction.ADD_COLLATERAL,
        "The chain does not know this account yet: deposit first.",
    ),
    10: _refused("ErrInvalidCoins", Reaction.BUG, timeless=True),
    11: _refused("ErrOutOfGas", Reaction.BUG, "The transaction needs more gas than it allowed."),
    12: _refused("ErrMemoTooLarge", Reaction.BUG, timeless=True),
    13: _refused(
        "ErrInsufficientFee", Reaction.FUND_WALLET, "The network fee of the transaction is too low."
    ),
    14: _refused("ErrTooManySignatures", Reaction.BUG, timeless=True),
    15: _refused("ErrNoSignatures", Reaction.BUG, timeless=True),
    18: _refused("ErrInvalidRequest", Reaction.BUG, timeless=True),
    19: CodeMeaning(Outcome.UNKNOWN, "ErrTxInMempoolCache", _UNKNOWN, Reaction.LOOK),
    20: _refused(
        "ErrMempoolIsFull", Reaction.OTHER_NODE, "The dYdX node is overloaded and took nothing."
    ),
    21: _refused("ErrTxTooLarge", Reaction.BUG, timeless=True),
    24: _refused("ErrorInvalidSigner", Reaction.CHECK_KEY, _KEY),
    28: _refused("ErrInvalidChainID", Reaction.CHECK_KEY, _KEY),
    30: _refused(
        "ErrTxTimeoutHeight", Reaction.SIGN_AGAIN, "The order came too late: its block had passed."
    ),
    31: _refused("ErrUnknownExtensionOptions", Reaction.BUG, timeless=True),
    32: _refused(
        "ErrWrongSequence", Reaction.SIGN_AGAIN, "The transaction's number was not the next one."
    ),
    37: _refused("ErrNotSupported", Reaction.BUG, timeless=True),
    41: _refused("ErrInvalidGasLimit", Reaction.BUG, timeless=True),
}
_ACCOUNTPLUS: Final = {
    code: _refused(name, Reaction.CHECK_KEY, _TRADING_KEY)
    for code, name in {
        1: "ErrAuthenticatorNotFound",
        2: "ErrInvalidAccountAddress",
        3: "ErrAuthenticatorDataExceedsMaximumLength",
        4: "ErrSmartAccountNotActive",
        5: "ErrInitializingAuthenticator",
        6: "ErrTxnHasMultipleSigners",
        100: "ErrSignatureVerification",
        101: "ErrMessageTypeVerification",
        102: "ErrClobPairIdVerification",
        103: "ErrSubaccountVerification",
        104: "ErrAllOfVerification",
        105: "ErrAnyOfVerification",
    }.items()
}
_COLLATERAL: Final = (
    "The account's balance did not allow it: there is not enough free collateral, or transfers and "
    "withdrawals are blocked for the moment."
)
_LEVERAGE: Final = "dYdX does not allow this leverage."
_SUBACCOUNTS: Final = {
    101: _refused("ErrNonUniqueUpdatesSubaccount", Reaction.BUG),
    102: _refused("ErrFailedToUpdateSubaccounts", Reaction.ADD_COLLATERAL, _COLLATERAL),
    103: _refused(
        "ErrProductPositionNotUpdatable",
        Reaction.HALT_MARKET,
        "The market does not take such orders at the moment.",
    ),
    200: _refused("ErrInvalidSubaccountIdNumber", Reaction.BUG, timeless=True),
    201: _refused("ErrInvalidSubaccountIdOwner", Reaction.BUG, timeless=True),
    302: _refused("ErrAssetPositionNotSupported", Reaction.BUG),
    303: _refused("ErrMultAssetPositionsNotSupported", Reaction.BUG),
    500: _refused("ErrAssetTransferQuantumsNotPositive", Reaction.BUG, timeless=True),
    501: _refused("ErrAssetTransferThroughBankNotImplemented", Reaction.BUG, timeless=True),
    700: _refused("ErrInvalidLeverage", Reaction.GIVE_UP, _LEVERAGE),
    701: _refused("ErrLeverageExceedsMaximum", Reaction.GIVE_UP, _LEVERAGE),
    702: _refused("ErrInitialMarginPpmIsZero", Reaction.GIVE_UP, _LEVERAGE),
    703: _refused("ErrLeverageViolatesMarginRequirements", Reaction.GIVE_UP, _LEVERAGE),
}
_SENDING: Final = {
    code: _refused(name, Reaction.BUG, timeless=True)
    for code, name in {
        1: "ErrSenderSameAsRecipient",
        2: "ErrInvalidTransferAmount",
        3: "ErrDuplicatedTransfer",
        4: "ErrTransferNotFound",
        5: "ErrMissingFields",
        6: "ErrInvalidAccountAddress",
        1101: "ErrNonUsdcAssetTransferNotImplemented",
    }.items()
}
TABLE: Final[dict[tuple[str, int], CodeMeaning]] = {
    **{
        ("clob", code): _refused(
            f"Err{name}", reaction, sentence or _BUG, timeless=code in TIMELESS
        )
        for code, (name, reaction, sentence) in CLOB.items()
    },
    **{("sdk", code): meaning for code, meaning in _SDK.items()},
    **{("dydxaccountplus", code): meaning for code, meaning in _ACCOUNTPLUS.items()},
    **{("subaccounts", code): meaning for code, meaning in _SUBACCOUNTS.items()},
    **{("sending", code): meaning for code, meaning in _SENDING.items()},
}


def classify(codespace: str, code: int, *, resend: bool = False) -> CodeMeaning:
    """The meaning of a node's answer to a broadcast.

    A pair that is not listed is unknown. With `resend` the same order was sent before and its fate
    is open. Then only a refusal that lies in the order itself is one; all others (duplicate,
    replacement, filled, rate limit, too late …) may have arisen after the first copy was taken and
    say only: look.
    """
    if code == 0:
        return ACCEPTED
    meaning = TABLE.get((codespace, code))
    if meaning is None:
        return CodeMeaning(Outcome.UNKNOWN, f"{codespace}/{code}", _UNKNOWN, Reaction.LOOK)
    if resend and meaning.outcome is Outcome.REFUSED and not meaning.timeless:
        return CodeMeaning(Outcome.UNKNOWN, meaning.name, _UNKNOWN, Reaction.LOOK)
    return meaning
