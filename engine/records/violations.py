"""The numbers that a refused statement reports -> faults with codes, places and messages in the caller's language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.base.errors import CODES, Fault, at
from engine.plan.write import WritePlan
from engine.release.release import Release
from engine.sql.files import FAULTS
from engine.sql.judging import ATTACHED, FAILED, IN_USE, REFERENCE, SPAN, UNIQUE
from metamodel.formula.functions.guard import ERRORS
from metamodel.kinds.common import in_locale

_TEXTS = {
    "en": {
        "record.required": "{field} is required",
        "record.reference": "there is no such record",
        "record.option": "{message} can not be chosen any more",
        "record.option_dependent": "this option does not go with the rest of the record",
        "record.unique": "{field} is already in use",
        "record.tree": "{field}: the record would be above itself",
        "record.in_use": "records of {message} refer to it",
        "record.read_only": "{field} can not be changed any more",
        "record.locked": "the record is locked",
        "record.rule_error": "{message} could not be evaluated: {error}",
        "file.foreign": "{field}: this file was not uploaded by you just now, nor is it in this field",
        "file.type": "{field} does not take files of this type",
        "file.size": "{field}: the file is too large",
        "record.field_read_only": "your roles do not allow to write {field} in this record",
        "access.row": "your roles do not allow the record to be like this",
        "stage.required": "{field} is required in stage {message}",
        "stage.read_only": "{field} can not be changed in stage {message}",
        "stage.unlisted": "this move out of {message} is not allowed",
        "stage.start": "a new record can not start in this stage",
        "stage.role": "your role may not move to {message}",
        "stage.guard": "the condition for moving to {message} is not met",
        "stage.reason": "a reason is needed for moving to {message}",
        "stage.period": "the period for moving to {message} is over",
        "stage.process": "the process {message} has no such stage",
        "stage.task": "the task is still to be done: {message}",
        "stage.task_unknown": "there is no task {message} to confirm in this stage",
    },
    "zh": {
        "record.required": "{field}为必填项",
        "record.reference": "没有这条记录",
        "record.option": "“{message}”已停用，不能再选择",
        "record.option_dependent": "该选项与记录的其他内容不匹配",
        "record.unique": "{field}已被使用",
        "record.tree": "{field}：记录不能成为自己的上级",
        "record.in_use": "仍有{message}记录引用它",
        "record.read_only": "{field}已不能再修改",
        "record.locked": "记录已锁定",
        "record.rule_error": "无法计算{message}：{error}",
        "file.foreign": "{field}：该文件不是您刚刚上传的，也不在此字段中",
        "file.type": "{field}不接受此类型的文件",
        "file.size": "{field}：文件过大",
        "record.field_read_only": "您的角色不允许修改此记录的{field}",
        "access.row": "您的角色不允许记录变成这样",
        "stage.required": "在“{message}”阶段必须填写{field}",
        "stage.read_only": "在“{message}”阶段不能修改{field}",
        "stage.unlisted": "不允许从“{message}”这样推进",
        "stage.start": "新记录不能从这个阶段开始",
        "stage.role": "您的角色不能推进到“{message}”",
        "stage.guard": "不满足推进到“{message}”的条件",
        "stage.reason": "推进到“{message}”需要说明原因",
        "stage.period": "推进到“{message}”的期限已过",
        "stage.process": "流程“{message}”没有这个阶段",
        "stage.task": "尚有任务未完成：{message}",
        "stage.task_unknown": "本阶段没有可确认的任务“{message}”",
    },
}
"""What is said of each code; rules and criteria bring their own messages."""
SPEAKING = frozenset(
    {"record.rule", "record.warning", "record.duplicate", "record.locked", "stage.entry", "stage.exit"}
)
"""The codes of what has a message of its own."""
_BESIDE = {"en": "{} ({})", "zh": "{}（{}）"}
"""A message with what stands beside it."""
_ERRORS = {
    "zh": {
        "DIV0": "除数为零",
        "NUM": "数值超出函数可计算的范围",
        "VALUE": "文本不是函数所能读取的内容",
        "DATE": "日期不在公元1年至9999年之间，或不存在",
        "REF": "缺少记录或函数",
        "OVERFLOW": "数值过大",
        "LIMIT": "文本或列表过长",
        "CUSTOM": "公式自身引发的错误",
    },
}
"""What is said of each error of a formula, besides the English of `ERRORS`."""


def explain(
    release: Release, plan: WritePlan, rows: Iterable[tuple[int, list[int]]], locale: str, many: bool
) -> list[Fault]:
    """A fault for each thing that each row breaks, in the order of the rows."""
    return [
        fault
        for row, broken in sorted(rows)
        for fault in _row(release, plan, broken, locale, row if many else None)
    ]


def _row(release: Release, plan: WritePlan, broken: Iterable[int], locale: str, row: int | None) -> list[Fault]:
    faults = [_fault(release, plan, number, locale, row) for number in broken]
    if any(fault.code == "stage.unlisted" for fault in faults):
        # Of a move that does not exist, what its target would ask for is of no use.
        return [f for f in faults if f.code == "stage.unlisted" or not f.code.startswith("stage.")]
    return faults


def _fault(release: Release, plan: WritePlan, number: int, locale: str, row: int | None) -> Fault:
    language = locale.split("-")[0]

    def say(code: str, field: str = "", message: str = "", rule: str | None = None, error: str = "") -> Fault:
        form = _TEXTS.get(language, _TEXTS["en"])[code]
        detail = form.format(field=_label(release, plan, field, locale), message=message, error=error)
        return Fault(code, detail, at(field) if field else "", rule, row, check.severity if check else "error")

    check = plan.checks[number % SPAN] if number < REFERENCE or number >= FAILED else None
    if check:
        message = in_locale(check.message, locale)
        own = message if check.code in SPEAKING else ""
        pointer = at(check.field) if check.field else ""
    if check and number >= FAILED:
        error = list(ERRORS)[(number - FAILED) // SPAN]
        text = _ERRORS.get(language, ERRORS)[error]
        told = say("record.rule_error", check.field or "", check.rule or check.code, check.rule, text)
        return replace(told, detail=_BESIDE.get(language, _BESIDE["en"]).format(own, told.detail)) if own else told
    if check and own:
        return Fault(check.code, own, pointer, check.rule, row, check.severity)
    if check and check.code in _TEXTS["en"]:
        return say(check.code, check.field or "", message, check.rule)
    if check:
        return Fault(check.code, CODES[check.code].title, pointer, check.rule, row, check.severity)
    if number >= ATTACHED:
        which, kind = divmod(number - ATTACHED, len(FAULTS))
        return say(FAULTS[kind], plan.attached[which].field)
    if number >= IN_USE:
        used = plan.in_use[number - IN_USE]
        return say("record.in_use", message=in_locale(release.object(used.object).label, locale))
    if number >= UNIQUE:
        key = plan.uniques[number - UNIQUE]
        if key.message:
            return Fault("record.unique", in_locale(key.message, locale), f"/{key.field}", key.rule, row)
        return say("record.unique", key.field, rule=key.rule)
    return say("record.reference", plan.references[number - REFERENCE].field)


def _label(release: Release, plan: WritePlan, field: str, locale: str) -> str:
    declared = release.object(plan.object).fields.get(field)
    return in_locale(declared.label, locale, field) if declared else field
