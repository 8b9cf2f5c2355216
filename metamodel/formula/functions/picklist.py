"""Fields that hold one option of a set, or a stage of a process."""

from __future__ import annotations

from collections.abc import Mapping

from metamodel.formula.functions.registry import Builder, Param, rewritten
from metamodel.formula.typed import Call, Literal, Node, System
from metamodel.formula.types import BOOLEAN, INTEGER, TEXT, Type

FIELD = Param("field", frozenset({"select"}))
LOCALE, LANGUAGE = System(TEXT.blank(False), "locale"), System(TEXT.blank(False), "language")


@rewritten("ISPICKVAL", "picklist", FIELD, Param("option"), uses=('ISPICKVAL(stage, "open")',))
def ispickval(c: Builder, args: tuple[Node, ...]) -> Node:
    """Whether the field holds the option: the same as `stage = "open"`. With an empty text, whether it is blank."""
    field, option = args
    if isinstance(option, Literal) and option.value is None:
        return c.call("ISBLANK", field)
    return c.call("=", field, option)


@rewritten("PICKLABEL", "picklist", FIELD, volatility="stable", uses=('PICKLABEL(stage) & "!"',))
def picklabel(c: Builder, args: tuple[Node, ...]) -> Node:
    """The label of the option or stage in the reader's language."""
    (field,) = args
    labels = c.scope.schema.labels(field.type.of or "")
    return _chosen(field, TEXT, {name: _spoken(label) for name, label in labels.items()})


@rewritten("PICKRANK", "picklist", FIELD, uses=("PICKRANK(stage) >= 2",))
def pickrank(c: Builder, args: tuple[Node, ...]) -> Node:
    """The place of the option or stage among those declared, counted from 1."""
    (field,) = args
    options = c.scope.schema.options(field.type.of or "")
    return _chosen(field, INTEGER, {name: Literal(INTEGER.blank(False), n) for n, name in enumerate(options, 1)})


def _chosen(field: Node, of: Type, values: Mapping[str, Node]) -> Node:
    """The value that belongs to the option that the field holds."""
    parts: list[Node] = []
    for name, value in values.items():
        here = Call(BOOLEAN, "=", (field, Literal(field.type.blank(False), name)))
        parts += [here, value]
    return Call(of.blank(), "if", (*parts, Literal(of.blank(), None))) if parts else Literal(of.blank(), None)


def _spoken(label: Mapping[str, str]) -> Node:
    """The text in the reader's locale, else in its language, else in English, else in the first locale it has."""
    fallback = "en" if "en" in label else next(iter(label), "")
    others = {locale: text for locale, text in label.items() if locale != fallback}
    parts: list[Node] = []
    for asked, known in ((LOCALE, others), (LANGUAGE, others)):
        for locale, text in known.items():
            same = Call(BOOLEAN, "=", (asked, Literal(TEXT.blank(False), locale)))
            parts += [same, Literal(TEXT.blank(not text), text or None)]
    otherwise = Literal(TEXT.blank(not label.get(fallback)), label.get(fallback) or None)
    return Call(TEXT, "if", (*parts, otherwise)) if parts else otherwise
