"""`fieldwright validate`: schema, names, types and formulas of a pack or tenant, every problem in one run."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.console import Packs, err, out, pack_folders, show_issues, source_texts
from metamodel.issues import Issue, PackError
from metamodel.kinds.common import in_locale
from metamodel.load import load_packs, load_tenant


class Format(StrEnum):
    """How problems are printed."""

    text = "text"
    json = "json"
    github = "github"


def validate(
    path: Annotated[Path, typer.Argument(help="A tenant's file, its folder, or a pack's folder.")] = Path(),
    packs: Packs = None,
    format_: Annotated[Format, typer.Option("--format", help="How problems are printed.")] = Format.text,
) -> None:
    """Check a pack or a tenant. Exit code 0: no errors, 1: errors."""
    began = time.perf_counter()
    file = path / "tenant.yaml" if (path / "tenant.yaml").is_file() else path
    try:
        if file.is_file():
            loaded = load_tenant(file, pack_folders(packs, file.parent))
        else:
            loaded = load_packs([path], pack_folders(packs, path.parent))
    except PackError as error:
        _print(error.issues, format_)
        raise typer.Exit(1) from error
    _print(loaded.warnings, format_)
    if format_ is Format.text:
        model = loaded.model
        formulas, seconds = len(model.typed), time.perf_counter() - began
        out.print(f"ok: {len(model.objects)} objects, {formulas} formulas, {seconds:.2f} s", markup=False)
        if file.is_file():
            out.print(f"{loaded.tenant.name}: {in_locale(loaded.tenant.label, 'en')}", markup=False)
        for pack in model.packs.values():
            said = ". ".join(filter(None, (in_locale(pack.label, "en"), in_locale(pack.description, "en"))))
            out.print(f"  {pack.name} {pack.version}  {said}", markup=False)


def _print(issues: tuple[Issue, ...], format_: Format) -> None:
    if format_ is Format.json:
        out.print(json.dumps([_plain(issue) for issue in issues], ensure_ascii=False, indent=2), markup=False)
    elif format_ is Format.github:
        for issue in issues:
            where = issue.where
            at = f"file={where.file},line={where.line},col={where.column}" if where else ""
            hint = f" ({issue.hint})" if issue.hint else ""
            out.print(f"::{issue.severity} {at}::{issue.code} {issue.message}{hint}", markup=False)
    else:
        show_issues(issues, source_texts(issues))
        errors = sum(issue.severity == "error" for issue in issues)
        if errors:
            err.print(f"{errors} problem{'s' if errors != 1 else ''}", markup=False)


def _plain(issue: Issue) -> dict[str, object]:
    where = issue.where
    return {
        "code": issue.code, "severity": issue.severity, "message": issue.message, "hint": issue.hint,
        "file": where.file if where else None, "line": where.line if where else None,
        "column": where.column if where else None, "length": where.length if where else None,
    }
