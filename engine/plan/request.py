"""What a caller asks for, by name: nothing here is checked yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from engine.base.limits import PAGE_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery:
    """Records of one object, or one record (`single`). `equals` are shortcuts (`?stage=won`), ANDed with `where`.

    `export`: only the rows and fields of the object that the right to export allows too. `errors`: each record also
    tells, under `_errors`, which of its fields could not be computed, each with the code of its error.
    """

    object: str
    single: bool = False
    fields: tuple[str, ...] | None = None
    where: str | None = None
    equals: tuple[tuple[str, str], ...] = ()
    order: tuple[str, ...] = ()
    limit: int = PAGE_DEFAULT
    after: str | None = None
    count: bool = False
    export: bool = False
    errors: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateQuery:
    """Grouped measures of one object; `by` and `measures` map a column's name to a formula."""

    object: str
    by: Mapping[str, str]
    measures: Mapping[str, str]
    where: str | None = None
    order: tuple[str, ...] = ()
    limit: int | None = None


Operation = Literal["create", "update", "delete", "restore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordWrite:
    """A batch of 1 to N changes of one object.

    `rows` are field values by name. For an update each row's record is in `ids` and the version it was read at in
    `versions` (None: whatever it is now). `reasons` are given with a stage move; `done` are the tasks of the stage that
    each row says are done, or not (`{"call_held": True}`). `acknowledged` are the warnings, by the names of their
    rules, that do not refuse the row; with `unattended` none does, since nobody is there to ask. `fields` asks for
    what is answered;
    `many` asks for a list. `historical` keeps given dates, owners and stages and skips the stage gate (needs the
    capability `import_historical`). `imported`: rows and fields must be such as the right to import allows, too.
    `relinked`: what the rows refer to is another record of the same thing, so that locks do not keep it.
    `together`: objects of which rows are written in the same batch, before or after these. `depth` counts the workflow
    runs that led to this write.
    """

    object: str
    operation: Operation
    rows: tuple[Mapping[str, Any], ...] = ()
    ids: tuple[UUID, ...] = ()
    versions: tuple[int | None, ...] = ()
    reasons: tuple[str | None, ...] = ()
    done: tuple[Mapping[str, bool], ...] = ()
    acknowledged: tuple[frozenset[str], ...] = ()
    unattended: bool = False
    fields: tuple[str, ...] | None = None
    historical: bool = False
    imported: bool = False
    relinked: bool = False
    many: bool = False
    together: frozenset[str] = frozenset()
    depth: int = 0

    @property
    def confirming(self) -> bool:
        """Whether some row says that a task is done."""
        return any(self.done)

    @property
    def acknowledging(self) -> bool:
        """Whether some row acknowledges a warning."""
        return any(self.acknowledged)

    def part(self, places: Sequence[int], **changes: Any) -> RecordWrite:
        """The write of the rows at these places alone."""
        by_row = ("rows", "ids", "versions", "reasons", "done", "acknowledged")
        taken: dict[str, Any] = {
            name: tuple(given[n] for n in places) for name in by_row if (given := getattr(self, name))
        }
        return replace(self, **taken, **changes)
