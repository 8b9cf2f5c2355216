"""What a write of a staged record is told, worked out naively from the page on processes in docs/metadata.md.

A process is the plain data of its YAML document. Formulas are looked up in `FORMULAS`, which gives for each text what it
says of a record; a comparison with a blank is not true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

Values = Mapping[str, Any]
FORMULAS: dict[str, Callable[[Values, Values], bool]] = {
    "a > 5": lambda new, old: new["a"] is not None and new["a"] > 5,
    "b >= a": lambda new, old: None not in (new["a"], new["b"]) and new["b"] >= new["a"],
    "NOT ISBLANK(t)": lambda new, old: new["t"] is not None,
    "flag": lambda new, old: new["flag"],
    'stage = "s2" OR a < 3': lambda new, old: new["stage"] == "s2" or (new["a"] is not None and new["a"] < 3),
    "ISBLANK(old.b) OR b >= old.b": lambda new, old: (
        old["b"] is None or (new["b"] is not None and new["b"] >= old["b"])
    ),
}
FAULT = tuple[str, str | None]
BLANK: Values = {"a": None, "b": None, "t": None, "flag": False, "stage": None}


@dataclass(frozen=True)
class Record:
    """A record as it stands."""

    values: Values
    owner: str
    process: str
    entered: datetime
    done: frozenset[str] = frozenset()

    @property
    def stage(self) -> str:
        return str(self.values["stage"])


@dataclass(frozen=True)
class Write:
    """A write: the values it gives, by whom and when."""

    values: Values
    by: str
    roles: tuple[str, ...]
    now: datetime
    reason: str | None = None
    said: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Naive:
    """The processes of one stage field, in order, and managers by the names of users."""

    processes: tuple[Mapping[str, Any], ...]
    managers: Mapping[str, str | None]

    def chosen(self, values: Values) -> Mapping[str, Any]:
        return next(p for p in self.processes if "when" not in p or FORMULAS[p["when"]](values, BLANK))

    def named(self, name: str) -> Mapping[str, Any]:
        return next(p for p in self.processes if p["name"] == name)

    def create(self, write: Write) -> tuple[Record | None, set[FAULT]]:
        """The record, or what is wrong."""
        if unreadable := self._unreadable(write):
            return None, unreadable
        values = {**BLANK, **write.values}
        process = self.chosen(values)
        values["stage"] = write.values.get("stage") or process["start"][0]
        faults = set[FAULT]()
        if values["stage"] not in process["start"]:
            faults.add(("stage.start", None))
        faults |= self._within(process, values["stage"])
        faults |= self._required(process, values, lambda name: True)
        faults |= self._entry(process, values, BLANK)
        done = frozenset(name for name, yes in write.said.items() if yes)
        made = Record(values, write.by, process["name"], write.now, done)
        faults |= self._said(process, made, write)
        return (None, told(faults)) if faults else (made, set())

    def update(self, old: Record, write: Write) -> tuple[Record | None, set[FAULT]]:
        """The record after the write, or what is wrong."""
        values = {**old.values, **write.values}
        before = self.named(old.process)
        if unreadable := self._unreadable(write):
            return None, unreadable
        switched = self.chosen(values) is not self.chosen(old.values)
        process = self.chosen(values) if switched else before
        done = (old.done | {n for n, yes in write.said.items() if yes}) - {n for n, yes in write.said.items() if not yes}
        moving, moved = "stage" in write.values, values["stage"] != old.stage
        faults = self._said(before, old, write)
        if moving or switched:
            faults |= self._within(process, values["stage"])
        if switched:
            if moved and values["stage"] not in process["start"]:
                faults.add(("stage.start", process["name"]))
        elif moved:
            faults |= self._move(process, old, values, write)
            faults |= self._leaving(process, old, values, done)
        faults |= self._required(process, values, lambda name: moving or switched or name in write.values)
        if moved:
            faults |= self._entry(process, values, old.values)
        stood = before["stages"].get(old.stage, {})
        for name in stood.get("read_only", ()):
            if name in write.values and values[name] != old.values[name]:
                faults.add(("stage.read_only", old.stage))
        if faults:
            return None, told(faults)
        entered = write.now if moved or switched else old.entered
        done = frozenset() if moved else frozenset(done)
        return replace(old, values=values, process=process["name"], entered=entered, done=done), set()

    def _unreadable(self, write: Write) -> set[FAULT]:
        """Stages that no process has, and words about what is no task of any stage that is confirmed."""
        stages = {name for p in self.processes for name in p["stages"]}
        option = {("record.option", None)} if write.values.get("stage", min(stages)) not in stages else set()
        known = {
            name for p in self.processes for s in p["stages"].values() for name, task in s.get("tasks", {}).items()
            if _confirmed(task)
        }
        return option | {("stage.task_unknown", None) for name in write.said if name not in known}

    def _said(self, process: Mapping[str, Any], old: Record, write: Write) -> set[FAULT]:
        tasks = process["stages"].get(old.stage, {}).get("tasks", {})
        return {("stage.task_unknown", n) for n in write.said if n not in tasks or not _confirmed(tasks[n])}

    def _within(self, process: Mapping[str, Any], stage: str) -> set[FAULT]:
        several = len(self.processes) > 1
        return {("stage.process", process["name"])} if several and stage not in process["stages"] else set()

    def _required(
        self, process: Mapping[str, Any], values: Values, asked: Callable[[str], bool]
    ) -> set[FAULT]:
        stage = process["stages"].get(values["stage"], {})
        return {
            ("stage.required", values["stage"]) for name in stage.get("required", ())
            if asked(name) and values[name] is None
        }

    def _entry(self, process: Mapping[str, Any], values: Values, old: Values) -> set[FAULT]:
        criteria = process["stages"].get(values["stage"], {}).get("entry", {})
        return {("stage.entry", n) for n, c in criteria.items() if not FORMULAS[c["valid_when"]](values, old)}

    def _move(self, process: Mapping[str, Any], old: Record, values: Values, write: Write) -> set[FAULT]:
        listed = [m for m in process["moves"] if (m["from"], m["to"]) == (old.stage, values["stage"])]
        if not listed:
            return {("stage.unlisted", old.stage)} if old.stage in process["stages"] else set()
        for move in listed:
            if self._open(move, old, write):
                return self._terms(move, old, values, write)
        return {("stage.role", values["stage"])}

    def _open(self, move: Mapping[str, Any], old: Record, write: Write) -> bool:
        by, who = move.get("by", ()), move.get("who")
        if not by and not who:
            return True
        return (
            bool(set(by) & set(write.roles))
            or ("$owner" in by and old.owner == write.by)
            or ("$owner_manager" in by and self.managers.get(old.owner) == write.by)
            or (who is not None and FORMULAS[who](old.values, old.values))
        )

    def _terms(self, move: Mapping[str, Any], old: Record, values: Values, write: Write) -> set[FAULT]:
        faults = set[FAULT]()
        target = values["stage"]
        if "when" in move and not FORMULAS[move["when"]](values, old.values):
            faults.add(("stage.guard", target))
        if move.get("reason") == "required" and not write.reason:
            faults.add(("stage.reason", target))
        if move.get("reason") == "reasons" and write.reason not in ("late", "early"):
            faults.add(("stage.reason", target))
        if "within" in move and write.now - old.entered > timedelta(days=int(move["within"].split()[0])):
            faults.add(("stage.period", target))
        return faults

    def _leaving(self, process: Mapping[str, Any], old: Record, values: Values, done: set[str]) -> set[FAULT]:
        order, stages = list(process["stages"]), process["stages"]
        here = order.index(old.stage) if old.stage in order else len(order)
        if values["stage"] not in order[here + 1 :] or stages[values["stage"]]["category"] not in ("open", "won"):
            return set()
        stage, faults = stages[old.stage], set[FAULT]()
        for name, criterion in stage.get("exit", {}).items():
            if not FORMULAS[criterion["valid_when"]](values, old.values):
                faults.add(("stage.exit", name))
        for name, task in stage.get("tasks", {}).items():
            if task.get("required", True) and not _done(name, task, values, old.values, done):
                faults.add(("stage.task", name))
        return faults


def _confirmed(task: Mapping[str, Any]) -> bool:
    return "fill" not in task and "done_when" not in task


def _done(name: str, task: Mapping[str, Any], values: Values, old: Values, done: set[str]) -> bool:
    if "done_when" in task:
        return FORMULAS[task["done_when"]](values, old)
    return all(values[f] is not None for f in task["fill"]) if "fill" in task else name in done


def told(faults: set[FAULT]) -> set[FAULT]:
    """Of a move that does not exist, what its target would ask for is of no use."""
    if any(code == "stage.unlisted" for code, _ in faults):
        return {(code, rule) for code, rule in faults if code == "stage.unlisted" or not code.startswith("stage.")}
    return faults
