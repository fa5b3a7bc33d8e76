"""Whether the client library and its stubs are the ones this program was built for."""

from __future__ import annotations

from importlib import import_module, metadata

CLIENT = ("dydx-v4-client", "1.1.5")
STUBS = ("v4-proto", "9.6.1")
_MODULES = (
    "dydx_v4_client.key_pair",
    "dydx_v4_client.wallet",
    "dydx_v4_client.node.builder",
    "v4_proto.cosmos.tx.v1beta1.service_pb2_grpc",
    "v4_proto.dydxprotocol.clob.tx_pb2",
)
REPAIR = "repair with `uv sync --frozen`"


class DependencyFault(Exception):
    """A library is missing or another than expected; the text is one line with the repair."""


def check() -> None:
    """Raises DependencyFault unless the exact client and stubs are there and can be imported."""
    for name, wanted in (CLIENT, STUBS):
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            raise DependencyFault(f"{name} is not installed; {REPAIR}") from None
        if found != wanted:
            raise DependencyFault(f"{name} is {found} and must be exactly {wanted}; {REPAIR}")
    for module in _MODULES:
        try:
            import_module(module)
        except Exception as error:
            raise DependencyFault(
                f"{module} cannot be imported ({type(error).__name__}); {REPAIR}"
            ) from None
