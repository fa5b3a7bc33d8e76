"""One node's gRPC channel."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from v4_proto.cosmos.tx.v1beta1.service_pb2 import BROADCAST_MODE_SYNC, BroadcastTxRequest

from core.dydx.network import is_loopback
from core.dydx.node_health import Standing

_HEIGHT_HEADER = "x-cosmos-block-height"
_OPTIONS = [
    ("grpc.max_receive_message_length", 32 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.enable_retries", 0),
]


class NotConnected(Exception):
    """The channel was not ready in time: no byte of a call left."""


class CallFailed(Exception):
    """A call was begun and brought no usable answer. `status` is the gRPC status name.

    `silent` tells a node that said nothing from one that answered with an error. `height` is the
    block to which such an error belongs, where the node named it.
    """

    def __init__(
        self, status: str, detail: str, *, silent: bool, height: int | None = None
    ) -> None:
        super().__init__(f"{status}: {detail}"[:300])
        self.status = status
        self.silent = silent
        self.height = height


@dataclass(frozen=True)
class CheckTx:
    """A node's answer to a broadcast."""

    code: int
    codespace: str
    raw_log: str


def _answer_type() -> type[Message]:
    """The answer to BroadcastTx with raw_log as bytes.

    The chain puts raw address bytes into that field, which is declared as text: the generated stub
    then gives no answer at all.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="perpgram/broadcast.proto", package="perpgram", syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    check = file.message_type.add(name="CheckTx")
    for name, number, kind in (
        ("codespace", 3, kinds.TYPE_BYTES),
        ("code", 4, kinds.TYPE_UINT32),
        ("raw_log", 6, kinds.TYPE_BYTES),
    ):
        check.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    answer = file.message_type.add(name="Answer")
    answer.field.add(
        name="tx_response",
        number=1,
        type=kinds.TYPE_MESSAGE,
        type_name=".perpgram.CheckTx",
        label=kinds.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("perpgram.Answer"))


_Answer: Any = _answer_type()


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to a node's address as configured; it connects when it is first asked to."""
    scheme, _, target = address.rpartition("://")
    target = target.rstrip("/")
    options = [*_OPTIONS, ("grpc.enable_http_proxy", int(not is_loopback(address)))]
    if scheme in ("http", "insecure"):
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=options)


class Endpoint:
    """A node: its address as configured, its channel, and where its calls are counted."""

    def __init__(self, address: str, standing: Standing, channel: grpc.aio.Channel) -> None:
        self.address = address
        self.standing = standing
        self.channel = channel
        self._broadcast = self.channel.unary_unary(
            "/cosmos.tx.v1beta1.Service/BroadcastTx",
            request_serializer=BroadcastTxRequest.SerializeToString,
            response_deserializer=bytes,
        )

    @property
    def ready(self) -> bool:
        """Whether a call would leave at once."""
        try:
            return self.channel.get_state() is grpc.ChannelConnectivity.READY
        except grpc.aio.UsageError:
            return False

    def poke(self) -> None:
        """Begins to connect without waiting."""
        with contextlib.suppress(grpc.aio.UsageError):
            self.channel.get_state(try_to_connect=True)

    async def connected(self, timeout_s: float) -> None:
        """Returns when the channel is ready. Raises NotConnected after `timeout_s` seconds."""
        try:
            state = self.channel.get_state(try_to_connect=True)
            if state is grpc.ChannelConnectivity.READY:
                return
            async with asyncio.timeout(timeout_s):
                while state is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.SHUTDOWN:
                        raise NotConnected("the channel is closed")
                    await self.channel.wait_for_state_change(state)
                    state = self.channel.get_state(try_to_connect=True)
        except grpc.aio.UsageError:
            raise NotConnected("the channel is closed") from None
        except TimeoutError:
            raise NotConnected(f"not connected within {timeout_s:.2f} s") from None

    async def broadcast(self, tx: bytes, timeout_s: float) -> CheckTx:
        """One BroadcastTx in mode SYNC. Raises CallFailed."""
        request = BroadcastTxRequest(tx_bytes=tx, mode=BROADCAST_MODE_SYNC)
        raw = await self.call(self._broadcast, request, timeout_s)
        try:
            answer = _Answer.FromString(raw)
            if not answer.HasField("tx_response"):
                raise CallFailed("OK", "the answer held no result", silent=True)
            result = answer.tx_response
            return CheckTx(
                code=result.code,
                codespace=result.codespace.decode("utf-8", "replace"),
                raw_log=result.raw_log.decode("utf-8", "backslashreplace"),
            )
        except DecodeError:
            raise CallFailed("OK", "the answer could not be read", silent=True) from None

    async def call(self, method: Any, request: Message, timeout_s: float) -> Any:
        """One unary call within a deadline. Raises CallFailed."""
        answer, _ = await self.call_at(method, request, timeout_s)
        return answer

    async def call_at(
        self, method: Any, request: Message, timeout_s: float
    ) -> tuple[Any, int | None]:
        """One unary call within a deadline, and the height of the block whose state it shows where
        the node names that. Raises CallFailed.
        """
        self.standing.called()
        try:
            async with asyncio.timeout(timeout_s + 1):
                call = method(request, timeout=timeout_s, wait_for_ready=False)
                answer = await call
                height = _height_in(await call.initial_metadata())
        except grpc.aio.AioRpcError as error:
            status = error.code()
            raise CallFailed(
                status.name,
                error.details() or "",
                silent=status in _SILENT,
                height=_height_in(error.initial_metadata()),
            ) from None
        except TimeoutError:
            raise CallFailed("DEADLINE_EXCEEDED", "no answer", silent=True) from None
        except grpc.aio.UsageError:
            raise CallFailed("CANCELLED", "the channel is closed", silent=True) from None
        except asyncio.CancelledError:
            # A channel that is closed ends its calls as if their tasks had been cancelled.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise CallFailed("CANCELLED", "the channel was closed", silent=True) from None
        if answer is None:
            raise CallFailed("OK", "the answer could not be read", silent=True)
        return answer, height

    async def close(self) -> None:
        await self.channel.close(None)


def _height_in(metadata: Any) -> int | None:
    for name, value in metadata or ():
        if name == _HEIGHT_HEADER and str(value).isdecimal():
            return int(value)
    return None


_SILENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
