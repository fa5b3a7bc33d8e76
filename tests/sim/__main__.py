"""`python -m tests.sim`: seeded days for SOAK_MINUTES (default 30) on all cores.

    python -m tests.sim                  days on end; the last line is one JSON object
    python -m tests.sim --seed 17        the days of one seed, with everything that happens
    python -m tests.sim --teeth          each defect of tests/sim/defects.py must be found

The exit status is 1 where the judge found anything, or did not find a defect. SOAK_SEED is the
first seed; without it each run takes seeds of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Final

from tests.sim import crew, soak
from tests.sim.defects import DEFECTS, switched_on

MINUTES: Final = 30.0


def main() -> int:
    arguments = _arguments()
    first_seed = int(os.environ.get("SOAK_SEED") or time.time())
    if arguments.seed is not None:
        return _replay(arguments.seed, arguments.days, arguments.defect, quiet=arguments.quiet)
    if arguments.teeth:
        return _teeth(first_seed)
    return _soak(first_seed, float(os.environ.get("SOAK_MINUTES") or MINUTES))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="live through the days of one seed and show them")
    parser.add_argument("--days", type=int, default=crew.DAYS_PER_SEED, help="how many of them")
    parser.add_argument("--quiet", action="store_true", help="show only what the judge found")
    parser.add_argument("--defect", choices=sorted(DEFECTS), help="with a defect switched on")
    parser.add_argument("--teeth", action="store_true", help="every defect has to be found")
    return parser.parse_args()


def _replay(seed: int, days: int, defect: str | None, *, quiet: bool) -> int:
    with soak.workshop(shown=not quiet) as shop, switched_on(defect):
        outcome = soak.live(seed, shop, days=days, shown=not quiet)
    for error in outcome.errors:
        print(error)
    _print_failure(outcome)
    print(json.dumps(dict(outcome.counts)))
    return 1 if outcome.violations else 0


def _soak(first_seed: int, minutes: float) -> int:
    print(f"seeded days for {minutes:g} minutes, first seed {first_seed}", file=sys.stderr)
    total = crew.Total()
    for outcome in crew.live_through(first_seed, minutes):
        total.add(outcome)
        if outcome.violations:
            _print_failure(outcome)
    print(json.dumps(total.line()))
    return 1 if total.failed or not total.days else 0


def _print_failure(outcome: soak.Outcome) -> None:
    if not outcome.violations:
        return
    print(f"seed {outcome.seed}, day {outcome.days} failed:")
    for line in outcome.violations[:10]:
        print(f"    {line}")
    print(f"    again: python -m tests.sim --seed {outcome.seed}")
    sys.stdout.flush()


def _teeth(first_seed: int) -> int:
    missed = 0
    for name, day, what in crew.teeth(first_seed):
        missed += day is None
        print(f"{name}: not found" if day is None else f"{name}: found on day {day} ({what})")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
