"""`fieldwright data`: import from CSV and XLSX by a declared mapping, export to CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID

from engine.base.cells import safe_cell
from engine.base.errors import Refused
from engine.cli.console import err, out, progress_bar, show_issues, source_texts
from engine.cli.imports import list_imports, run_as_job, save_corrections, undo
from engine.cli.work import AsUser, acting, with_runtime
from engine.plan.request import RecordQuery
from engine.records.corrections import located
from engine.records.export import export as export_records
from engine.records.export import export_fields
from engine.records.importing import Imported, import_file, rehearsal
from engine.records.mapping import ImportMapping, mapping_of, read_mapping
from engine.records.tables import open_table
from engine.runtime import Runtime
from metamodel.issues import PackError

app = typer.Typer(help="Import and export of records.", no_args_is_help=True)
SHOWN = 20


@app.command("import")
def import_(
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    mapping: Annotated[Path, typer.Argument(help="The mapping file, or a folder of them, taken by name.")],
    source: Annotated[Path, typer.Argument(help="The CSV or XLSX file, or the folder that holds the mappings' files.")],
    as_user: AsUser = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything, then undo it.")] = False,
    errors: Annotated[Path | None, typer.Option(help="A CSV file for what is wrong with the rows refused.")] = None,
    job: Annotated[
        bool, typer.Option("--job", help="Keep the import, so that it goes on after an interruption and can be undone.")
    ] = False,
) -> None:
    """Import CSV files or workbooks. Good rows are written, the others are reported; then the exit code is 1."""
    files = sorted(mapping.glob("*.yaml")) if mapping.is_dir() else [mapping]
    if not files:
        raise Refused("import.mapping", f"{mapping} holds no mapping")
    pairs, plain = [], []
    for file in files:
        data = _mapping(file)
        found = mapping_of(data)
        pairs.append((found, source / (found.file or "") if source.is_dir() else source))
        plain.append(data)
    if job and errors is not None and len(pairs) > 1:
        raise Refused("import.mapping", "with --job, --errors takes the rows of one file")

    async def jobs(rt: Runtime) -> bool:
        release = await rt.store.release(tenant)
        ctx = await acting(rt, release, as_user, door="import")
        good = True
        for data, (found, path) in zip(plain, pairs, strict=True):
            with progress_bar() as bar:
                task = bar.add_task(found.name, total=None)

                def moved(count: int, rows: int | None, bar: Progress = bar, task: TaskID = task) -> None:
                    bar.update(task, completed=count, total=rows)

                done = await run_as_job(rt, ctx, release, data, path, dry_run, moved)
            _show_job(found, done)
            good = good and not done["rejected"] and done["state"] == "done"
            if errors is not None:
                await save_corrections(rt, ctx, release, done["id"], errors)
        return good

    if job:
        if not with_runtime(jobs):
            raise typer.Exit(1)
        return

    async def work(rt: Runtime) -> list[Imported]:
        release = await rt.store.release(tenant)
        ctx = await acting(rt, release, as_user, door="import")
        results = []
        # In a dry run a file finds what the files before it would have brought.
        async with rehearsal(rt, release) if dry_run else nullcontext() as within:
            for found, path in pairs:
                with progress_bar() as bar:
                    task = bar.add_task(found.name, total=None)

                    def moved(count: int, rows: int, bar: Progress = bar, task: TaskID = task) -> None:
                        bar.update(task, completed=count, total=rows)

                    done = await import_file(
                        rt, ctx, release, found, path, dry_run=dry_run, within=within, progress=moved
                    )
                results.append(done)
                _show(found, path, done)
        return results

    results = with_runtime(work)
    if errors is not None:
        _write_errors(errors, pairs, results)
    if any(done.rejected for done in results):
        raise typer.Exit(1)


app.command("imports")(list_imports)
app.command("undo")(undo)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        return read_mapping(path)
    except PackError as error:
        show_issues(error.issues, source_texts(error.issues))
        raise typer.Exit(1) from error


def _show(mapping: ImportMapping, path: Path, done: Imported) -> None:
    how = " (dry run, nothing is kept)" if done.dry_run else ""
    out.print(
        f"{mapping.name}: {done.rows} rows, {done.created} created, {done.updated} updated, "
        f"{len(done.rejected)} refused{how}",
        markup=False,
    )
    for rejected in done.rejected[:SHOWN]:
        for fault in rejected.faults:
            key = f" [{rejected.key}]" if rejected.key else ""
            err.print(f"{path}:{rejected.line}:{key} {fault.code} {fault.pointer} {fault.detail}", markup=False)
    if len(done.rejected) > SHOWN:
        err.print(f"... and {len(done.rejected) - SHOWN} more; --errors FILE keeps them all", markup=False)


def _show_job(mapping: ImportMapping, done: Mapping[str, Any]) -> None:
    how = " (dry run, nothing is kept)" if done["dry_run"] else ""
    out.print(
        f"{mapping.name}: {done['state']}, {done['rows'] or 0} rows, {done['created']} created, "
        f"{done['updated']} updated, {done['rejected']} refused{how}, import {done['id']}",
        markup=False,
    )
    if done["error"]:
        err.print(f"error: {done['error']['code']} {done['error']['detail']}", markup=False)


def _write_errors(target: Path, pairs: list[tuple[ImportMapping, Path]], results: list[Imported]) -> None:
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "key", "code", "field", "detail", "column", "value"])
        for (mapping, path), done in zip(pairs, results, strict=True):
            lines = {rejected.line: rejected for rejected in done.rejected}
            table = open_table(path, mapping.encoding, mapping.separator, mapping.sheet)
            for line, _, row in table.named():
                for fault in lines[line].faults if line in lines else ():
                    about = [path.name, line, lines[line].key, fault.code, fault.pointer[1:], fault.detail]
                    writer.writerow([safe_cell(cell) for cell in (*about, *located(mapping, row, fault))])


@app.command()
def export(
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    obj: Annotated[str, typer.Argument(metavar="OBJECT", help="The object.")],
    where: Annotated[str | None, typer.Option(help="A condition in the formula language.")] = None,
    fields: Annotated[str | None, typer.Option(help="Fields, separated by commas; paths such as account.name.")] = None,
    order: Annotated[str | None, typer.Option(help="Sort keys, such as -amount,name.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file (default: standard output).")] = None,
    as_user: AsUser = None,
) -> None:
    """Export records as CSV, safe for spreadsheets."""
    query = RecordQuery(
        object=obj, where=where, fields=tuple(fields.split(",")) if fields else None,
        order=tuple(order.split(",")) if order else (),
    )

    async def work(rt: Runtime) -> int:
        release = await rt.store.release(tenant)
        ctx = await acting(rt, release, as_user, door="export")
        columns = export_fields(rt, ctx, release, query)
        count = 0
        file = output.open("w", encoding="utf-8", newline="") if output else sys.stdout
        try:
            writer = csv.writer(file)
            writer.writerow([safe_cell(name) for name in columns])
            async for page in export_records(rt, ctx, release, query):
                writer.writerows([safe_cell(row[name]) for name in columns] for row in page)
                count += len(page)
        finally:
            if output:
                file.close()
        return count

    count = with_runtime(work)
    err.print(f"{count} records", markup=False)
