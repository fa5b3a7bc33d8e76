"""Why something waits is said once, until it changes or has ended."""

from __future__ import annotations

from core.trading.reasons import Reasons


def test_a_reason_is_new_once_and_again_after_another() -> None:
    reasons = Reasons()
    said = [reasons.is_new("level", why) for why in ("full", "full", "slow", "slow", "full")]
    assert said == [True, False, True, False, True]


def test_a_reason_is_new_for_each_thing_and_after_it_waited_no_more() -> None:
    reasons = Reasons()
    for level in ("placed", "unwanted", "waiting"):
        assert reasons.is_new(level, "full")
    reasons.forget("placed")
    reasons.keep({"placed", "waiting"})
    said = {level: reasons.is_new(level, "full") for level in ("placed", "unwanted", "waiting")}
    assert said == {"placed": True, "unwanted": True, "waiting": False}
