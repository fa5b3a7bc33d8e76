"""What the bot told its traders, held against what is so."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from core.paper.happenings import SubaccountKey
from tests.sim.chain import uuid_of

if TYPE_CHECKING:
    from tests.sim.judge import Judge
    from tests.sim.people import Sent

# What is told in the ordinary course of things.
NEWS: Final = frozenset(
    {
        "card",
        "signal_refused",
        "signal_missed",
        "order_unfilled",
        "position_closed",
        "intent_refused",
        "alert_unreadable",
        "access_asked",
        "access_answered",
        "key_progress",
        "key_told",
        "news_back",
        "key_back",
        "signal_asks",
        "signal_mocked",
        "strategy_silent",
        "panic_progress",
        "panic_told",
        "drift_found",
    }
)
# Nobody but the bot moves coins or money here.
NEVER_SO: Final = frozenset({"balance_differs", "shares_differ", "position_by_hand", "key_lost"})
# Of these an alert may be refused on a day on which nothing goes wrong.
ITS_OWN_FAULT: Final = frozenset(
    {
        "nothing_to_close",
        "nothing_to_cancel",
        "nothing_to_do",
        "nothing_to_add_to",
        "nothing_to_reverse",
        "resting_reduce",
        "market_in_use",
        "too_small",
        "superseded",
        "chain_limit",
    }
)
MOMENTS: Final = 12
"""Of so many blocks it is remembered what was held."""
OUTRUN_BEFORE: Final = dt.timedelta(seconds=3)
OUTRUN_WITHIN: Final = dt.timedelta(seconds=10)


class Telling:
    """Messages of the outbox, as they come; `look` is called with every block."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._world = judge.world
        self._seen = 0
        self._held: deque[dict[tuple[SubaccountKey, str], Decimal]] = deque(maxlen=MOMENTS)

    def look(self) -> None:
        """Judges what was told since the last block."""
        chain = self._world.chain
        self._held.append(
            {
                (person.key, ticker): size
                for person in self._world.people
                for ticker, size in chain.positions(person.key).items()
            }
        )
        newest = self._judge.rows("SELECT max(id) AS id FROM outgoing_message")[0]["id"] or 0
        if newest == self._seen:
            return
        rows = self._judge.rows(
            "SELECT id, kind, payload FROM outgoing_message WHERE id > ?", self._seen
        )
        self._seen = newest
        for row in rows:
            if row["kind"] in NEVER_SO:
                self._judge.blame("lie", f"{row['kind']} was told: {row['payload']}")
            elif row["kind"] == "drift_found":
                self._drift(json.loads(row["payload"]))

    def alarms(self) -> Counter[str]:
        """What was told beyond the ordinary, by kind."""
        rows = self._judge.rows("SELECT kind FROM outgoing_message")
        return Counter(row["kind"] for row in rows if row["kind"] not in NEWS)

    # alarms about protection

    def warned(self, key: SubaccountKey, ticker: str, since: dt.datetime) -> bool:
        """Whether the owner of a position was told since then what may keep its stop away."""
        person = next(person for person in self._world.people if person.key == key)
        rows = self._judge.rows(
            "SELECT kind, payload, changed_at FROM outgoing_message WHERE trader_id = ?",
            person.view.id,
        )
        return any(
            self._concerns(row["kind"], json.loads(row["payload"]), person.account_id, ticker)
            for row in rows
            if moment(row["changed_at"]) >= since
        )

    def _concerns(self, kind: str, payload: dict[str, Any], account_id: int, ticker: str) -> bool:
        if kind in ("protection_missing", "protection_failing"):
            return self._is_of("position", payload["position_id"], account_id, ticker)
        if kind == "order_unknown":
            return self._is_of('"order"', payload["order_id"], account_id, ticker)
        if kind == "mismatch_found":
            return (payload["account_id"], payload["ticker"]) == (account_id, ticker)
        if kind in ("news_missing", "account_unseen"):
            return bool(payload["account_id"] == account_id)
        return kind == "gap_found"

    def _is_of(self, table: str, row_id: int, account_id: int, ticker: str) -> bool:
        rows = self._judge.rows(f"SELECT account_id, ticker FROM {table} WHERE id = ?", row_id)
        return bool(rows) and (rows[0]["account_id"], rows[0]["ticker"]) == (account_id, ticker)

    # drift

    def _drift(self, payload: dict[str, Any]) -> None:
        """Chart and chain have to differ, and on a day without faults the bot may not be the cause,
        but what traded since the chart was told.
        """
        strategy_id, ticker = payload["strategy_id"], payload["ticker"]
        sent = self._target(strategy_id, ticker)
        where = f"{self._judge.name_of_strategy(strategy_id)} {ticker}"
        if sent is None:
            self._judge.blame("lie", f"{where} is said to have drifted from a chart nobody knows")
            return
        if not sent.accepted or self._world.loop.passed - sent.at < MOMENTS:
            return  # it is of an earlier one
        wanted = sent.target
        key = sent.strategy.owner.key
        if not sent.strategy.owner.cast.shares and self._held:
            ways = {_way(held.get((key, ticker), Decimal(0))) for held in self._held}
            if not sent.sized and ways == {wanted}:
                self._judge.blame("lie", f"{where} is said to have drifted and is {wanted}")
        if self._judge.restless:
            return
        if not self._traded_since(sent) and not self._was_refused(sent):
            self._judge.blame("alarm", f"{where} did not come to {wanted}, and nothing else traded")

    def _target(self, strategy_id: int, ticker: str) -> Sent | None:
        found = [
            sent
            for sent in self._world.sent
            if sent.strategy.id == strategy_id and sent.ticker == ticker and sent.target
        ]
        return found[-1] if found else None

    def _traded_since(self, sent: Sent) -> bool:
        """Whether something else than an alert traded in its market after it came."""
        own = self._judge.rows("SELECT id FROM signal WHERE body LIKE ?", f'%"id": "{sent.id}"%')
        mine = {
            UUID(str(row["order_uuid"]))
            for signal in own
            for row in self._judge.rows(
                'SELECT order_uuid FROM "order" JOIN intent ON intent.id = "order".intent_id '
                "WHERE intent.signal_id = ?",
                signal["id"],
            )
        }
        return any(
            fill.key == sent.strategy.owner.key
            and fill.ticker == sent.ticker
            and fill.at >= sent.at
            and uuid_of(fill) not in mine
            for fill in self._world.chain.fills
        )

    def _was_refused(self, sent: Sent) -> bool:
        rows = self._judge.rows("SELECT state, body FROM signal WHERE state != 'executed'")
        return any(json.loads(row["body"]).get("id") == sent.id for row in rows)

    # refusals

    def refusals(self) -> None:
        """On a day without faults every alert is in time, and refused only for what it asks."""
        rows = self._judge.rows(
            "SELECT id, body, state, reason_code FROM signal WHERE state IN ('missed', 'refused')"
        )
        for row in rows:
            if row["reason_code"] == "canceled" and self._was_cancelled(row["id"]):
                continue
            if row["reason_code"] == "unfilled" and self._was_outrun(row["id"]):
                continue
            if row["state"] == "missed" or row["reason_code"] not in ITS_OWN_FAULT:
                alert = json.loads(row["body"])
                self._judge.blame(
                    "lost", f"alert {alert.get('id')} is {row['state']}: {row['reason_code']}"
                )

    def _was_outrun(self, signal_id: str) -> bool:
        """Whether the price moved just before an alert's order, which the bot had not heard, or
        while the order lived.
        """
        made = self._judge.rows(
            'SELECT ticker, created_at FROM "order" WHERE signal_id = ?', signal_id
        )
        return bool(made) and all(
            any(
                -OUTRUN_BEFORE <= at - moment(row["created_at"]) <= OUTRUN_WITHIN
                for at in self._world.chain.moved[row["ticker"]]
            )
            for row in made
        )

    def _was_cancelled(self, signal_id: str) -> bool:
        """Whether a trader pressed the Cancel button of each order of an alert, and its card says
        what became of it.
        """
        made = self._judge.rows(
            'SELECT o.id, i.done_at FROM "order" o JOIN intent i ON i.id = o.intent_id '
            "WHERE i.signal_id = ?",
            signal_id,
        )
        cards = self._judge.rows(
            "SELECT changed_at FROM outgoing_message WHERE kind = 'card' AND key = ?",
            f"card:{signal_id}",
        )
        said = [moment(row["changed_at"]) for row in cards]
        return bool(made) and all(
            row["id"] in self._world.cancelled and any(at >= moment(row["done_at"]) for at in said)
            for row in made
        )


def moment(text: str) -> dt.datetime:
    """A time of the ledger's."""
    read = dt.datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=dt.UTC)


def _way(held: Decimal) -> str:
    return "flat" if not held else "long" if held > 0 else "short"
