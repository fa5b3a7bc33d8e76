"""What alerts did on chain: each has its own effect, once, and buttons and plans open nothing."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.sim.chain import TrueFill, uuid_of

if TYPE_CHECKING:
    from tests.sim.judge import Judge


class EffectCheck:
    """Holds the fills of each alert's orders against what it may do."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._world = judge.world

    def look(self, orders: dict[UUID, dict[str, Any]]) -> None:
        signals = {row["id"]: row for row in self._judge.rows("SELECT id, body, state FROM signal")}
        of_alert: dict[str, list[dict[str, Any]]] = defaultdict(list)
        alert_of: dict[str, str] = {}
        for row in signals.values():
            alert_id = str(json.loads(row["body"]).get("id"))
            of_alert[alert_id].append(row)
            alert_of[str(row["id"])] = alert_id
        closing = {sent.id: sent.opens == 0 for sent in self._world.sent}
        intents = {
            row["id"]: row for row in self._judge.rows("SELECT id, signal_id, source FROM intent")
        }
        opened: dict[str, Decimal] = defaultdict(Decimal)
        closed: dict[str, Decimal] = defaultdict(Decimal)
        sharing = {person.key for person in self._world.people if person.cast.shares}
        for fill in self._world.chain.fills:
            uuid = uuid_of(fill)
            order = orders.get(uuid) if uuid is not None else None
            if order is None:
                continue
            opens, closes = _parts(fill)
            intent = intents.get(order["intent_id"])
            if intent is None or intent["signal_id"] is None:
                if opens:
                    self._judge.blame(
                        "doubled", f"a {order['purpose']} order opened {opens} {fill.ticker}"
                    )
                if not fill.reduce_only:
                    self._judge.blame(
                        "not_reduce_only", f"a {order['purpose']} order in {fill.ticker}"
                    )
                continue
            alert_id = alert_of[str(intent["signal_id"])]
            if fill.key in sharing:
                continue  # what is closed of a share may be opened on chain
            if not fill.reduce_only and closing.get(alert_id):
                self._judge.blame("not_reduce_only", f"alert {alert_id} only closes")
            opened[alert_id] += opens
            closed[alert_id] += closes
        self._shared(alert_of, opened, closed)
        for sent in self._world.sent:
            self._alert(sent, of_alert[sent.id], opened[sent.id], closed[sent.id])

    def _shared(
        self,
        alert_of: dict[str, str],
        opened: dict[str, Decimal],
        closed: dict[str, Decimal],
    ) -> None:
        """What alerts of strategies that share a market did to the shares. That those add up to
        what is on chain is looked at elsewhere.
        """
        accounts = {p.account_id for p in self._world.people if p.cast.shares}
        for row in self._judge.rows(
            "SELECT m.account_id, m.change, m.size, i.signal_id FROM share_move m "
            "JOIN fill f ON f.fill_uuid = m.fill_uuid "
            'JOIN "order" o ON o.order_uuid = f.order_uuid JOIN intent i ON i.id = o.intent_id '
            "WHERE i.signal_id IS NOT NULL"
        ):
            if row["account_id"] in accounts:
                change, before = Decimal(row["change"]), Decimal(row["size"])
                before -= change
                closes = min(abs(change), abs(before)) if before * change < 0 else Decimal(0)
                alert_id = alert_of[str(row["signal_id"])]
                opened[alert_id] += abs(change) - closes
                closed[alert_id] += closes

    def _alert(
        self, sent: Any, rows: list[dict[str, Any]], opened: Decimal, closed: Decimal
    ) -> None:
        if len(rows) > 1:
            self._judge.blame("doubled", f"alert {sent.id} is {len(rows)} signals")
        if sent.accepted and not rows:
            self._judge.blame("lost", f"alert {sent.id} was accepted and is nowhere")
        for row in rows:
            if row["state"] not in ("executed", "refused", "missed"):
                self._judge.blame(
                    "lost", f"alert {sent.id} ({sent.action}) is still {row['state']}"
                )
            if row["state"] == "missed" and (opened or closed):
                self._judge.blame(
                    "lives", f"alert {sent.id} is missed and traded {opened + closed}"
                )
        if opened > sent.opens:
            self._judge.blame(
                "doubled",
                f"alert {sent.id} ({sent.action}) opened {opened.normalize():f}, "
                f"{sent.opens} was meant",
            )
        if sent.closes is not None and closed > sent.closes:
            self._judge.blame(
                "doubled",
                f"alert {sent.id} ({sent.action}) closed {closed.normalize():f}, "
                f"{sent.closes} was meant",
            )


def _parts(fill: TrueFill) -> tuple[Decimal, Decimal]:
    """What a fill opened and what it closed."""
    signed = fill.size if fill.side == "BUY" else -fill.size
    if fill.before * signed >= 0:
        return fill.size, Decimal(0)
    closes = min(fill.size, abs(fill.before))
    return fill.size - closes, closes
