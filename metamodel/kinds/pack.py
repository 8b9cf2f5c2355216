"""`kind: pack`: what ships together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metamodel.kinds.common import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A pack's manifest. `depends` maps a pack's name to a version range (`>=1.0,<2`)."""

    name: str
    version: str
    language: int
    label: Text
    description: Text
    depends: Mapping[str, str]
    locales: tuple[str, ...]
