"""`fieldwright formula`: check a formula, explain it, list the functions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select

from engine.cli.console import Packs, err, load, out, table
from engine.cli.formula_eval import eval_command, show_problems
from engine.plan.names import Names
from engine.release import release as releases
from engine.sql import expression
from engine.sql.columns import qualified
from engine.sql.joins import frame
from engine.sql.statement import compile_statement
from metamodel.formula.check import check as check_formula
from metamodel.formula.depends import reads
from metamodel.formula.diagnostics import FormulaError
from metamodel.formula.functions.registry import AGGREGATES, FUNCTIONS
from metamodel.formula.parse import parse
from metamodel.formula.scope import Scope
from metamodel.formula.typed import Node
from metamodel.load import Loaded
from metamodel.type_formulas import ModelSchema

app = typer.Typer(help="The formula language.", no_args_is_help=True)
Text = Annotated[str, typer.Argument(metavar="FORMULA", help="The formula.")]
Of = Annotated[str, typer.Option("--object", help="The object whose record it is written over.")]
In = Annotated[Path, typer.Option("--in", help="The tenant's file or the pack's folder.")]


app.command("eval")(eval_command)


@app.command("check")
def check(text: Text, obj: Of, path: In = Path(), packs: Packs = None) -> None:
    """Type a formula: prints its type, or every problem with its place."""
    _, tree = _typed(text, obj, path, packs)
    out.print(f"{tree.type}{' (may be blank)' if tree.type.nullable else ''}", markup=False)


@app.command()
def explain(text: Text, obj: Of, path: In = Path(), packs: Packs = None) -> None:
    """Show the type of a formula, what it reads, and the SQL that it becomes."""
    loaded, tree = _typed(text, obj, path, packs)
    model = loaded.model
    out.print(f"type   {tree.type}{' (may be blank)' if tree.type.nullable else ''}", markup=False)
    for of, field in sorted(reads(tree, ModelSchema(model), obj).fields):
        out.print(f"reads  {of}.{field}", markup=False)
    release = releases.make(loaded.tenant.name, f"t_{loaded.tenant.name}", 0, loaded.data, None, model=model)
    names = Names(release, None)
    planned = names.tree(tree, obj)
    base = qualified(release.table(obj)).alias("t")
    environment = expression.Environment(model.settings.time_zone, None)
    rows = frame(environment, {"new": base}, names.joins((planned,), obj), (planned,))
    value = expression.value(planned, rows.row).label("value")
    out.print(compile_statement(select(value).select_from(rows.source)).text, markup=False)


@app.command()
def functions(name: Annotated[str | None, typer.Argument(help="One function, for its whole page.")] = None) -> None:
    """List the functions, or show one."""
    scalar = [f for f in FUNCTIONS.values() if not f.operator]
    rows = [(f.signature, f.group, f.doc, (f.name, *f.aliases), f.examples) for f in scalar]
    sets = AGGREGATES.values()
    rows += [(f"{a.name}(set.field)", "aggregates", a.doc, (a.name, *a.aliases), a.examples) for a in sets]
    entries = [row for row in rows if name is None or name.upper() in row[3]]
    if not entries:
        err.print(f"there is no function {name}", markup=False)
        raise typer.Exit(1)
    if name is None:
        table(["function", "group", "what it gives"], [[row[0], row[1], row[2].split("\n")[0]] for row in entries])
        return
    for signature, _, doc, _, examples in entries:
        out.print(f"{signature}\n\n{doc}\n", markup=False)
        for example in examples:
            out.print(f"  {example}", markup=False)


def _typed(text: str, obj: str, path: Path, packs: list[Path] | None) -> tuple[Loaded, Node]:
    loaded = load(path, packs)
    schema = ModelSchema(loaded.model)
    if schema.object(obj) is None:
        err.print(f'there is no object "{obj}"', markup=False)
        raise typer.Exit(1)
    try:
        checked = check_formula(parse(text), Scope(schema, "field", row=obj))
        problems, tree = checked.diagnostics, checked.tree
    except FormulaError as error:
        problems, tree = tuple(error.diagnostics), None
    show_problems(text, problems)
    if tree is None:
        raise typer.Exit(1)
    return loaded, tree
