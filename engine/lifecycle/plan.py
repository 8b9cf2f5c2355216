"""What a changed pack would do to a tenant, before it is done: changes, operations, and what is refused and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from engine.base.context import OPERATOR, Context
from engine.base.errors import Refused
from engine.db.pool import Connection
from engine.migrate.diff import AddColumn, Operation, operations
from engine.migrate.present import present
from engine.migrate.render import describe
from engine.migrate.wanted import wanted
from engine.plan.upkeep import kept_of
from engine.records.inflight import Breach, breaches, told
from engine.release import release as releases
from engine.release.release import Release
from engine.runtime import Runtime
from engine.sql.rollups import fingerprint
from engine.tenants.directory import Tenant, find
from engine.tenants.store import load
from metamodel.diff import Change, diff
from metamodel.load import Loaded
from metamodel.model import Model


@dataclass(frozen=True, slots=True)
class Plan:
    """The way from the current release (`base`, None before the first) to `target`.

    `refused` maps the path of a change to the reason why it can not be applied; then nothing is. `fills` are the
    roll-ups, as (object, field), whose columns are counted after the switch, while readers go on to compute them.
    `breaches` are the records that do not have what the stage they stand in would ask for; they keep working.
    """

    tenant: str
    base: Release | None
    target: Release
    changes: tuple[Change, ...]
    operations: tuple[Operation, ...]
    refused: Mapping[str, str]
    fills: tuple[tuple[str, str], ...] = ()
    breaches: tuple[Breach, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.changes and not self.operations and not self.fills


KEEPS_DATA = (
    (r"(object|value_set|process)\.[^.]+", {"add"}),
    (
        r"(function|conversion|duplicate_rule|report|workflow|assignment|role|seed|calendar|pack)\..+",
        {"add", "change", "remove"},
    ),
    (r"settings\.calendar", {"add", "change", "remove"}),
    (r"object\.[^.]+\.(label|plural|description)\b.*|object\.[^.]+\.title", {"add", "change", "remove"}),
    (r"object\.[^.]+\.rules\..+", {"add", "change"}),
    (r"object\.[^.]+\.lock\b.*", {"add", "change", "remove"}),
    (r"object\.[^.]+\.(fields\.|rules\.)?\(order\)", {"change"}),
    (r"object\.[^.]+\.fields\.[^.]+", {"add"}),
    (r"object\.[^.]+\.fields\.[^.]+\.(label|help)\b.*", {"add", "change", "remove"}),
    (
        r"object\.[^.]+\.fields\.[^.]+\.(default|formula|required_when|read_only_when|set_once|history|format|reverse|"
        r"on_delete|indexed|stored|processes|tree)",
        {"change"},
    ),
    (r"object\.[^.]+\.fields\.[^.]+\.depends_on\b.*", {"add", "change", "remove"}),
    (r"object\.[^.]+\.fields\.[^.]+\.targets\..+", {"add", "change"}),
    (r"object\.[^.]+\.fields\.[^.]+\.schema\b.*", {"add", "change", "remove"}),
    (r"object\.[^.]+\.indexes\.[^.]+", {"add"}),
    (r"value_set\.[^.]+\.(label|options\.[^.]+\.(label|active)).*|value_set\..*\(order\)", {"add", "change", "remove"}),
    (r"value_set\.[^.]+\.options\.[^.]+", {"add"}),
    (r"process\.[^.]+\.(label|start|when)\b.*", {"add", "change", "remove"}),
    (r"process\.[^.]+\.stages\.[^.]+", {"add"}),
    (r"process\.[^.]+\.(stages|moves)\.?\(order\)|process\..*\(order\)", {"change"}),
    (r"process\.[^.]+\.stages\.[^.]+\..+", {"add", "change", "remove"}),
    (r"process\.[^.]+\.moves\..+", {"add", "change", "remove"}),
)
"""The changes that can not lose anything, as (pattern of the path, kinds of change)."""

REASONS = (
    (r"object\.[^.]+$", "an object that is missing from the packs is not dropped"),
    (r"object\.[^.]+\.fields\.[^.]+$", "a field that is missing from the packs is not dropped"),
    (r"object\.[^.]+\.fields\.[^.]+\.type", "the type of a field with data can not be changed"),
    (r"object\.[^.]+\.fields\.[^.]+\.(required|unique|min|max|max_length|scale)", "records may break the new limit"),
    (r"object\.[^.]+\.unique\b.*", "records may break the new unique key"),
    (r"value_set\.[^.]+\.options\.[^.]+$", "records may hold this option; set `active: false` instead"),
    (r"process\.[^.]+\.stages\.[^.]+$", "records may stand in this stage"),
    (r"settings\b.*", "formulas and stored values depend on this setting"),
)


async def plan(rt: Runtime, tenant: str, loaded: Loaded) -> Plan:
    """The plan for a tenant; one that does not exist yet is planned from nothing. Nothing is written."""
    async with rt.reads.connection() as conn:
        entry = await find(conn, tenant)
        base = await load(conn, entry) if entry else None
        there = entry or Tenant(tenant, f"t_{tenant}", None)
        target = releases.make(
            tenant, there.schema, base.number + 1 if base else 1, loaded.data, base.identity if base else None,
            model=loaded.model, role=there.role,
        )
        target, fills = with_fills(target, base, rt.collation)
        changes = tuple(diff(base.model if base else nothing(loaded.model), loaded.model))
        refused = refusals(changes, base, loaded.model) if base else {}
        try:
            steps = operations(wanted(target, rt.collation), await present(conn, there.schema))
        except ValueError as error:
            return Plan(tenant, base, target, changes, (), refused or {"(database)": str(error)})
        found = await _in_flight(rt, conn, base, target, steps) if base else ()
    return Plan(tenant, base, target, changes, steps, refused, fills, tuple(found))


async def _in_flight(
    rt: Runtime, conn: Connection, base: Release, target: Release, steps: Iterable[Operation]
) -> list[Breach]:
    """The records that break processes which get another version."""
    missing = {(step.table, step.column.name) for step in steps if isinstance(step, AddColumn)}
    before, ctx = base.identity.get("processes", {}), Context(OPERATOR, target.tenant, rt.clock.now())
    found: list[Breach] = []
    for name, held in target.identity["processes"].items():
        process = target.model.processes.get(name)
        if process and name in base.model.processes and held != before.get(name):
            found += await breaches(rt, ctx, target, process, conn, missing=missing)
    return found


def with_fills(
    target: Release, base: Release | None, collation: str | None
) -> tuple[Release, tuple[tuple[str, str], ...]]:
    """The release with `filled` at those roll-ups whose columns hold the right values already, and the others."""
    objects = {name: {**entry, "fields": dict(entry["fields"])} for name, entry in target.identity["objects"].items()}
    fills = []
    for obj in target.model.objects.values():
        fields, before = objects[obj.name]["fields"], target.identity["objects"][obj.name]["fields"]
        fields.update({name: {k: v for k, v in entry.items() if k != "filled"} for name, entry in before.items()})
        for f in target.kept(obj.name):
            held = fingerprint(kept_of(target, obj.name, [f]), collation)
            if base is None or obj.name not in base.model.objects or before[f.name].get("filled") == held:
                fields[f.name]["filled"] = held
            else:
                fills.append((obj.name, f.name))
    return replace(target, identity={**target.identity, "objects": objects}), tuple(fills)


def nothing(model: Model) -> Model:
    """A model with the same settings and no declarations."""
    return Model(model.settings, *({} for _ in range(13)))


def refusals(changes: tuple[Change, ...], base: Release, model: Model) -> dict[str, str]:
    """The changes that this engine does not apply to live data, each with its reason."""
    found: dict[str, str] = {}
    for change in changes:
        if not any(re.fullmatch(p, change.path) and change.kind in kinds for p, kinds in KEEPS_DATA):
            found[change.path] = next(
                (reason for p, reason in REASONS if re.fullmatch(p, change.path)), "this change is not supported"
            )
        elif why := _unsafe_addition(change, base, model):
            found[change.path] = why
    return found


def _unsafe_addition(change: Change, base: Release, model: Model) -> str | None:
    """A new field that records which exist already could not satisfy, and a process that they may follow."""
    if re.fullmatch(r"object\.[^.]+\.fields\.[^.]+\.processes", change.path):
        gone = [name for name in change.before if name not in change.after]
        return f"records may follow the process {gone[0]}" if gone else None
    match = re.fullmatch(r"object\.([^.]+)\.fields\.([^.]+)", change.path)
    if not match or change.kind != "add" or match[1] not in base.model.objects:
        return None
    field = model.objects[match[1]].fields[match[2]]
    if field.required:
        return "records that exist have no value for a required field; add it as optional"
    if field.unique:
        return "a unique field can not be added to an object that has records"
    if field.type == "stage":
        return "records that exist would stand in no stage"
    return None


def lines(found: Plan) -> list[str]:
    """The plan for a person: changes, then operations with their locks, then refusals."""
    out = [str(change) for change in found.changes if "." in change.path]
    out += [f"  {describe(step)}" for step in found.operations]
    out += [f"  fill roll-up {obj}.{name} (lock: a batch of records at a time)" for obj, name in found.fills]
    out += [_in_words(found.target, breach) for breach in found.breaches]
    out += [f"! {path}: {reason}" for path, reason in found.refused.items()]
    return out


def _in_words(release: Release, breach: Breach) -> str:
    what = told(release, breach, release.model.settings.locales[0])
    place = f"{breach.process}.{breach.stage}"
    if breach.records is None:
        return f"  in flight: records in {place} may lack (told after the change): {what}"
    few = ", ".join(map(str, breach.sample)) + (", ..." if breach.records > len(breach.sample) else "")
    return f"  in flight: {breach.records} records in {place} lack: {what} ({few})"


def check_applicable(found: Plan) -> None:
    """Raises Refused "plan.refused" with every reason."""
    if found.refused:
        listed = "; ".join(f"{path}: {reason}" for path, reason in found.refused.items())
        raise Refused("plan.refused", listed, hint="undo these changes; nothing was applied")

