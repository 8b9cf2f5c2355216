"""`fieldwright handbook`: the pages by which people work, one for each process and language."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.console import Packs, err, load, out
from metamodel.handbook import handbook
from metamodel.names import did_you_mean


def handbook_command(
    path: Annotated[Path, typer.Argument(help="The tenant's file, or the folder that holds it.")],
    packs: Packs = None,
    process: Annotated[str | None, typer.Option(help="Only this process.")] = None,
    locale: Annotated[str | None, typer.Option(help="Only this language, such as zh-CN.")] = None,
    to: Annotated[Path | None, typer.Option(help="A folder to write `<process>.<locale>.md` files to.")] = None,
) -> None:
    """Write the handbook of the tenant's processes as Markdown."""
    loaded = load(path, packs)
    known = loaded.model.processes
    if process is not None and process not in known:
        hint = did_you_mean(process, known) or f"it has {', '.join(known)}"
        err.print(f'there is no process "{process}"; {hint}', markup=False)
        raise typer.Exit(2)
    for name in [process] if process else known:
        for tag in [locale] if locale else loaded.model.settings.locales:
            page = handbook(loaded.model, known[name], tag)
            if to is None:
                out.print(page, markup=False, highlight=False, soft_wrap=True)
                continue
            to.mkdir(parents=True, exist_ok=True)
            file = to / f"{name}.{tag}.md"
            file.write_text(page, encoding="utf-8")
            out.print(str(file), markup=False)
