"""Checked plain data -> declarations of the kinds: labels by locale, defaults filled in, formulas with their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from metamodel.formula.checked import Blanks
from metamodel.kinds.assignment import Assignment, Entry, Pool
from metamodel.kinds.calendar import CalendarDeclaration
from metamodel.kinds.common import Formula, Text, TextPlace
from metamodel.kinds.composites import expanded
from metamodel.kinds.conversion import Conversion, Part
from metamodel.kinds.duplicate_rule import Against, DuplicateRule, Match
from metamodel.kinds.function import FunctionDeclaration, Parameter
from metamodel.kinds.object import Dependence, Field, Key, Lock, Object, Rule
from metamodel.kinds.pack import Pack
from metamodel.kinds.process import Criterion, Move, Process, Stage, Task
from metamodel.kinds.report import Column, Report
from metamodel.kinds.role import Grant, Role
from metamodel.kinds.seed import Seed
from metamodel.kinds.tenant import TenantSettings
from metamodel.kinds.value_set import Option, ValueSet
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

Data = Mapping[str, Any]
At = Callable[[tuple[str | int, ...]], TextPlace | None]
"""Where the text at a path of the merged tree stands; None where the data does not come from files."""

TEXT_LENGTH = 255
LONG_TEXT_LENGTH = 65_536
RATING = 5
"""The best rating where `max` is missing."""
USER = "user"
FORECAST = {"open": "pipeline", "won": "closed", "lost": "omitted", "void": "omitted"}
"""What a forecast takes records of a category for, where the stage does not say."""

_SYSTEM: tuple[tuple[str, str, str, str], ...] = (
    ("id", "lookup", "ID", "编号"),
    ("version", "integer", "Version", "版本"),
    ("owner", "user", "Owner", "负责人"),
    ("created_at", "datetime", "Created at", "创建时间"),
    ("created_by", "user", "Created by", "创建人"),
    ("modified_at", "datetime", "Modified at", "修改时间"),
    ("modified_by", "user", "Modified by", "修改人"),
)
_MAY_BE_BLANK = frozenset({"created_by", "modified_by"})


def text(value: Any, name: str = "") -> Text:
    """A text by locale; where it is missing, made from `name` (`close_date` -> "Close date")."""
    if value is None:
        return {"en": name.replace("_", " ").capitalize()} if name else {}
    return {"en": value} if isinstance(value, str) else dict(value)


def plural(label: Text) -> Text:
    """The label for several records: English rules for `en`, the label itself elsewhere."""
    return {locale: _plural(word) if locale == "en" else word for locale, word in label.items()}


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1].lower() not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def number(value: Any) -> Decimal | None:
    """A number of the metadata; `10%` is 0.10."""
    if value is None:
        return None
    written = str(value)
    return Decimal(written[:-1]) / 100 if written.endswith("%") else Decimal(written)


def size(value: str | None) -> int | None:
    """`10 MB` in bytes; a KB is 1,024 of them."""
    if value is None:
        return None
    count, unit = value.split()
    return int(count) * {"KB": 1024, "MB": 1024 * 1024}[unit]


def days(value: str | None) -> int | None:
    """`14 days` -> 14."""
    return int(value.split()[0]) if value else None


def day(value: str | None) -> date | None:
    """`2026-01-31`; None for a day that there is not, which a rule of meaning tells."""
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        return None


def formula(value: Any, at: At, path: tuple[str | int, ...], blanks: Blanks = "blank") -> Formula:
    """The formula at `path` of the tree (`object.opportunity.fields...`); its key leaves out the kind."""
    written = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return Formula(written, ".".join(str(step) for step in path[1:]), blanks, at(path))


def _names(value: Any) -> tuple[str, ...]:
    """A name, or a list of them."""
    return (value,) if isinstance(value, str) else tuple(value)


def _maybe(value: Any, at: At, path: tuple[str | int, ...], blanks: Blanks = "blank") -> Formula | None:
    return None if value is None else formula(value, at, path, blanks)


def settings(data: Data) -> TenantSettings:
    return TenantSettings(**{**data, "locales": tuple(data.get("locales", ("en",)))})


def calendar(name: str, data: Data) -> CalendarDeclaration:
    return CalendarDeclaration(
        name=name,
        label=text(data.get("label"), name),
        time_zone=data.get("time_zone"),
        week={day: tuple(hours) for day, hours in data["week"].items()},
        country=data.get("country"),
        subdivision=data.get("subdivision"),
        holidays={day: text(label) for day, label in data.get("holidays", {}).items()},
        workdays=tuple(data.get("workdays", ())),
    )


def pack(name: str, data: Data) -> Pack:
    return Pack(
        name=name,
        version=data["version"],
        language=data["language"],
        label=text(data.get("label"), name),
        description=text(data.get("description")),
        depends=dict(data.get("depends", {})),
        locales=tuple(data.get("locales", ("en",))),
    )


def system_fields(owner: str) -> dict[str, Field]:
    """The fields that every object has, before its own ones. Only users may be without an owner."""
    found: dict[str, Field] = {}
    for name, kind, en, zh in _SYSTEM:
        found[name] = Field(
            name=name,
            type=kind,
            label={"en": en, "zh-CN": zh},
            help={},
            required=name not in _MAY_BE_BLANK and not (name == "owner" and owner == USER),
            to={"lookup": owner, "user": USER}.get(kind),
            on_delete="restrict" if kind in ("lookup", "user") else None,
            unique=name == "id",
            system=True,
        )
    return found


def field(owner: str, name: str, data: Data, at: At) -> Field:
    """A declared field; inline options name their own value set `<object>.<field>`."""
    path = ("object", owner, "fields", name)
    kind = data["type"]
    options = data.get("options")
    lengths = {"text": TEXT_LENGTH, "long_text": LONG_TEXT_LENGTH}
    reference = kind in ("lookup", "user")
    to, on_delete = data.get("to"), data.get("on_delete", "restrict")
    each = on_delete if isinstance(on_delete, Mapping) else {}
    several = to if isinstance(to, list) else ()
    alike = "restrict" if each else on_delete
    return Field(
        name=name,
        type=kind,
        label=text(data.get("label"), name),
        help=text(data.get("help")),
        required=data.get("required", False),
        required_when=_maybe(data.get("required_when"), at, (*path, "required_when")),
        read_only_when=_maybe(data.get("read_only_when"), at, (*path, "read_only_when")),
        set_once=data.get("set_once", False),
        history=data.get("history", True),
        default=_maybe(data.get("default"), at, (*path, "default")),
        unique=data.get("unique", False),
        indexed=data.get("indexed", False),
        stored=data.get("stored", False),
        max_length=data.get("max_length", lengths.get(kind)),
        min=number(data.get("min", 1 if kind == "rating" else None)),
        max=number(data.get("max", RATING if kind == "rating" else None)),
        scale=data.get("scale"),
        options=f"{owner}.{name}" if isinstance(options, Mapping) else options,
        depends_on=_dependence(data["depends_on"]) if "depends_on" in data else None,
        to=USER if kind == "user" else None if several else to,
        targets={target: each.get(target, alike) for target in several},
        reverse=data.get("reverse"),
        tree=data.get("tree", False),
        on_delete=alike if reference and not several else None,
        processes=_names(data.get("process", ())),
        format=data.get("format"),
        gapless=data.get("gapless", False) or "reset" in data or "per" in data,
        reset=data.get("reset"),
        per=data.get("per"),
        symbology=data.get("symbology"),
        schema=data.get("schema"),
        many=data.get("many", False),
        max_size=size(data.get("max_size")),
        types=tuple(data.get("types", ())),
        formula=_maybe(data.get("formula"), at, (*path, "formula"), data.get("blanks", "blank")),
    )


def _dependence(data: Data) -> Dependence:
    return Dependence(
        field=data["field"],
        options={key: tuple(names) for key, names in data["options"].items()},
        otherwise=tuple(data.get("otherwise", ())),
        blank=tuple(data.get("blank", ())),
    )


def object_(name: str, data: Data, at: At) -> Object:
    label = text(data.get("label"), name)
    declared = {
        f.name: f for key, value in data["fields"].items() for f in expanded(name, field(name, key, value, at))
    }
    return Object(
        name=name,
        label=label,
        plural=text(data["plural"]) if "plural" in data else plural(label),
        description=text(data.get("description")),
        title=data["title"],
        fields=system_fields(name) | declared,
        rules={
            key: _rule(key, value, at, ("object", name, "rules", key)) for key, value in data.get("rules", {}).items()
        },
        unique={key: _key(name, key, value, at) for key, value in data.get("unique", {}).items()},
        indexes={key: tuple(value) for key, value in data.get("indexes", {}).items()},
        lock=_lock(data["lock"], at, ("object", name, "lock")) if "lock" in data else None,
    )


def _rule(name: str, data: Data, at: At, path: tuple[str, ...]) -> Rule:
    return Rule(
        name=name,
        valid_when=formula(data["valid_when"], at, (*path, "valid_when"), data.get("blanks", "blank")),
        on=tuple(data.get("on", ("create", "update"))),
        field=data.get("field"),
        message=text(data["message"]),
        severity=data.get("severity", "error"),
        exempt=tuple(data.get("except", ())),
        start=day(data.get("from")),
        end=day(data.get("until")),
        edited_only=data.get("applies_to") == "new_and_edited",
    )


def _lock(data: Data, at: At, path: tuple[str, ...]) -> Lock:
    return Lock(
        when=formula(data["when"], at, (*path, "when")),
        open=tuple(data.get("except", ())),
        roles=tuple(data.get("by", ())),
        message=text(data.get("message")),
    )


def _key(owner: str, name: str, data: Any, at: At) -> Key:
    if not isinstance(data, Mapping):
        return Key(name=name, fields=tuple(data))
    return Key(
        name=name,
        fields=tuple(data.get("fields", ())),
        where=_maybe(data.get("where"), at, ("object", owner, "unique", name, "where")),
        fold=tuple(data.get("fold", ())),
        message=text(data.get("message")),
    )


def function(name: str, data: Data, at: At) -> FunctionDeclaration:
    path = ("function", name)
    return FunctionDeclaration(
        name=name,
        label=text(data.get("label"), name),
        description=text(data.get("description")),
        params={
            key: Parameter(
                name=key,
                type=value["type"],
                default=_maybe(value.get("default"), at, (*path, "params", key, "default")),
            )
            for key, value in data.get("params", {}).items()
        },
        formula=formula(data["formula"], at, (*path, "formula")),
    )


def value_set(name: str, label: Text, options: Data) -> ValueSet:
    return ValueSet(
        name=name,
        label=label,
        options={key: _option(key, value) for key, value in options.items()},
    )


def _option(name: str, value: Any) -> Option:
    if isinstance(value, Mapping) and ("label" in value or "active" in value):
        return Option(
            name=name,
            label=text(value.get("label"), name),
            active=value.get("active", True),
        )
    return Option(name=name, label=text(value, name))


def inline_sets(owner: str, data: Data) -> dict[str, ValueSet]:
    """The value sets that fields of an object declare in place."""
    found: dict[str, ValueSet] = {}
    for name, value in data["fields"].items():
        options = value.get("options")
        if isinstance(options, Mapping):
            key = f"{owner}.{name}"
            found[key] = value_set(key, text(value.get("label"), name), options)
    return found


def process(name: str, data: Data, at: At) -> Process:
    root = ("process", name)
    return Process(
        name=name,
        label=text(data.get("label"), name),
        object=data["object"],
        field=data["field"],
        when=_maybe(data.get("when"), at, (*root, "when")),
        start=tuple(data["start"]),
        stages={key: _stage(key, value, at, (*root, "stages", key)) for key, value in data["stages"].items()},
        moves=tuple(
            move
            for index, value in enumerate(data.get("moves", ()))
            for move in _moves(value, at, (*root, "moves", index))
        ),
    )


def _moves(data: Data, at: At, path: tuple[str | int, ...]) -> Iterator[Move]:
    """The moves of one entry, which may leave several stages."""
    asked = data.get("reason")
    for source in _names(data["from"]):
        yield Move(
            source=source,
            target=data["to"],
            when=_maybe(data.get("when"), at, (*path, "when")),
            by=tuple(data.get("by", ())),
            who=_maybe(data.get("who"), at, (*path, "who")),
            reason=asked is not None,
            reasons=None if asked == "required" else asked,
            within_days=days(data.get("within")),
            automatic=data.get("automatic", False),
            after_days=days(data.get("after")),
        )


def _stage(name: str, data: Data, at: At, path: tuple[str, ...]) -> Stage:
    chance, limit = number(data.get("probability")), data.get("limit")
    limited: Data = {"time": limit} if isinstance(limit, str) else limit or {}
    return Stage(
        name=name,
        label=text(data.get("label"), name),
        category=data["category"],
        forecast=data.get("forecast") or FORECAST[data["category"]],
        probability=chance if chance is not None else Decimal(data["category"] == "won"),
        guidance=text(data.get("guidance")),
        limit_days=days(limited.get("time")),
        limit_calendar=limited.get("calendar"),
        required=tuple(data.get("required", ())),
        read_only=tuple(data.get("read_only", ())),
        entry=_criteria(data.get("entry", {}), at, (*path, "entry")),
        exit=_criteria(data.get("exit", {}), at, (*path, "exit")),
        tasks={key: _task(key, value, at, (*path, "tasks", key)) for key, value in data.get("tasks", {}).items()},
    )


def _task(name: str, data: Data, at: At, path: tuple[str, ...]) -> Task:
    created = data.get("create")
    done_when = _maybe(data.get("done_when"), at, (*path, "done_when"))
    if created and not done_when:
        done_when = replace(formula(created, at, (*path, "create")), text=f"EXISTS({created})")
    return Task(
        name=name,
        label=text(data.get("label"), name),
        guidance=text(data.get("guidance")),
        required=data.get("required", True),
        fields=tuple(data.get("fill", ())),
        relation=created,
        done_when=done_when,
    )


def _criteria(data: Data, at: At, path: tuple[str, ...]) -> dict[str, Criterion]:
    return {
        key: Criterion(
            name=key,
            valid_when=formula(value["valid_when"], at, (*path, key, "valid_when")),
            message=text(value["message"]),
        )
        for key, value in data.items()
    }


def conversion(name: str, data: Data, at: At) -> Conversion:
    root = ("conversion", name)
    return Conversion(
        name=name,
        label=text(data.get("label"), name),
        object=data["object"],
        when=_maybe(data.get("when"), at, (*root, "when")),
        message=text(data.get("message")),
        creates={key: _part(key, value, at, (*root, "creates", key)) for key, value in data["creates"].items()},
        sets=_formulas(data.get("sets", {}), at, (*root, "sets")),
        refs=dict(data["refs"]),
    )


def _part(name: str, data: Data, at: At, path: tuple[str, ...]) -> Part:
    return Part(
        name=name,
        label=text(data.get("label"), name),
        object=data["object"],
        each=data.get("each"),
        when=_maybe(data.get("when"), at, (*path, "when")),
        optional=data.get("optional", False),
        match=tuple(data.get("match", ())),
        values=_formulas(data["values"], at, (*path, "values")),
        refs=dict(data.get("refs", {})),
    )


def _formulas(data: Data, at: At, path: tuple[str | int, ...]) -> dict[str, Formula]:
    return {key: formula(value, at, (*path, key)) for key, value in data.items()}


def duplicate_rule(name: str, data: Data, at: At) -> DuplicateRule:
    root = ("duplicate_rule", name)
    return DuplicateRule(
        name=name,
        label=text(data.get("label"), name),
        object=data["object"],
        when=_maybe(data.get("when"), at, (*root, "when")),
        severity=data.get("severity", "warning"),
        message=text(data["message"]),
        against={
            key: Against(
                name=key,
                object=value.get("object", data["object"]),
                where=_maybe(value.get("where"), at, (*root, "against", key, "where")),
                match={field: _match(field, how) for field, how in value["match"].items()},
            )
            for key, value in data["against"].items()
        },
    )


def _match(field: str, data: Data) -> Match:
    least = Decimal(str(data.get("at_least", "0.6"))) if data["by"] == "fuzzy" else None
    return Match(field=field, by=data["by"], to=data.get("to", field), at_least=least)


def report(name: str, data: Data, at: At) -> Report:
    def columns(part: str) -> dict[str, Column]:
        return {key: _column(key, value, at, ("report", name, part, key)) for key, value in data.get(part, {}).items()}

    return Report(
        name=name,
        label=text(data.get("label"), name),
        description=text(data.get("description")),
        object=data["object"],
        where=_maybe(data.get("where"), at, ("report", name, "where")),
        groups=columns("group_by"),
        measures=columns("measures"),
        sort=tuple((entry.removeprefix("-"), entry.startswith("-")) for entry in data.get("sort", ())),
        limit=data.get("limit"),
        totals=data.get("totals", False),
    )


def _column(name: str, value: Any, at: At, path: tuple[str, ...]) -> Column:
    if not isinstance(value, Mapping):
        return Column(name=name, label=text(None, name), value=formula(value, at, path))
    written = formula(value["value"], at, (*path, "value"))
    return Column(
        name=name,
        label=text(value.get("label"), name),
        value=written,
        format=value.get("format"),
    )


def workflow(name: str, data: Data, at: At) -> Workflow:
    return Workflow(
        name=name,
        label=text(data.get("label"), name),
        object=data.get("object", ""),
        trigger=_trigger(data["trigger"]),
        when=_maybe(data.get("when"), at, ("workflow", name, "when")),
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
        return SetFields(values=_formulas(data["set"], at, (*path, "set")))
    if "create" in data:
        return CreateRecord(object=data["create"], values=_formulas(data["values"], at, (*path, "values")))
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
        when=_maybe(data.get("when"), at, (*root, "when")),
        keep_owner_of=_maybe(data.get("keep_owner_of"), at, (*root, "keep_owner_of")),
        open_when=_maybe(data.get("open_when"), at, (*root, "open_when")),
        absent_when=_maybe(data.get("absent_when"), at, (*root, "absent_when")),
        entries={key: _entry(key, value, at, (*root, "entries", key)) for key, value in data["entries"].items()},
        fallback=_maybe(data.get("fallback", {}).get("user"), at, (*root, "fallback", "user")),
        message=text(data.get("message")),
        pool=_pool(data["pool"], at, (*root, "pool")) if "pool" in data else None,
    )


def _pool(data: Data, at: At, path: tuple[str, ...]) -> Pool:
    return Pool(
        field=data["field"],
        members=formula(data["members"], at, (*path, "members")),
        claims_per_day=_maybe(data.get("claims_per_day"), at, (*path, "claims_per_day")),
        reclaim_after=_maybe(data.get("reclaim_after"), at, (*path, "reclaim_after")),
    )


def _entry(name: str, data: Data, at: At, path: tuple[str, ...]) -> Entry:
    to, cap = data["to"], data.get("cap", {})
    return Entry(
        name=name,
        label=text(data.get("label"), name),
        when=_maybe(data.get("when"), at, (*path, "when")),
        members=_maybe(to.get("members"), at, (*path, "to", "members")),
        user=_maybe(to.get("user"), at, (*path, "to", "user")),
        strategy=data.get("strategy", "round_robin"),
        weight=_maybe(data.get("weight"), at, (*path, "weight")),
        cap_open=_maybe(cap.get("open"), at, (*path, "cap", "open")),
        cap_day=_maybe(cap.get("per_day"), at, (*path, "cap", "per_day")),
    )


def role(name: str, data: Data, objects: Mapping[str, Object], at: At) -> Role:
    """A role; `{except: [...]}` becomes the set of the other fields of the object."""
    return Role(
        name=name,
        label=text(data.get("label"), name),
        objects={
            target: {
                verb: _grant(value, verb, objects.get(target), at, ("role", name, "objects", target, verb))
                for verb, value in verbs.items()
            }
            for target, verbs in data.get("objects", {}).items()
        },
        capabilities=frozenset(data.get("capabilities", ())),
    )


def _grant(data: Any, verb: str, target: Object | None, at: At, path: tuple[str, ...]) -> Grant:
    if data is True:
        return Grant(where=None, fields=None)
    written = data.get("fields")
    known = target.fields if target else {}
    fields = (
        None
        if written is None
        else frozenset(written) | {name for name, f in known.items() if f.whole in written}
        if isinstance(written, list)
        else frozenset(name for name, f in known.items() if not {name, f.whole} & {*written["except"]})
    )
    if fields is not None and verb == "read":
        fields |= {"id", "version"}
    return Grant(where=_maybe(data.get("where"), at, (*path, "where")), fields=fields)


def seed(name: str, data: Data) -> Seed:
    records = tuple(dict(record) for record in data["records"])
    return Seed(name=name, object=data["object"], key=data["key"], records=records)
