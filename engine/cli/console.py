"""What verbs print, and where they find packs: nothing here touches the database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from engine.base.errors import Refused
from metamodel.issues import Issue, PackError, render
from metamodel.load import Loaded, load_packs, load_tenant

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
SHIPPED = Path(__file__).parents[1] / "packs"
IN_TREE = Path(__file__).parents[2] / "tenant_configs"

Packs = Annotated[
    list[Path] | None, typer.Option("--packs", help="A folder that holds packs; may be given several times.")
]


def guarded(app: Callable[[], Any]) -> None:
    """Runs the application; refusals, pack problems and unusable files are printed and exit with 1."""
    try:
        app()
    except Refused as refused:
        show_refusal(refused)
    except PackError as error:
        show_issues(error.issues, {})
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(map(str, problem["loc"])).upper()
            err.print(f"error: FIELDWRIGHT_{name}: {problem['msg']}", markup=False)
    except OSError as error:
        err.print(f"error: {error.filename or 'file'}: {error.strerror or error}", markup=False)
    except KeyboardInterrupt:
        sys.exit(130)
    else:
        return
    sys.exit(1)


def show_refusal(refused: Refused) -> None:
    """`error: CODE detail`, each fault on a line, then the hint."""
    err.print(f"error: {refused.code} {refused.detail or refused.title}", markup=False)
    for fault in refused.faults:
        if fault.detail != refused.detail:
            err.print(f"  {fault.pointer or '-'}: {fault.code} {fault.detail}", markup=False)
    if refused.hint:
        err.print(f"  hint: {refused.hint}", markup=False)


def show_issues(issues: Iterable[Issue], sources: Mapping[str, str]) -> None:
    """Every issue with its place, source line, caret and hint."""
    for issue in issues:
        err.print(render(issue, sources), markup=False)


def pack_folders(given: Sequence[Path] | None, beside: Path | None = None) -> list[Path]:
    """Where packs are looked for: the given folders, those beside a tenant's file, and the packs that ship."""
    found = list(given or ())
    if beside is not None:
        found += [beside, beside / "packs", beside.parent]
    found += [IN_TREE if IN_TREE.is_dir() else SHIPPED]
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def load(path: Path, packs: Sequence[Path] | None) -> Loaded:
    """A tenant's file (or the folder that holds one), or a pack's folder. Raises PackError with all issues, shown."""
    try:
        file = path / "tenant.yaml" if (path / "tenant.yaml").is_file() else path
        if not path.exists():
            raise Refused("pack.invalid", f"{path} does not exist")
        if file.is_file():
            return load_tenant(file, pack_folders(packs, file.parent))
        if not (path / "pack.yaml").is_file():
            raise Refused("pack.invalid", f"{path} holds neither a tenant.yaml nor a pack.yaml")
        return load_packs([path], pack_folders(packs, path.parent))
    except PackError as error:
        show_issues(error.issues, source_texts(error.issues))
        count = len(error.issues)
        err.print(f"{count} problem{'s' if count != 1 else ''}", markup=False)
        raise typer.Exit(1) from error


def source_texts(issues: Iterable[Issue]) -> dict[str, str]:
    """The texts of the files that issues stand in, as far as they can be read."""
    texts = {}
    for name in {issue.where.file for issue in issues if issue.where}:
        try:
            texts[name] = Path(name).read_bytes()[:2_000_000].decode("utf-8", "replace")
        except OSError:
            continue
    return texts


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> None:
    """A plain table; the columns of `right` are aligned to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_footer=False)
    aligned = set(right)
    for n, header in enumerate(headers):
        made.add_column(header, justify="right" if n in aligned else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    # Only a terminal has a width: in a pipe a folded cell would be two.
    shown = out if out.is_terminal else Console(width=10_000, highlight=False)
    shown.print(made, markup=False)


def progress_bar() -> Progress:
    """A progress bar on standard error; silent where that is no terminal."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=err, disable=not err.is_terminal, transient=True,
    )


def confirmed(question: str, yes: bool) -> bool:
    """Whether to go on: asked on a terminal, taken as no elsewhere unless `yes`."""
    if yes:
        return True
    return sys.stdin.isatty() and typer.confirm(question)
