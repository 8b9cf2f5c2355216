"""Serving: uvicorn around the application, until it is told to stop."""

from __future__ import annotations

import uvicorn

from engine.automation.worker import work
from engine.base.settings import Settings
from engine.http.app import create_app
from engine.http.logs import configure

STOP_SECONDS = 20


def run(settings: Settings, *, worker: bool = False, host: str | None = None, port: int | None = None) -> None:
    """Serves until SIGINT or SIGTERM: open requests are answered first, for at most STOP_SECONDS.

    With `worker` workflow runs are carried out in the same process.
    """
    configure(settings)
    app = create_app(settings, tasks=(work,) if worker else ())
    # The router alone: what FastAPI puts around it (root path, telemetry) is asked at every request and used by none.
    uvicorn.run(
        app.router, host=host or settings.host, port=settings.port if port is None else port, access_log=False,
        log_config=None, server_header=False, date_header=True, timeout_graceful_shutdown=STOP_SECONDS,
        lifespan="on", ws="none",
    )  # fmt: skip
