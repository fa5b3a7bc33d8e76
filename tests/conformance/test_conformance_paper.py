"""The conformance suite on the paper network, as `make conformance` runs it."""

from __future__ import annotations

import io

import pytest

from tests.conformance.checks import Report
from tests.conformance.suite import run
from tests.conformance.target import PaperChild


@pytest.mark.timeout(600)
async def test_the_paper_network_passes_the_conformance_suite() -> None:
    told = io.StringIO()
    report = Report(out=told, only_failures=True)
    child = await PaperChild.start()
    try:
        await run(child.target, report)
    finally:
        await child.close()

    failed = [f"{row.chapter}: {row.sentence} ({row.reason})" for row in report.noted if row.failed]
    assert failed == []
    assert report.count("PASS") > 400
    assert report.good
