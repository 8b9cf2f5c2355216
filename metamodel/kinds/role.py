"""`kind: role`: what a person with this role may do. What is not granted is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metamodel.kinds.common import Formula, Text

VERBS = ("read", "create", "edit", "delete", "export", "import")
CAPABILITIES = {
    "import_historical": "import records in any stage with their original dates and owners",
    "manage_imports": "see, cancel and undo the imports of others",
    "manage_users": "create users, give them roles and credentials",
    "view_runs": "see and retry workflow runs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One verb on one object: on the rows where `where` is true (None: all), for `fields` (None: all)."""

    where: Formula | None
    fields: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """`objects` maps an object to its grants by verb."""

    name: str
    label: Text
    objects: Mapping[str, Mapping[str, Grant]]
    capabilities: frozenset[str]
