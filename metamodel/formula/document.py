"""The functions page, written from the declarations: `python -m metamodel.formula.document > docs/functions.md`."""

from __future__ import annotations

from metamodel.formula.diagnostics import CODES
from metamodel.formula.functions.registry import AGGREGATES, FUNCTIONS, Aggregation, Function

GROUPS = {
    "logic": "Logic, blanks and errors",
    "text": "Text",
    "number": "Numbers",
    "rounding": "Rounding and remainders",
    "trigonometry": "Angles",
    "finance": "Finance",
    "date": "Dates and times",
    "conversion": "Conversion",
    "list": "Lists",
    "picklist": "Picklists",
    "record": "Record and context",
    "lookup": "Lookups and currencies",
    "geo": "Places",
}
VOLATILITY = {
    "stable": "Depends on the moment, so a formula that uses it can not be indexed.",
    "change": "Only where the old record is known: rules and workflows of a change.",
}


def functions_page() -> str:
    """`docs/functions.md`."""
    out = [
        "# Functions",
        "",
        "This page is written from the declarations of the functions; a test keeps the two equal. How formulas are "
        "written, and what blanks and errors mean, is on the [language page](formula.md). In an example `->` shows a "
        "blank or an error, every other one is TRUE.",
    ]
    for group, title in GROUPS.items():
        out += ["", f"## {title}"]
        for function in sorted(FUNCTIONS.values(), key=lambda f: f.name):
            if function.group == group and not function.operator:
                out += _function(function)
    out += ["", "## Aggregates", "", "Over a set of child records, or over the `rows` of a measure."]
    for aggregation in sorted(AGGREGATES.values(), key=lambda a: a.name):
        out += _aggregation(aggregation)
    out += ["", "## Operators"]
    for function in FUNCTIONS.values():
        if function.operator and function.examples:
            out += ["", f"### `{_sign(function.name)}`", "", function.doc, *_examples(function.examples)]
    out += ["", "## Codes of problems", "", "| code | meaning |", "|---|---|"]
    out += [f"| {code} | {meaning} |" for code, meaning in CODES.items()]
    return "\n".join(out) + "\n"


def _sign(name: str) -> str:
    return {"neg": "-", "concat": "&"}.get(name, name.upper())


def _function(function: Function) -> list[str]:
    out = ["", f"### {function.name}", "", f"`{function.signature}`", "", _flat(function.doc)]
    if function.volatility in VOLATILITY:
        out += ["", VOLATILITY[function.volatility]]
    if function.aliases:
        out += ["", f"Also written {', '.join(function.aliases)}."]
    return out + _examples((*function.examples, *function.uses))


def _aggregation(aggregation: Aggregation) -> list[str]:
    out = ["", f"### {aggregation.name} of a set", "", f"`{aggregation.signature}`", "", _flat(aggregation.doc)]
    if aggregation.aliases:
        out += ["", f"Also written {', '.join(aggregation.aliases)}."]
    return out + _examples(aggregation.examples)


def _examples(examples: tuple[str, ...]) -> list[str]:
    return ["", "```", *examples, "```"] if examples else []


def _flat(doc: str) -> str:
    return " ".join(doc.split())


if __name__ == "__main__":
    print(functions_page(), end="")
