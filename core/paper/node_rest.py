"""A node's third door: the REST gateway of the base framework, for clients that ask with addresses.

The routes are the ones that the services' own definitions name. They are served beside JSON-RPC, on
its port. Source: docs/protocol.md, endpoints.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import grpc
from aiohttp import web
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError
from v4_proto.google.api import annotations_pb2

from core.paper.failures import Failed
from core.paper.node import BROADCAST, Node
from core.paper.proto_json import Json, rendered

_VARIABLE: Final = re.compile(r"\{([\w.]+)(?:=([^}]*))?\}")
_HEIGHT_HEADER: Final = "Grpc-Metadata-X-Cosmos-Block-Height"
_HTTP: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.UNIMPLEMENTED: 501,
}


@dataclass(frozen=True)
class _Route:
    """`variables` are the request's fields that the address holds, in order."""

    verb: str
    pattern: re.Pattern[str]
    variables: tuple[str, ...]
    method: str
    request: Any
    response: Any
    has_body: bool


class NodeRest:
    """The gateway over one node. Calls count in the node's `calls` as `rest` and the method."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._routes = [route for method in node.methods for route in _routes(method)]

    def add_to(self, app: web.Application) -> None:
        """Serve the gateway's part of the addresses."""
        app.router.add_route("*", "/{module:cosmos|dydxprotocol}/{rest:.+}", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        height = {_HEIGHT_HEADER: str(self._node.exchange.height)}
        try:
            return web.json_response(await self._answer(request), headers=height)
        except Failed as failure:
            code = int(failure.status.value[0])
            body = {"code": code, "message": failure.details, "details": []}
            return web.json_response(body, status=_HTTP.get(failure.status, 500), headers=height)

    async def _answer(self, request: web.Request) -> Json:
        path = request.rel_url.raw_path
        for route in self._routes:
            match = route.pattern.fullmatch(path) if route.verb == request.method else None
            if match is not None:
                break
        else:
            raise Failed(grpc.StatusCode.UNIMPLEMENTED, "Not Implemented")
        given: Json = await _body(request) if route.has_body else {}
        fields = list(zip(route.variables, map(unquote, match.groups()), strict=True))
        if not route.has_body:
            fields += list(request.query.items())
        for name, text in fields:
            _put(given, route.request.DESCRIPTOR, name, text)
        try:
            asked = json_format.ParseDict(given, route.request(), ignore_unknown_fields=True)
        except json_format.ParseError as error:
            raise Failed(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        answer = await self._ask(route.method, asked)
        return rendered(route.response.FromString(answer))

    async def _ask(self, method: str, asked: Any) -> bytes:
        raw = asked.SerializeToString()
        await self._node.enter(f"rest{method}", raw)
        if self._node.faults.down:
            raise Failed(grpc.StatusCode.UNAVAILABLE, "the node is down")
        try:
            if method == BROADCAST:
                return await self._node.broadcast(asked)
            return self._node.query(method, raw)
        except DecodeError as error:
            raise Failed(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error


def _routes(method: str) -> list[_Route]:
    """The addresses of a method; none where its definition names none."""
    service, _, name = method.strip("/").rpartition("/")
    found: Any = descriptor_pool.Default().FindServiceByName(service)
    known = found.methods_by_name[name]
    rule = known.GetOptions().Extensions[annotations_pb2.http]
    asked = message_factory.GetMessageClass(known.input_type)
    answer = message_factory.GetMessageClass(known.output_type)
    routes = []
    for one in (rule, *rule.additional_bindings):
        verb, template = ("POST", one.post) if one.post else ("GET", one.get)
        if template:
            variables = tuple(match[1] for match in _VARIABLE.finditer(template))
            routes.append(
                _Route(verb, _pattern(template), variables, method, asked, answer, bool(one.body))
            )
    return routes


def _pattern(template: str) -> re.Pattern[str]:
    """A variable is one part of an address, or with two stars any number of them."""
    text, position = "", 0
    for match in _VARIABLE.finditer(template):
        text += re.escape(template[position : match.start()])
        text += "(.+)" if match[2] == "**" else "([^/]+)"
        position = match.end()
    return re.compile(text + re.escape(template[position:]))


async def _body(request: web.Request) -> Json:
    try:
        given = json.loads(await request.text() or "{}")
    except (ValueError, RecursionError) as error:
        raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "unexpected EOF") from error
    if not isinstance(given, dict):
        raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "the body must be an object")
    return given


def _put(given: Json, descriptor: Any, name: str, text: str) -> None:
    """Put a value of the address into the request; names it does not know are left out."""
    *parents, last = name.split(".")
    for parent in parents:
        field = descriptor.fields_by_name.get(parent)
        if field is None or field.message_type is None:
            return
        given, descriptor = given.setdefault(parent, {}), field.message_type
    field = descriptor.fields_by_name.get(last)
    if field is None:
        return
    value: Any = _typed(field, name, text)
    if field.is_repeated:
        given.setdefault(last, []).append(value)
    else:
        given[last] = value


def _typed(field: Any, name: str, text: str) -> Any:
    if field.type == field.TYPE_BOOL:
        if text.lower() not in ("true", "false", "1", "0"):
            raise _mismatch(name, "ParseBool", text)
        return text.lower() in ("true", "1")
    if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
        if not (text.isascii() and text.isdigit()):
            raise _mismatch(name, "ParseUint", text)
        return int(text)
    if field.type == field.TYPE_ENUM and text.isascii() and text.isdigit():
        return int(text)
    return text


def _mismatch(name: str, function: str, text: str) -> Failed:
    return Failed(
        grpc.StatusCode.INVALID_ARGUMENT,
        f'type mismatch, parameter: {name}, error: strconv.{function}: parsing "{text}": '
        "invalid syntax",
    )
