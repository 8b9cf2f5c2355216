"""What happens to records by people: stage processes, conversions, rules of duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from metamodel.build.parts import At, Data, days, formula, formulas, maybe, names, number, text
from metamodel.kinds.conversion import Conversion, Part
from metamodel.kinds.duplicate_rule import Against, DuplicateRule, Match
from metamodel.kinds.process import Criterion, Move, Process, Stage, Task

FORECAST = {"open": "pipeline", "won": "closed", "lost": "omitted", "void": "omitted"}
"""What a forecast takes records of a category for, where the stage does not say."""


def process(name: str, data: Data, at: At) -> Process:
    root = ("process", name)
    return Process(
        name=name,
        label=text(data.get("label"), name),
        object=data["object"],
        field=data["field"],
        when=maybe(data.get("when"), at, (*root, "when")),
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
    for source in names(data["from"]):
        yield Move(
            source=source,
            target=data["to"],
            when=maybe(data.get("when"), at, (*path, "when")),
            by=tuple(data.get("by", ())),
            who=maybe(data.get("who"), at, (*path, "who")),
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
    done_when = maybe(data.get("done_when"), at, (*path, "done_when"))
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
        when=maybe(data.get("when"), at, (*root, "when")),
        message=text(data.get("message")),
        creates={key: _part(key, value, at, (*root, "creates", key)) for key, value in data["creates"].items()},
        sets=formulas(data.get("sets", {}), at, (*root, "sets")),
        refs=dict(data["refs"]),
    )


def _part(name: str, data: Data, at: At, path: tuple[str, ...]) -> Part:
    return Part(
        name=name,
        label=text(data.get("label"), name),
        object=data["object"],
        each=data.get("each"),
        when=maybe(data.get("when"), at, (*path, "when")),
        optional=data.get("optional", False),
        match=tuple(data.get("match", ())),
        values=formulas(data["values"], at, (*path, "values")),
        refs=dict(data.get("refs", {})),
    )


def duplicate_rule(name: str, data: Data, at: At) -> DuplicateRule:
    root = ("duplicate_rule", name)
    return DuplicateRule(
        name=name,
        label=text(data.get("label"), name),
        object=data["object"],
        when=maybe(data.get("when"), at, (*root, "when")),
        severity=data.get("severity", "warning"),
        message=text(data["message"]),
        against={
            key: Against(
                name=key,
                object=value.get("object", data["object"]),
                where=maybe(value.get("where"), at, (*root, "against", key, "where")),
                match={field: _match(field, how) for field, how in value["match"].items()},
            )
            for key, value in data["against"].items()
        },
    )


def _match(field: str, data: Data) -> Match:
    least = Decimal(str(data.get("at_least", "0.6"))) if data["by"] == "fuzzy" else None
    return Match(field=field, by=data["by"], to=data.get("to", field), at_least=least)
