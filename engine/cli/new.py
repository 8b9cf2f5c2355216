"""`fieldwright new`: scaffolds that validate, can be applied, and pass their tests as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.console import err, out
from engine.cli.scaffold import function_package
from metamodel.names import NAME, valid

app = typer.Typer(help="Scaffolds.", no_args_is_help=True)
FUNCTION = re.compile(r"([a-z][a-z0-9_]*)\.([A-Z][A-Z0-9_]*)")

PACK = """\
kind: pack
name: {name}
version: 0.1.0
language: 1
label: {{en: {label}}}
depends: {{core: ">=0.1,<1"}}
locales: [en]
"""

OBJECT = """\
# yaml-language-server: $schema={schemas}/object.schema.json
kind: object
name: {object}
label: {{en: {object_label}}}
title: name
fields:
  name:   {{type: text, required: true, max_length: 80}}
  due:    {{type: date}}
  amount: {{type: money, min: 0}}
  late:   {{type: formula, formula: "due < TODAY()"}}
rules:
  amount_needs_due:
    valid_when: ISBLANK(amount) OR NOT ISBLANK(due)
    on: [create, update]
    field: due
    message: {{en: Give a due date for the amount}}
"""

ROLE = """\
kind: role
name: {name}_user
label: {{en: {label} user}}
objects:
  {object}: {{read: true, create: true, edit: true, delete: {{where: owner = $user.id}}, import: true, export: true}}
  user: {{read: true}}
"""

REPORT = """\
kind: report
name: {object}_by_month
label: {{en: {object_label} by month}}
object: {object}
group_by: {{month: "DATETRUNC(due, 'month')"}}
measures: {{records: COUNT(rows), amount: SUM(amount)}}
totals: true
"""

TENANT = """\
kind: tenant
name: {name}
label: {{en: {label}}}
packs: {{core: ">=0.1,<1", {name}: ">=0.1"}}
settings: {{time_zone: UTC, currency: USD, locales: [en]}}
"""


@app.callback()
def group() -> None:
    """Scaffolds."""


@app.command()
def pack(
    name: Annotated[str, typer.Argument(help="The pack's name: a-z, 0-9 and _.")],
    folder: Annotated[Path | None, typer.Option(help="Where it is made (default: ./NAME).")] = None,
    obj: Annotated[str, typer.Option("--object", help="The name of its first object.")] = "item",
) -> None:
    """Make a pack with an object, a rule, a role, a report, and a tenant's file that uses it."""
    for given in (name, obj):
        if not valid(given):
            err.print(f'"{given}" is not a name: it must match {NAME.pattern}', markup=False)
            raise typer.Exit(1)
    root = folder or Path(name)
    values = {
        "name": name, "label": name.replace("_", " ").capitalize(), "object": obj,
        "object_label": obj.replace("_", " ").capitalize(), "schemas": "../../../schemas",
    }
    files = {
        root / "tenant.yaml": TENANT,
        root / "packs" / name / "pack.yaml": PACK,
        root / "packs" / name / "objects" / f"{obj}.yaml": OBJECT,
        root / "packs" / name / "roles" / f"{name}_user.yaml": ROLE,
        root / "packs" / name / "reports" / f"{obj}_by_month.yaml": REPORT,
    }
    _write(root, {path: text.format(**values) for path, text in files.items()})


@app.command()
def function(
    name: Annotated[str, typer.Argument(help="The function's name, such as acme.SHARE.")],
    folder: Annotated[Path | None, typer.Option(help="Where it is made (default: ./VENDOR-functions).")] = None,
) -> None:
    """Make a package with a function of the formula language and its tests."""
    found = FUNCTION.fullmatch(name)
    if found is None:
        err.print(f'"{name}" is not a name such as acme.SHARE: the vendor in small letters, the function in capitals',
                  markup=False)  # fmt: skip
        raise typer.Exit(1)
    vendor, function_name = found.groups()
    root = folder or Path(f"{vendor}-functions")
    _write(root, {root / path: text for path, text in function_package(vendor, function_name).items()})


def _write(root: Path, files: Mapping[Path, str]) -> None:
    """Make a folder with the files. Exits with 1 where it holds anything."""
    if root.exists() and any(root.iterdir()):
        err.print(f"{root} is not empty", markup=False)
        raise typer.Exit(1)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        out.print(str(path), markup=False)
