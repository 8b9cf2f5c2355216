"""Structured logs of a process: one line an event, for people or as JSON."""

from __future__ import annotations

import logging
import sys
from typing import Any

import msgspec
import structlog

from engine.base.settings import Settings


def configure(settings: Settings) -> None:
    """Sets up structlog for the whole process; standard library loggers (uvicorn, asyncio) join in as warnings."""
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    shared: list[Any] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    if settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty()):
        shared += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
    else:
        shared.append(
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        )
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    form = "%(levelname)s %(name)s %(message)s"
    logging.basicConfig(stream=sys.stderr, level=max(level, logging.WARNING), format=form)


def _json(value: Any, **_: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
