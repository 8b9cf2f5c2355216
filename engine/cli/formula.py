"""`fieldwright formula`: check a formula, explain it, list the functions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.console import Packs, err, load, out, table
from engine.cli.formula_edit import fmt, rename_command
from engine.cli.formula_eval import eval_command, show_problems
from engine.formulas.evaluate import Wrong
from engine.formulas.explain import explain
from engine.release import release as releases
from metamodel.formula import limits
from metamodel.formula.check import check as check_formula
from metamodel.formula.diagnostics import FormulaError
from metamodel.formula.functions.registry import (
    AGGREGATES,
    FUNCTIONS,
    Aggregation,
    BrokenPlugin,
    Function,
    aggregate,
    lookup,
    plugins,
)
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from metamodel.formula.types import Type
from metamodel.load import Loaded
from metamodel.model_schema import ModelSchema

app = typer.Typer(help="The formula language.", no_args_is_help=True)
Text = Annotated[str, typer.Argument(metavar="FORMULA", help="The formula.")]
Of = Annotated[str, typer.Option("--object", help="The object whose record it is written over.")]
In = Annotated[Path, typer.Option("--in", help="The tenant's file or the pack's folder.")]


app.command("eval")(eval_command)
app.command("fmt")(fmt)
app.command("rename")(rename_command)


@app.command("check")
def check(text: Text, obj: Of, path: In = Path(), packs: Packs = None) -> None:
    """Type a formula: prints its type, or every problem with its place."""
    loaded = load(path, packs)
    _known(loaded, obj)
    try:
        found = check_formula(parse(text), Scope(ModelSchema(loaded.model), "field", row=obj))
        problems, tree = found.diagnostics, found.tree
    except FormulaError as error:
        problems, tree = error.diagnostics, None
    show_problems(text, problems)
    if tree is None:
        raise typer.Exit(1)
    out.print(_shown(tree.type), markup=False)


@app.command("explain")
def explain_command(text: Text, obj: Of, path: In = Path(), packs: Packs = None) -> None:
    """Show the type of a formula, what it reads, how long its value holds, its cost, and the SQL that it becomes."""
    loaded = load(path, packs)
    release = releases.make(loaded.tenant.name, f"t_{loaded.tenant.name}", 0, loaded.data, None, model=loaded.model)
    _known(loaded, obj)
    try:
        found = explain(release, obj, text)
    except Wrong as wrong:
        show_problems(text, wrong.diagnostics)
        raise typer.Exit(1) from wrong
    show_problems(text, found.warnings)
    lines = [("type", _shown(found.type)), ("class", f"{found.volatility}{found.because and ': '}{found.because}")]
    lines.append(("cost", f"{found.weight} of {limits.WEIGHT}"))
    lines += [("reads", f"{of}.{field}") for of, field in sorted(found.reads.fields)]
    lines += [("reads", f"{of}.{name} (a set of records)") for of, name in sorted(found.reads.relations)]
    lines += [("reads", f"${name}" if "." in name else name) for name in sorted(found.reads.system)]
    for name, value in lines:
        out.print(f"{name:<6} {value}", markup=False)
    out.print(found.sql, markup=False)


@app.command()
def functions(name: Annotated[str | None, typer.Argument(help="One function, for its whole page.")] = None) -> None:
    """List the functions, those of installed packages too, or show one."""
    known: list[Function | Aggregation] = [f for f in FUNCTIONS.values() if not f.operator]
    known += AGGREGATES.values()
    for installed in sorted(plugins()):
        try:
            found = lookup(installed) or aggregate(installed)
            known += [found] if found else []
        except BrokenPlugin as error:
            err.print(f"{installed}: {error}", markup=False)
    entries = [
        (f.signature, f.group, f.doc, f.examples)
        if isinstance(f, Function)
        else (f"{f.name}(set.field)", "aggregates", f.doc, f.examples)
        for f in known
        if name is None or name.upper() in map(str.upper, (f.name, *f.aliases))
    ]
    if not entries:
        err.print(f"there is no function {name}", markup=False)
        raise typer.Exit(1)
    if name is None:
        table(["function", "group", "what it gives"], [[row[0], row[1], row[2].split("\n")[0]] for row in entries])
        return
    for signature, _, doc, examples in entries:
        out.print(f"{signature}\n\n{doc}\n", markup=False)
        for example in examples:
            out.print(f"  {example}", markup=False)


def _known(loaded: Loaded, obj: str) -> None:
    if obj not in loaded.model.objects:
        err.print(f'there is no object "{obj}"', markup=False)
        raise typer.Exit(1)


def _shown(of: Type) -> str:
    return f"{of}{' (may be blank)' if of.nullable else ''}"
