"""What looks after the accounts on its own: rounds, glances, gaps, drift, lost keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from bot.settings import Settings
from core.trading.drift_guard import DriftGuard
from core.trading.gap import BEAT_EVERY_S, GapWatch
from core.trading.glances import Glances
from core.trading.key_loss_watch import KeyLossWatch
from core.trading.lanes import Lanes
from core.trading.office import Office
from core.trading.rota import Pace
from core.trading.rounds import Rounds

STEP_EVERY_S: Final = 1.0
LOOK_EVERY_S: Final = 5.0


@dataclass(frozen=True)
class Watches:
    """Built once over one office; `jobs` are called by the scheduler."""

    rounds: Rounds
    glances: Glances
    gap: GapWatch
    drift: DriftGuard
    keys: KeyLossWatch

    def jobs(self) -> list[tuple[Callable[[], Awaitable[None]], float]]:
        """What is to be called, and every how many seconds."""
        return [
            (self.rounds.step, STEP_EVERY_S),
            (self.glances.step, STEP_EVERY_S),
            (self.gap.beat, BEAT_EVERY_S),
            (self.gap.tell, LOOK_EVERY_S),
            (self.drift.look, LOOK_EVERY_S),
            (self.keys.look, LOOK_EVERY_S),
        ]


def build_watches(office: Office, lanes: Lanes, settings: Settings) -> Watches:
    """The watches of the process."""
    pace = Pace(
        orders_s=settings.reconcile_orders_s,
        positions_s=settings.reconcile_positions_s,
        idle_s=settings.reconcile_idle_s,
        share=settings.reconcile_budget_percent / 100,
    )
    return Watches(
        rounds=Rounds(lanes, lanes.parts_of, office.clock, pace),
        glances=Glances(lanes, office.clock),
        gap=GapWatch(office),
        drift=DriftGuard(office),
        keys=KeyLossWatch(office),
    )
