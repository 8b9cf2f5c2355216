"""`kind: conversion`: the records that are made of one record, and what that one remembers of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metamodel.kinds.common import Formula, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A record of `object` that is made where `when` holds (`each`: one for each row of that child set of the source).

    `values` are written over the source, with `each` over the row. `refs` maps lookups to other parts. A record whose
    `match` fields have the same values is taken instead of a new one. An `optional` part may be left out.
    """

    name: str
    label: Text
    object: str
    each: str | None
    when: Formula | None
    optional: bool
    match: tuple[str, ...]
    values: Mapping[str, Formula]
    refs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """Makes records of a record of `object` where `when` holds; `message` is told where it does not. In the end the
    source gets the values of `sets` and, in the lookups of `refs`, the parts: once these are filled it is converted."""

    name: str
    label: Text
    object: str
    when: Formula | None
    message: Text
    creates: Mapping[str, Part]
    sets: Mapping[str, Formula]
    refs: Mapping[str, str]
