"""`fieldwright formula fmt` and `formula rename`: changes of formulas, shown or written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.console import Packs, err, out, pack_folders, show_issues
from engine.cli.formula_eval import show_problems
from metamodel.editing.edits import apply, by_file
from metamodel.editing.rename import CannotRename, rename
from metamodel.formula.diagnostics import FormulaError
from metamodel.formula.format import source
from metamodel.load import Surveyed, Texts, survey_packs, survey_tenant


def fmt(
    text: Annotated[str, typer.Argument(metavar="FORMULA", help="The formula, or - to read it from standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Print nothing; exit code 1 where it would change.")] = False,
) -> None:
    """Lay a formula out anew; comments stay."""
    written = sys.stdin.read() if text == "-" else text
    try:
        made = source(written)
    except FormulaError as error:
        show_problems(written, error.diagnostics)
        raise typer.Exit(1) from error
    if check:
        raise typer.Exit(int(made != written.rstrip("\n")))
    out.print(made, markup=False)


def rename_command(
    obj: Annotated[str, typer.Argument(metavar="OBJECT", help="The object of the field.")],
    field: Annotated[str, typer.Argument(metavar="FIELD", help="The field's name.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    path: Annotated[Path, typer.Option("--in", help="The tenant's file or the pack's folder.")] = Path(),
    packs: Packs = None,
    write: Annotated[bool, typer.Option("--write", help="Write the changes; without it they are only shown.")] = False,
) -> None:
    """Give a field another name, in every formula and every other place that names it."""
    file = path / "tenant.yaml" if (path / "tenant.yaml").is_file() else path

    def look(texts: Texts) -> Surveyed:
        if file.is_file():
            return survey_tenant(file, pack_folders(packs, file.parent), texts)
        return survey_packs([path], pack_folders(packs, path.parent), texts)

    try:
        made = rename(look, obj, field, new)
    except CannotRename as error:
        show_issues(error.issues, {})
        err.print(f"error: {error}", markup=False)
        raise typer.Exit(1) from error
    files = by_file(made.edits)
    for name, edits in files.items():
        raw = Path(name).read_bytes().decode("utf-8")
        after = apply(raw, edits)
        if write:
            Path(name).write_bytes(after.encode("utf-8"))
            continue
        before_lines, after_lines = raw.splitlines(), after.splitlines()
        for line in dict.fromkeys(edit.place.line for edit in edits):
            out.print(f"{name}:{line}", markup=False)
            out.print(f"- {before_lines[line - 1]}\n+ {after_lines[line - 1]}", markup=False)
    count = len(made.edits)
    said = f"{count} place{'s' * (count != 1)} in {len(files)} file{'s' * (len(files) != 1)}"
    out.print(f"{said} {'changed' if write else 'would change; add --write'}", markup=False)
