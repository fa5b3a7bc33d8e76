"""Start-up: the right libraries, and none that opens connections at import."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from core.dydx import dependency


def test_the_installed_client_and_stubs_are_the_ones_wanted() -> None:
    dependency.check()


@pytest.mark.parametrize("version", ["1.1.5.post1", "1.1.4", "1.2.0"])
def test_another_version_of_the_client_stops_the_start_with_one_line(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: version if name == "dydx-v4-client" else real(name)
    )
    with pytest.raises(dependency.DependencyFault) as caught:
        dependency.check()

    text = str(caught.value)
    assert version in text
    assert "1.1.5" in text
    assert "uv sync" in text
    assert "\n" not in text


def test_a_missing_client_stops_the_start_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(dependency.DependencyFault, match=r"not installed; repair with"):
        dependency.check()


def test_stubs_that_cannot_be_imported_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "v4_proto.dydxprotocol.clob.tx_pb2"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(dependency.DependencyFault, match=r"clob\.tx_pb2 cannot be imported"):
        dependency.check()


def test_importing_the_client_opens_no_channel_of_the_library() -> None:
    code = (
        "import sys\n"
        "import core.dydx.stream, core.dydx.node, core.dydx.indexer, core.dydx.orders\n"
        "import core.dydx.faucet, core.dydx.dependency\n"
        "core.dydx.dependency.check()\n"
        "bad = {'dydx_v4_client.network', 'dydx_v4_client.node.client'} & set(sys.modules)\n"
        "bad |= {'dydx_v4_client.indexer.rest.indexer_client'} & set(sys.modules)\n"
        "sys.exit(','.join(sorted(bad)) or None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
