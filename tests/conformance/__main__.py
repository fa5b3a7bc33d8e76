"""The conformance suite against the network that NETWORK and its settings name."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from tests.conformance.checks import Mismatch, Report
from tests.conformance.suite import run
from tests.conformance.target import PaperChild, Unusable, target_of


async def main() -> int:
    """0 only if something was checked and nothing failed; 2 where no run was possible."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("chapters", nargs="*", help="only these chapters")
    parser.add_argument("--failures", action="store_true", help="print no checks that passed")
    arguments = parser.parse_args()
    report = Report(only_failures=arguments.failures)
    child = None
    try:
        target = target_of(os.environ)
        if target is None:
            child = await PaperChild.start()
            target = child.target
        await run(target, report, arguments.chapters)
    except (Unusable, Mismatch) as error:
        print(f"The suite could not run: {error}", file=sys.stderr)
        return 2
    finally:
        if child is not None:
            await child.close()
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
