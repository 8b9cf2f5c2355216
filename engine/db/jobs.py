"""The job queue (pgqueuer) in the control schema: its names, its operations, its worker.

The tables are made by `system/control`; only a process that works on jobs pays for the import of the library.
"""

from __future__ import annotations

from typing import Any

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.applications import PgQueuer
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel

# Every name is given, because the library would else take it from variables of the environment.
SETTINGS = DBSettings(
    prefix="",
    db_schema="fieldwright",
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
)

LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a worker raises whose connection is gone; the library lets errors of the driver through."""


def queries(conn: Any) -> Queries:
    """The library's operations over one asyncpg connection, which nobody else uses meanwhile."""
    builders = (QueryBuilderEnvironment(SETTINGS), QueryQueueBuilder(SETTINGS), QuerySchedulerBuilder(SETTINGS))
    return Queries(AsyncpgDriver(conn), *builders)


def worker(conn: Any) -> PgQueuer:
    """A worker of the queue over one asyncpg connection of its own: give it entrypoints, then await its `run`."""
    operations = queries(conn)
    return PgQueuer(operations.driver, SETTINGS.channel, queries=operations)
