"""The desk itself: all counters over one office."""

from __future__ import annotations

from core.trading.asking import AskingDesk
from core.trading.drift_desk import DriftDesk
from core.trading.external import ExternalDesk
from core.trading.intake import AlertDesk
from core.trading.office import Office
from core.trading.order_desk import OrderDesk
from core.trading.people import PeopleDesk
from core.trading.plan_desk import PlanDesk
from core.trading.risk.desk import RiskDesk
from core.trading.risk.panic_desk import PanicDesk
from core.trading.strategies import StrategyDesk


class LiveDesk(
    PeopleDesk,
    StrategyDesk,
    AlertDesk,
    AskingDesk,
    PlanDesk,
    OrderDesk,
    DriftDesk,
    ExternalDesk,
    RiskDesk,
    PanicDesk,
):
    """What `core.trading.desk.Desk` promises, on a ledger and real networks."""

    def __init__(self, office: Office) -> None:
        PeopleDesk.__init__(self, office)
        StrategyDesk.__init__(self, office)
        AlertDesk.__init__(self, office)
        AskingDesk.__init__(self, office)
        PlanDesk.__init__(self, office)
        OrderDesk.__init__(self, office)
        ExternalDesk.__init__(self, office)
        DriftDesk.__init__(self, office)
        RiskDesk.__init__(self, office)
        PanicDesk.__init__(self, office)

    async def open(self) -> None:
        """Ready for alerts: from here on they are stored, though lanes may still be reconciling."""
        await self._office.strategy_book.load()
