"""`kind: tenant`: which packs a tenant uses, its settings, and its patches on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metamodel.kinds.common import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSettings:
    """Facts of the organisation that formulas depend on. `calendar` counts where a formula names none."""

    time_zone: str = "UTC"
    currency: str = "USD"
    locales: tuple[str, ...] = ("en",)
    fiscal_year_start: int = 1
    calendar: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant's own file; its patches are merged by key before anything is built."""

    name: str
    label: Text
    packs: Mapping[str, str]
    settings: TenantSettings
