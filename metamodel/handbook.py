"""The handbook of a process, made from its metadata: Markdown for the people who work by it, in one locale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from metamodel.kinds.common import Formula, in_locale
from metamodel.kinds.object import Field
from metamodel.kinds.process import OWNER, OWNER_MANAGER, Criterion, Move, Process, Stage, Task
from metamodel.model import Model

Shown = Callable[[Field], bool]
Told = Callable[[Formula], bool]

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "object": "Records", "follows": "Followed where", "rest": "all records that follow no other process",
        "start": "Begins in", "stage": "Stage", "category": "Category", "probability": "Probability",
        "forecast": "Forecast", "limit": "At most", "days": "{n} days", "workdays": "{n} working days",
        "automatic": "by itself", "aged": "by itself after {n} days", "open": "open", "won": "won", "lost": "lost",
        "void": "void", "omitted": "omitted", "pipeline": "pipeline", "best_case": "best case", "commit": "commit",
        "closed": "closed", "required": "Has to be filled", "read_only": "Can not be changed",
        "entry": "To enter", "exit": "Before going on", "tasks": "To do", "moves": "From here", "optional": "optional",
        "fill": "fill {fields}", "create": "create: {relation}", "by": "by {who}", "reason": "a reason is needed",
        "reasons": "a reason is chosen: {options}", "within": "within {n} days", "when": "where",
        "end": "This is an end.",
        "owner": "the owner", "owner_manager": "the owner's manager", "who": "those for whom {formula}",
        "forward": "forward", "skip": "skipping a stage", "back": "back", "close": "to close", "reopen": "to reopen",
        "none": "–",
    },
    "zh": {
        "object": "对象", "follows": "适用条件", "rest": "其他流程未涵盖的所有记录", "start": "起始阶段",
        "stage": "阶段", "category": "类别", "probability": "赢率", "forecast": "预测类别",
        "limit": "最长停留", "days": "{n} 天", "workdays": "{n} 个工作日", "automatic": "自动",
        "aged": "{n} 天后自动", "open": "进行中",
        "won": "赢单", "lost": "输单", "void": "作废", "omitted": "不计入", "pipeline": "漏斗",
        "best_case": "最佳情况", "commit": "承诺", "closed": "已结束", "required": "必填", "read_only": "不可修改",
        "entry": "准入条件", "exit": "准出条件", "tasks": "任务", "moves": "可推进到", "optional": "可选",
        "fill": "填写{fields}", "create": "新建{relation}", "by": "由{who}", "reason": "须说明原因",
        "reasons": "须选择原因：{options}", "within": "{n} 天内", "when": "条件", "end": "流程到此结束。",
        "owner": "负责人", "owner_manager": "负责人的上级", "who": "满足 {formula} 的人员", "forward": "前进",
        "skip": "跳过阶段", "back": "退回", "close": "结束", "reopen": "重新打开", "none": "–",
    },
}  # fmt: skip


def handbook(
    model: Model, process: Process, locale: str, shown: Shown = lambda field: True, told: Told = lambda formula: True
) -> str:
    """The Markdown page of one process, without the fields that are not `shown` and formulas that are not `told`."""
    return "\n".join(_Page(model, process, locale, shown, told).lines()) + "\n"


class _Page:
    def __init__(self, model: Model, process: Process, locale: str, shown: Shown, told: Told) -> None:
        self.model, self.process, self.locale, self.shown, self.told = model, process, locale, shown, told
        self.words = WORDS.get(locale.split("-")[0], WORDS["en"])
        self.fields = model.objects[process.object].fields

    def say(self, word: str, **parts: object) -> str:
        return self.words[word].format(**parts)

    def lines(self) -> Iterator[str]:
        process, say = self.process, self.say
        yield f"# {self.text(process.label, process.name)}"
        yield ""
        owner = self.model.objects[process.object]
        yield f"- {say('object')}: {self.text(owner.plural, owner.name)}"
        several = len(self.fields[process.field].processes) > 1
        if several:
            yield f"- {say('follows')}: {self.code(process.when) if process.when else say('rest')}"
        yield f"- {say('start')}: {', '.join(self.stage(name) for name in process.start)}"
        yield ""
        heads = [say(word) for word in ("stage", "category", "probability", "forecast", "limit")]
        yield f"| {' | '.join(heads)} |"
        yield "|" + " --- |" * len(heads)
        for stage in process.stages.values():
            unit = "workdays" if stage.limit_calendar else "days"
            limit = say(unit, n=stage.limit_days) if stage.limit_days else say("none")
            chance = f"{(stage.probability * 100).normalize():f}%"
            yield f"| {self.stage(stage.name)} | {say(stage.category)} | {chance} | {say(stage.forecast)} | {limit} |"
        for stage in process.stages.values():
            yield ""
            yield from self.of_stage(stage)

    def of_stage(self, stage: Stage) -> Iterator[str]:
        yield f"## {self.stage(stage.name)}"
        if stage.guidance:
            yield ""
            yield self.text(stage.guidance)
        listed: tuple[tuple[str, Iterable[str]], ...] = (
            ("entry", self.criteria(stage.entry)),
            ("required", self.named(stage.required)),
            ("read_only", self.named(stage.read_only)),
            ("tasks", (self.task(task) for task in stage.tasks.values())),
            ("exit", self.criteria(stage.exit)),
            ("moves", self.moves(stage)),
        )
        for word, items in listed:
            if found := list(items):
                yield ""
                yield f"**{self.say(word)}**"
                yield ""
                yield from (f"- {item}" for item in found)
        if not any(move.source == stage.name for move in self.process.moves):
            yield ""
            yield self.say("end")

    def criteria(self, criteria: Mapping[str, Criterion]) -> Iterator[str]:
        for criterion in criteria.values():
            yield self.text(criterion.message, criterion.name)

    def named(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            if name in self.fields and self.shown(self.fields[name]):
                yield self.text(self.fields[name].label, name)

    def task(self, task: Task) -> str:
        parts = [self.text(task.label, task.name)]
        if fields := list(self.named(task.fields)):
            parts.append(self.say("fill", fields=", ".join(fields)))
        child = self.model.children[self.process.object].get(task.relation or "")
        if child:
            made = self.model.objects[child.object]
            parts.append(self.say("create", relation=self.text(made.label, made.name)))
        if not task.required:
            parts.append(self.say("optional"))
        line = f"{parts[0]} ({', '.join(parts[1:])})" if parts[1:] else parts[0]
        return f"{line}: {self.text(task.guidance)}" if task.guidance else line

    def moves(self, stage: Stage) -> Iterator[str]:
        for move in self.process.moves:
            if move.source == stage.name:
                way = self.say(self.process.way(move.source, move.target))
                yield f"{self.stage(move.target)} ({', '.join([way, *self.terms(move)])})"

    def terms(self, move: Move) -> Iterator[str]:
        """Who may make a move, and under which terms."""
        people = [self.person(name) for name in move.by]
        if move.who:
            people.append(self.say("who", formula=self.code(move.who)))
        if people:
            yield self.say("by", who=" / ".join(people))
        if move.reasons:
            options = (o for o in self.model.value_sets[move.reasons].options.values() if o.active)
            yield self.say("reasons", options=" / ".join(self.text(o.label, o.name) for o in options))
        elif move.reason:
            yield self.say("reason")
        if move.within_days is not None:
            yield self.say("within", n=move.within_days)
        if move.automatic:
            yield self.say("aged", n=move.after_days) if move.after_days else self.say("automatic")
        if move.when:
            yield f"{self.say('when')} {self.code(move.when)}"

    def person(self, name: str) -> str:
        if name in (OWNER, OWNER_MANAGER):
            return self.say(name.removeprefix("$"))
        role = self.model.roles.get(name)
        return self.text(role.label, name) if role else name

    def stage(self, name: str) -> str:
        return self.text(self.process.stages[name].label, name)

    def text(self, text: Mapping[str, str], name: str = "") -> str:
        return in_locale(text, self.locale, name)

    def code(self, formula: Formula) -> str:
        return f"`{' '.join(formula.text.split())}`" if self.told(formula) else "…"
