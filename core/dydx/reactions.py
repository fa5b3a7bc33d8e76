"""What a refusal asks for."""

from __future__ import annotations

from enum import StrEnum


class Reaction(StrEnum):
    """What to do after an answer of the chain; the engine decides whether it does it."""

    NONE = "none"
    LOOK = "look"
    """The answer proves nothing: find out what became of the order."""
    RECONCILE = "reconcile"
    """The chain's state is another than assumed: read it before anything else."""
    OTHER_NODE = "other_node"
    """This node cannot take it at the moment, another may."""
    NEW_CLIENT_ID = "new_client_id"
    REFRESH_HEIGHT = "refresh_height"
    REFRESH_MARKETS = "refresh_markets"
    HALT_MARKET = "halt_market"
    BACK_OFF = "back_off"
    """Wait at least one block; failed attempts count too."""
    FREE_ORDERS = "free_orders"
    """Cancel other orders first."""
    ADD_COLLATERAL = "add_collateral"
    OTHER_SUBACCOUNT = "other_subaccount"
    REPRICE = "reprice"
    CANCEL_SINGLY = "cancel_singly"
    ALREADY_CANCELED = "already_canceled"
    IGNORE = "ignore"
    GIVE_UP = "give_up"
    CHECK_KEY = "check_key"
    """Chain id, account number or key do not belong together."""
    CHECK_CLOCK = "check_clock"
    SIGN_AGAIN = "sign_again"
    FUND_WALLET = "fund_wallet"
    BUG = "bug"
    """The order was malformed: never send it again."""
