"""Settings of a process, from the environment (`FIELDWRIGHT_*`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may set. Nothing here is needed to start: the defaults are safe.

    `database_url`: a PostgreSQL server to use; without it an embedded one is started in `home`.
    `pg_bin`: the folder of the server binaries for the embedded PostgreSQL.
    `log_format`: auto is console on a terminal, else json.
    `files_url`: where the bytes of files are kept, such as s3://bucket/folder, gs://..., az://... or file:///folder;
    without it in `home`.
    `secret`: signs cursors and ETags; made once and kept in the database where not given.
    """

    model_config = SettingsConfigDict(env_prefix="FIELDWRIGHT_", extra="ignore")

    home: Path = Path(".fieldwright")
    database_url: str | None = None
    database_pooler: Literal["none", "transaction"] = "none"
    pg_bin: Path | None = None
    files_url: str | None = None
    secret: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    pool_size: int = 8
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: str = "info"
