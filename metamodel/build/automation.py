"""What happens by itself: workflows and assignments."""

from __future__ import annotations

from metamodel.build.parts import At, Data, days, formula, formulas, maybe, text
from metamodel.kinds.assignment import Assignment, Entry, Pool
from metamodel.kinds.workflow import (
    Action,
    Assign,
    Convert,
    CreateRecord,
    GiveBack,
    Notify,
    SetFields,
    Span,
    Trigger,
    Workflow,
)


def workflow(name: str, data: Data, at: At) -> Workflow:
    return Workflow(
        name=name,
        label=text(data.get("label"), name),
        object=data.get("object", ""),
        trigger=_trigger(data["trigger"]),
        when=maybe(data.get("when"), at, ("workflow", name, "when")),
        run_as=data.get("run_as", "initiator"),
        actions=tuple(
            _action(value, at, ("workflow", name, "actions", index)) for index, value in enumerate(data["actions"])
        ),
    )


def _trigger(data: Data) -> Trigger:
    clock = data.get("at")
    return Trigger(
        event=data["on"],
        fields=tuple(data.get("fields", ())),
        stage=data.get("stage"),
        cron=data.get("cron"),
        field=data.get("field"),
        offset=_span(data["offset"]) if "offset" in data else None,
        at=int(clock[:2]) * 60 + int(clock[3:]) if clock else None,
        days=data.get("days"),
        every=days(data.get("every")),
        calendar=data.get("calendar"),
    )


def _span(written: str) -> Span:
    """`-7 days` -> seven days before; weeks are days, hours are minutes."""
    count, unit = int(written.split()[0]), written.split()[1].rstrip("s")
    whole, times = {"minute": ("minutes", 1), "hour": ("minutes", 60), "day": ("days", 1), "week": ("days", 7)}[unit]
    return Span(count * times, "days" if whole == "days" else "minutes")


def _action(data: Data, at: At, path: tuple[str | int, ...]) -> Action:
    if "set" in data:
        return SetFields(values=formulas(data["set"], at, (*path, "set")))
    if "create" in data:
        return CreateRecord(object=data["create"], values=formulas(data["values"], at, (*path, "values")))
    if "convert" in data:
        return Convert(conversion=data["convert"])
    if "assign" in data:
        return Assign(assignment=data["assign"])
    if "release" in data:
        return GiveBack(assignment=data["release"])
    return Notify(
        user=formula(data["notify"], at, (*path, "notify")),
        message=text(data["message"]),
    )


def assignment(name: str, data: Data, at: At) -> Assignment:
    root = ("assignment", name)
    return Assignment(
        name=name,
        label=text(data.get("label"), name),
        object=data["object"],
        field=data.get("field", "owner"),
        when=maybe(data.get("when"), at, (*root, "when")),
        keep_owner_of=maybe(data.get("keep_owner_of"), at, (*root, "keep_owner_of")),
        open_when=maybe(data.get("open_when"), at, (*root, "open_when")),
        absent_when=maybe(data.get("absent_when"), at, (*root, "absent_when")),
        entries={key: _entry(key, value, at, (*root, "entries", key)) for key, value in data["entries"].items()},
        fallback=maybe(data.get("fallback", {}).get("user"), at, (*root, "fallback", "user")),
        message=text(data.get("message")),
        pool=_pool(data["pool"], at, (*root, "pool")) if "pool" in data else None,
    )


def _pool(data: Data, at: At, path: tuple[str, ...]) -> Pool:
    return Pool(
        field=data["field"],
        members=formula(data["members"], at, (*path, "members")),
        claims_per_day=maybe(data.get("claims_per_day"), at, (*path, "claims_per_day")),
        reclaim_after=maybe(data.get("reclaim_after"), at, (*path, "reclaim_after")),
    )


def _entry(name: str, data: Data, at: At, path: tuple[str, ...]) -> Entry:
    to, cap = data["to"], data.get("cap", {})
    return Entry(
        name=name,
        label=text(data.get("label"), name),
        when=maybe(data.get("when"), at, (*path, "when")),
        members=maybe(to.get("members"), at, (*path, "to", "members")),
        user=maybe(to.get("user"), at, (*path, "to", "user")),
        strategy=data.get("strategy", "round_robin"),
        weight=maybe(data.get("weight"), at, (*path, "weight")),
        cap_open=maybe(cap.get("open"), at, (*path, "cap", "open")),
        cap_day=maybe(cap.get("per_day"), at, (*path, "cap", "per_day")),
    )
