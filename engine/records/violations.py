"""The numbers that a refused statement reports -> faults with codes, places and messages in the caller's language."""

from __future__ import annotations

from collections.abc import Iterable

from engine.base.errors import CODES, Fault
from engine.plan.write import Check, WritePlan
from engine.release.release import Release
from engine.sql.write import FAILED, IN_USE, REFERENCE, UNIQUE
from metamodel.kinds.common import in_locale

_TEXTS = {
    "record.required": "{field} is required",
    "stage.required": "{field} is required in stage {message}",
    "stage.read_only": "{field} can not be changed in stage {message}",
    "stage.unlisted": "this move out of {message} is not allowed",
    "stage.start": "a new record can not start in this stage",
    "stage.role": "your role may not move to {message}",
    "stage.guard": "the condition for moving to {message} is not met",
    "stage.reason": "a reason is needed for moving to {message}",
    "stage.period": "the period for moving to {message} is over",
    "access.row": "your roles do not allow the record to be like this",
    "record.field_read_only": "your roles do not allow to write {field} in this record",
}


def explain(
    release: Release, plan: WritePlan, rows: Iterable[tuple[int, list[int]]], locale: str, many: bool
) -> list[Fault]:
    """A fault for each thing that each row breaks, in the order of the rows."""
    return [
        _fault(release, plan, number, locale, row if many else None)
        for row, broken in sorted(rows)
        for number in broken
    ]


def _fault(release: Release, plan: WritePlan, number: int, locale: str, row: int | None) -> Fault:
    if number >= IN_USE:
        used = plan.in_use[number - IN_USE]
        label = in_locale(release.object(used.object).label, locale)
        return Fault("record.in_use", f"records of {label} refer to it", row=row)
    if number >= UNIQUE:
        unique = plan.uniques[number - UNIQUE]
        detail = f"{_label(release, plan, unique.field, locale)} is already in use"
        return Fault("record.unique", detail, f"/{unique.field}", row=row)
    if number >= REFERENCE:
        field = plan.references[number - REFERENCE].field
        return Fault("record.reference", "there is no such record", f"/{field}", row=row)
    failed, number = number >= FAILED, number % FAILED
    check = plan.checks[number]
    pointer = f"/{check.field}" if check.field else ""
    if failed:
        return Fault("record.rule_error", f"{check.rule or check.code} could not be evaluated", pointer, check.rule, row)
    return Fault(check.code, _message(release, plan, check, locale), pointer, check.rule, row)


def _message(release: Release, plan: WritePlan, check: Check, locale: str) -> str:
    message = in_locale(check.message, locale)
    form = _TEXTS.get(check.code)
    if form is None:
        return message or CODES[check.code].title
    return form.format(field=_label(release, plan, check.field or "", locale), message=message)


def _label(release: Release, plan: WritePlan, field: str, locale: str) -> str:
    declared = release.object(plan.object).fields.get(field)
    return in_locale(declared.label, locale, field) if declared else field
