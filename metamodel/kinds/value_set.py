"""`kind: value_set`: the options of select fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metamodel.kinds.common import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option. A retired one (`active: false`) stays readable on old rows and can not be chosen any more."""

    name: str
    label: Text
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSet:
    """Options in file order. An inline set of a field is named `<object>.<field>`."""

    name: str
    label: Text
    options: Mapping[str, Option]
