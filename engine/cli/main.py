"""`fieldwright`: the command line. Each verb is a module; this one only lists them."""

from __future__ import annotations

import typer

from engine.cli import (
    apply,
    data,
    demo,
    doctor,
    formula,
    new,
    plan,
    report,
    schema,
    serve,
    tenant,
    token,
    user,
    validate,
)
from engine.cli.common import guarded

app = typer.Typer(
    name="fieldwright",
    help="YAML packs become a live application on PostgreSQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(new.app, name="new")
app.command("validate")(validate.validate)
app.add_typer(schema.app, name="schema")
app.command("plan")(plan.plan_command)
app.command("apply")(apply.apply_command)
app.add_typer(formula.app, name="formula")
app.add_typer(data.app, name="data")
app.command("report")(report.report)
app.add_typer(tenant.app, name="tenant")
app.add_typer(user.app, name="user")
app.add_typer(token.app, name="token")
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """The console script: every refusal is one clear message and a non-zero exit, never a traceback."""
    guarded(app)


if __name__ == "__main__":
    main()
