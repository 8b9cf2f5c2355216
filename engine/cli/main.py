"""`fieldwright`: the command line. Each verb is a module; only the one that is called is imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer

from engine.cli.console import guarded

VERBS = {
    "new": "new:app",
    "validate": "validate:validate",
    "schema": "schema:app",
    "plan": "plan:plan_command",
    "apply": "apply:apply_command",
    "formula": "formula:app",
    "data": "data:app",
    "report": "report:report",
    "handbook": "handbook:handbook_command",
    "rollup": "rollup:app",
    "tenant": "tenant:app",
    "user": "user:app",
    "token": "token:app",
    "serve": "serve:serve",
    "worker": "serve:worker",
    "demo": "demo:demo",
    "doctor": "doctor:doctor",
    "lsp": "lsp:lsp",
}
"""Where each verb is: a command, or a group of commands."""


def application(arguments: Sequence[str]) -> typer.Typer:
    """The application with the verb that the arguments call, or with all of them where they call none."""
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    app = typer.Typer(name="fieldwright", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
    app.callback(help="YAML packs become a live application on PostgreSQL.")(_nothing)
    for name in [called] if called in VERBS else VERBS:
        module, _, attribute = VERBS[name].partition(":")
        found = getattr(importlib.import_module(f"engine.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _nothing() -> None:
    """A callback keeps verbs apart even where only one of them is loaded."""


def main() -> None:
    """The console script: every refusal is one clear message and a non-zero exit, never a traceback."""
    guarded(application(sys.argv[1:]))


if __name__ == "__main__":
    main()
