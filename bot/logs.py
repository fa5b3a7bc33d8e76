"""Logs: one JSON object a line on standard error; no bodies, no secrets."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up_logs(level: str) -> None:
    """Configures structlog and the libraries' loggers alike."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # the ready-made one writes local variables down; bodies and keys are among them
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "aiosqlite", "tortoise", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # it warns whenever a check of the accounts takes longer than the time to the next one
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    # aiogram logs whole updates when one cannot be decoded; nothing of theirs may reach a log.
    for talkative in ("aiogram", "aiogram.event", "aiogram.dispatcher", "aiohttp.access"):
        logging.getLogger(talkative).setLevel(logging.CRITICAL)
