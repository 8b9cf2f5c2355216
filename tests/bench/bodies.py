"""The bodies of requests to what is written by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field


class Opportunity(BaseModel):
    """The body of a create."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    account: UUID
    stage: str
    amount: Annotated[Decimal | None, Field(ge=0)] = None
    probability: Annotated[Decimal | None, Field(ge=0, le=1)] = None
    close_date: date | None = None
    next_step: Annotated[str | None, Field(max_length=200)] = None


class Change(BaseModel):
    """The body of a change."""

    amount: Annotated[Decimal, Field(ge=0)]


class Move(BaseModel):
    """The body of a move."""

    stage: str
