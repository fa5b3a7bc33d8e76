"""How a node's call ends badly."""

from __future__ import annotations

import grpc


class Failed(Exception):
    """A call ends with a gRPC status other than OK."""

    def __init__(self, status: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{status.name}: {details}")
        self.status = status
        self.details = details
