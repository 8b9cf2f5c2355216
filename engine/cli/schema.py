"""`fieldwright schema`: the JSON Schemas of the kinds, for editors."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.console import out

app = typer.Typer(help="JSON Schemas for editors.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """JSON Schemas for editors."""


@app.command()
def export(folder: Annotated[Path, typer.Argument(help="Where the schemas are written.")] = Path("schemas")) -> None:
    """Write one JSON Schema (2020-12) per kind into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for schema in sorted(files("metamodel").joinpath("schemas").iterdir(), key=lambda entry: entry.name):
        if schema.name.endswith(".schema.json"):
            (folder / schema.name).write_text(schema.read_text(encoding="utf-8"), encoding="utf-8")
            out.print(str(folder / schema.name), markup=False)
