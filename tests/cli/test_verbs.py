"""Every verb of the command line: from a new pack to exported records, and each way to fail with a clear message."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.cli.main import VERBS
from metamodel.schema_check import KINDS
from tests.cli.conftest import Cli
from tests.tenancy import ROOT, sql

CSV = "Name,Due,Amount\nfirst,2024-05-01,10.50\nsecond,2024-05-20,4\n=cmd(),2024-06-01,1\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project") / "shop"


def script(*arguments: Any, **env: str) -> subprocess.CompletedProcess[str]:
    """The console script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "engine.cli.main", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_1_a_new_pack_validates_and_applies_as_it_is(cli: Cli, project: Path) -> None:
    made = cli("new", "pack", "shop", "--folder", project, "--object", "bill")
    assert made.code == 0 and len(made.out.split()) == 5
    for path in (project, project / "tenant.yaml", project / "packs" / "shop"):
        checked = cli("validate", path)
        assert checked.code == 0 and checked.out.startswith("ok: ") and not checked.err, checked
    planned = cli("plan", project, "--detailed-exitcode")
    assert planned.code == 2 and "+ object.bill" in planned.out and "create table bill" in planned.out
    asked = cli("apply", project)
    assert asked.code == 1 and "nothing was applied" in asked.err
    assert cli("tenant", "list").out.split("\n")[1:] == [""]
    done = cli("apply", project, "--yes", "--note", "begin")
    assert done.code == 0 and "shop: release 1" in done.out
    again = cli("plan", project, "--detailed-exitcode")
    assert (again.code, again.out) == (0, "shop: nothing to do\n")
    assert cli("apply", project, "--yes").out == "shop: nothing to do\nshop: release 1\n"
    listed = cli("tenant", "list").out.splitlines()
    assert listed[1].split()[:3] == ["shop", "t_shop", "1"]
    assert cli("new", "pack", "shop", "--folder", project).code == 1
    assert cli("new", "pack", "Shop!").code == 1


def test_labels_and_descriptions_of_tenant_and_packs_are_shown(cli: Cli, tmp_path: Path) -> None:
    assert cli("new", "pack", "kiosk", "--folder", tmp_path).code == 0
    manifest, tenant = tmp_path / "packs" / "kiosk" / "pack.yaml", tmp_path / "tenant.yaml"
    manifest.write_text(
        manifest.read_text().replace("label: {en: Kiosk}", "label: Newsstand\ndescription: Papers and sweets")
    )
    tenant.write_text(tenant.read_text().replace("label: {en: Kiosk}", "label: {en: Corner Kiosk}"))
    said = cli("validate", tmp_path).out
    assert "kiosk: Corner Kiosk\n" in said and "  kiosk 0.1.0  Newsstand. Papers and sweets\n" in said


def test_2_users_and_tokens(cli: Cli, project: Path) -> None:
    added = cli("user", "add", "shop", "ann@shop.example", "--name", "Ann", "--role", "shop_user")
    assert added.code == 0 and "with the password " in added.out
    assert (
        cli("user", "add", "shop", "ben@shop.example", "--name", "Ben", "--password", stdin="correct horse\n").code == 0
    )
    assert cli("user", "add", "shop", "cid@shop.example", "--name", "Cid", "--password").code == 1
    assert "hint: give the person's --name" in cli("user", "add", "shop", "dan@shop.example").err
    assert "user.exists" in cli("user", "add", "shop", "ann@shop.example").err
    assert "role.unknown" in cli("user", "change", "shop", "ann@shop.example", "--role", "king").err
    assert cli("user", "change", "shop", "ben@shop.example", "--disable").code == 0
    rows = [line.split() for line in cli("user", "list", "shop").out.splitlines()[1:]]
    assert rows == [["ann@shop.example", "shop_user", "yes"], ["ben@shop.example", "no"]]

    made = cli("token", "create", "shop", "ann@shop.example", "--name", "ci", "--days", "30")
    assert made.code == 0 and len(made.out.split()) == 1
    shown = cli("token", "list", "shop", "ann@shop.example").out.splitlines()[1].split()
    assert shown[1] == "ci" and made.out.strip() not in " ".join(shown)
    revoked = cli("token", "revoke", "shop", "ann@shop.example", shown[0])
    assert revoked.out == "revoked\n", revoked
    assert len(cli("token", "list", "shop", "ann@shop.example").out.splitlines()) == 1
    assert "user.unknown" in cli("token", "create", "shop", "nobody").err


def test_3_import_export_and_report(cli: Cli, project: Path) -> None:
    folder = project / "imports"
    folder.mkdir()
    mapping = {
        "kind": "import",
        "name": "bills",
        "file": "bills.csv",
        "object": "bill",
        "mode": "upsert",
        "key": "name",
        "columns": {"name": "Name", "due": "Due", "amount": "Amount"},
    }
    (folder / "bills.yaml").write_text(yaml.safe_dump(mapping), "utf-8")
    (project / "bills.csv").write_text(CSV + "bad,2024-07-01,-3\nno due,,5\n", "utf-8")
    errors = project / "errors.csv"
    for flags, kept in ((["--dry-run"], 0), ([], 3)):
        done = cli("data", "import", "shop", folder, project, "--errors", errors, *flags)
        assert done.code == 1 and done.out.startswith("bills: 5 rows, 3 created, 0 updated, 2 refused")
        assert "bills.csv:5: [bad] record.out_of_range /amount" in done.err
        assert "bills.csv:6: [no due] record.rule /due Give a due date for the amount" in done.err
        assert [[*row[:5], *row[6:]] for row in csv.reader(errors.open())] == [
            ["file", "line", "key", "code", "field", "column", "value"],
            ["bills.csv", "5", "bad", "record.out_of_range", "amount", "Amount", "'-3"],
            ["bills.csv", "6", "no due", "record.rule", "due", "Due", ""],
        ]
        exported = cli("data", "export", "shop", "bill", "--fields", "name,amount,late", "--order", "-amount")
        assert exported.code == 0 and exported.err == f"{kept} records\n"
    rows = list(csv.reader(io.StringIO(exported.out)))
    assert rows == [
        ["name", "amount", "late"],
        ["first", "10.50", "true"],
        ["second", "4.00", "true"],
        ["'=cmd()", "1.00", "true"],
    ]
    target = project / "out.csv"
    assert (
        cli("data", "export", "shop", "bill", "--where", "amount > 3", "-o", target, "--as", "ann@shop.example").code
        == 0
    )
    assert len(target.read_text().splitlines()) == 3
    (project / "bills.csv").write_text(CSV, "utf-8")
    assert cli("data", "import", "shop", folder / "bills.yaml", project / "bills.csv").out == (
        "bills: 3 rows, 0 created, 3 updated, 0 refused\n"
    )

    listed = cli("report", "shop").out.splitlines()
    assert listed[1].split()[0] == "bill_by_month"
    shown = cli("report", "shop", "bill_by_month")
    assert [line.split() for line in shown.out.splitlines()[1:]] == [
        ["2024-05-01", "2", "14.50"],
        ["2024-06-01", "1", "1.00"],
        ["3", "15.50"],
    ]
    as_csv = cli("report", "shop", "bill_by_month", "--format", "csv").out
    assert list(csv.reader(io.StringIO(as_csv))) == [
        ["Month", "Records", "Amount"],
        ["2024-05-01", "2", "14.50"],
        ["2024-06-01", "1", "1.00"],
    ]
    assert json.loads(cli("report", "shop", "bill_by_month", "--format", "json").out)[0]["amount"] == 14.5
    assert "user.unknown" in cli("report", "shop", "bill_by_month", "--as", "ben@shop.example").err
    unknown = cli("report", "shop", "bill_by_mnth")
    assert unknown.code == 1 and "report.unknown" in unknown.err and "bill_by_month" in unknown.err


def test_4_imports_as_jobs_are_listed_and_undone(cli: Cli, project: Path) -> None:
    folder, errors = project / "imports", project / "corrections.csv"
    (project / "more.csv").write_text("Name,Due,Amount\nmore 1,2024-07-01,3\nmore 2,2024-07-01,-3\n", "utf-8")
    done = cli("data", "import", "shop", folder / "bills.yaml", project / "more.csv", "--job", "--errors", errors)
    assert done.code == 1 and done.out.startswith("bills: done, 2 rows, 1 created, 0 updated, 1 refused, import ")
    header, row = csv.reader(errors.open(encoding="utf-8-sig"))
    assert header[3] == "import_errors" and row[:3] == ["more 2", "2024-07-01", "-3"] and "record.out_of_range" in row[3]
    id_ = done.out.split()[-1]
    listed = cli("data", "imports", "shop").out.splitlines()[1].split()
    assert listed[:7] == [id_, "bill", "done", "2", "1", "0", "1"]
    assert "more 1" in cli("data", "export", "shop", "bill").out
    taken = cli("data", "undo", "shop", id_)
    assert (taken.code, taken.out) == (0, "undone: 1 undone, 0 kept\n"), taken
    assert "more 1" not in cli("data", "export", "shop", "bill").out
    assert "import.state" in cli("data", "undo", "shop", id_).err
    assert "import.unknown" in cli("data", "undo", "shop", "x").err
    failed = cli("data", "import", "shop", folder / "bills.yaml", folder / "bills.yaml", "--job")
    assert failed.code == 1 and "error: import." in failed.err


def test_4_plan_for_machines_and_a_refused_change(cli: Cli, project: Path) -> None:
    file = project / "packs" / "shop" / "objects" / "bill.yaml"
    text = file.read_text("utf-8")
    try:
        file.write_text(text.replace("max_length: 80}", "max_length: 9}\n  note:   {type: text}"), "utf-8")
        planned = cli("plan", project, "--json")
        found = json.loads(planned.out)
        assert planned.code == 1 and found["base"] == 1 and found["tenant"] == "shop"
        assert found["refused"] == {"object.bill.fields.name.max_length": "records may break the new limit"}
        assert {"kind": "add", "path": "object.bill.fields.note"} in found["changes"]
        applied = cli("apply", project, "--yes")
        assert (
            applied.code == 1 and "plan.refused" in applied.err and "object.bill.fields.name.max_length" in applied.err
        )
        file.write_text(text.replace("due:    {type: date}", "due:    {type: date}\n  note:   {type: text}"), "utf-8")
        found = json.loads(cli("plan", project, "--json").out)
        assert found["refused"] == {} and any("add column bill.note" in step for step in found["operations"])
        assert "release 2" in cli("apply", project, "-y").out
    finally:
        file.write_text(text, "utf-8")
    assert "not dropped" in cli("plan", project).out


def test_5_formulas(cli: Cli, project: Path) -> None:
    pack = project / "packs" / "shop"
    assert cli("formula", "check", "amount * 2", "--object", "bill", "--in", pack).out == "money (may be blank)\n"
    wrong = cli("formula", "check", "amuont * 2 +", "--object", "bill", "--in", pack)
    assert wrong.code == 1 and "formula:1:" in wrong.err and "^" in wrong.err
    unknown = cli("formula", "check", "amuont * 2", "--object", "bill", "--in", pack)
    assert unknown.code == 1 and "amount" in unknown.err
    assert cli("formula", "check", "1", "--object", "nothing", "--in", pack).code == 1
    explained = cli("formula", "explain", "IF(late, amount, 0)", "--object", "bill", "--in", pack).out
    assert "reads  bill.amount" in explained and "reads  bill.late" in explained and "SELECT" in explained
    listed = cli("formula", "functions").out
    assert "ROUND(" in listed and "COUNT" in listed
    assert "ROUND(" in cli("formula", "functions", "round").out and cli("formula", "functions", "nope").code == 1


def test_6_schemas_and_doctor(cli: Cli, tmp_path: Path) -> None:
    made = cli("schema", "export", tmp_path / "schemas")
    assert made.code == 0
    names = {path.name.split(".")[0] for path in (tmp_path / "schemas").iterdir()}
    assert names == {*KINDS, "import"}
    assert all(json.loads(path.read_text("utf-8"))["$schema"] for path in (tmp_path / "schemas").iterdir())
    said = cli("doctor")
    assert said.code == 0 and "system tables  current" in said.out and "PostgreSQL" in said.out and "shop" in said.out


def test_7_a_broken_pack_is_shown_in_three_formats(cli: Cli, project: Path) -> None:
    file = project / "packs" / "shop" / "objects" / "bill.yaml"
    text = file.read_text("utf-8")
    try:
        file.write_text(text.replace("due < TODAY()", "dew < TODAY()").replace("type: money", "type: mony"), "utf-8")
        plain = cli("validate", project)
        assert plain.code == 1 and "bill.yaml:" in plain.err and "^" in plain.err and "problem" in plain.err
        found = json.loads(cli("validate", project, "--format", "json").out)
        assert {"code", "severity", "message", "hint", "file", "line", "column", "length"} == set(found[0])
        assert all(entry["line"] > 0 for entry in found)
        github = cli("validate", project, "--format", "github")
        assert github.code == 1 and github.out.startswith("::error file=") and ",line=" in github.out
        for verb in (
            ["plan", project],
            ["apply", project, "--yes"],
            ["formula", "check", "1", "--object", "bill", "--in", project],
        ):
            broken = cli(*verb)
            assert broken.code == 1 and "bill.yaml:" in broken.err, verb
    finally:
        file.write_text(text, "utf-8")


def test_8_what_is_not_there_is_named(cli: Cli, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    empty = tmp_path / "empty"
    empty.mkdir()
    mapping = project / "imports" / "bills.yaml"
    cases: list[tuple[list[Any], str]] = [
        (["report", "nobody", "x"], "tenant.unknown"),
        (["data", "export", "nobody", "bill"], "tenant.unknown"),
        (["user", "list", "nobody"], "tenant.unknown"),
        (["data", "export", "shop", "nothing"], "object.unknown"),
        (["data", "export", "shop", "bill", "--where", "amuont > 1"], "query.invalid"),
        (["data", "export", "shop", "bill", "-o", gone / "x.csv"], "x.csv"),
        (["validate", gone], "gone"),
        (["validate", empty], "empty"),
        (["plan", gone], "gone does not exist"),
        (["apply", empty, "--yes"], "neither a tenant.yaml nor a pack.yaml"),
        (["data", "import", "shop", gone, project / "bills.csv"], "gone"),
        (["data", "import", "shop", mapping, gone], "import.file"),
        (["data", "import", "shop", empty, project], "holds no mapping"),
        (["new", "pack", "x", "--folder", "/dev/null/x"], "/dev/null"),
    ]
    for arguments, text in cases:
        said = cli(*arguments)
        assert said.code == 1 and text in said.err + said.out, (arguments, said)
    for name, value in (("FIELDWRIGHT_PORT", "abc"), ("FIELDWRIGHT_DATABASE_POOLER", "maybe")):
        with monkeypatch.context() as other:
            other.setenv(name, value)
            said = cli("tenant", "list")
            assert said.code == 1 and f"error: {name}: " in said.err
    for url in ("postgresql://nobody:secret@127.0.0.1:1/none", "nonsense", "postgresql://nobody@[/x"):
        with monkeypatch.context() as other:
            other.setenv("FIELDWRIGHT_DATABASE_URL", url)
            said = cli("tenant", "list")
            assert said.code == 1 and "database.unreachable" in said.err and "secret" not in said.err, said


def test_9_the_console_script_in_a_process_of_its_own(cli: Cli, cli_database: str, home: Path, tmp_path: Path) -> None:
    env = {"FIELDWRIGHT_DATABASE_URL": cli_database, "FIELDWRIGHT_HOME": str(home)}
    assert script("tenant", "list", **env).stdout.splitlines()[1].startswith("shop")
    helped = script("--help")
    assert helped.returncode == 0 and all(verb in helped.stdout for verb in VERBS)
    unreachable = script("doctor", **{**env, "FIELDWRIGHT_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"})
    assert unreachable.returncode == 1 and "database.unreachable" in unreachable.stderr
    assert "Traceback" not in unreachable.stderr
    assert script("wrong").returncode == 2
    told = script("demo", "--no-serve", "--scale", "0.01", "--seed", "3", **env)
    assert told.returncode == 0, told.stderr
    logins = [line.split() for line in told.stdout.splitlines() if "@" in line]
    assert len(logins) == 3 and "fieldwright report demo pipeline_by_stage" in told.stdout
    again = script("demo", "--no-serve", "--scale", "0.01", **env)
    assert [line.split() for line in again.stdout.splitlines() if "@" in line] == logins
    shown = script("report", "demo", "pipeline_by_stage", "--locale", "zh-CN", **env)
    assert shown.returncode == 0 and len(shown.stdout.splitlines()) > 2


async def test_a_dropped_tenant_is_gone(cli_database: str) -> None:
    assert {row["name"] for row in await sql(cli_database, "SELECT name FROM fieldwright.tenant")} == {"shop", "demo"}
    ended = script("tenant", "drop", "shop", "--yes", FIELDWRIGHT_DATABASE_URL=cli_database)
    assert ended.returncode == 0 and ended.stdout == "dropped shop\n"
    assert script("tenant", "drop", "demo", FIELDWRIGHT_DATABASE_URL=cli_database).returncode == 1
    assert script("tenant", "drop", "shop", "-y", FIELDWRIGHT_DATABASE_URL=cli_database).returncode == 1
    assert [row["name"] for row in await sql(cli_database, "SELECT name FROM fieldwright.tenant")] == ["demo"]
    assert await sql(cli_database, "SELECT 1 FROM pg_namespace WHERE nspname = 't_shop'") == []
