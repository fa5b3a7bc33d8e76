"""Builds the HTTP application: webhook, its schema, health, metrics and what the process adds."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from handlers.http.answers import error_answer, not_found, set_safe_headers
from handlers.http.health import Health, Readiness
from handlers.http.metrics import Metrics
from handlers.http.schema import schema_routes
from handlers.http.signals import AlertDesk, DoorLimits, SignalDoor

log = structlog.get_logger(__name__)

_DOOR = web.AppKey("door", SignalDoor)
_HEALTH = web.AppKey("health", Health)


def build_http(
    *,
    desk: AlertDesk,
    readiness: Readiness,
    metrics: Metrics,
    extra_routes: Iterable[web.AbstractRouteDef] = (),
    limits: DoorLimits | None = None,
    door: SignalDoor | None = None,
) -> web.Application:
    """The application; serve it with `handlers.http.serving.listen`, which keeps no access log."""
    app = web.Application(middlewares=[_plain_errors])
    app[_DOOR] = door or SignalDoor(desk, metrics, limits)
    app[_HEALTH] = Health(readiness, metrics)
    app.add_routes(app[_DOOR].routes())
    app.add_routes(app[_HEALTH].routes())
    app.add_routes(schema_routes())
    app.add_routes(extra_routes)
    app.on_response_prepare.append(set_safe_headers)
    app.on_shutdown.append(_begin_drain)
    app.on_cleanup.append(_finish)
    return app


def drain(app: web.Application) -> None:
    """Alerts are answered 503 from now on and /readyz fails; what is at the desk goes on."""
    app[_DOOR].drain()
    app[_HEALTH].draining = True


async def _begin_drain(app: web.Application) -> None:
    drain(app)


async def _finish(app: web.Application) -> None:
    await app[_DOOR].close()


@web.middleware
async def _plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as JSON with a code, without a detail."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        if error.status == 404:
            return not_found()
        allow = error.headers.get("Allow")
        return error_answer(error.status, headers={"Allow": allow} if allow else None)
    except Exception:
        log.exception("a request failed", route=_route_of(request))
        return error_answer(500)


def _route_of(request: web.Request) -> str:
    """The route's pattern: a path itself could hold a webhook's address."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
