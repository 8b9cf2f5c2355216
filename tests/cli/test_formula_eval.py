"""`fieldwright formula eval` and `explain`: over typed inputs, by the file, over a record, and without any of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli


@pytest.fixture(scope="module")
def cli_database(new_database: Callable[[], str]) -> str:
    """A database of its own: what is left in it is nobody's business."""
    return new_database()


X = '{"x": {"type": "number", "value": "2.45"}}'


def test_a_formula_over_typed_inputs(cli: Cli) -> None:
    made = cli("formula", "eval", "ROUND(x, 1)", "--given", X)
    assert made.code == 0 and json.loads(made.out) == {"type": "number", "value": "2.5"}
    assert json.loads(cli("formula", "eval", "x / 0", "--given", X).out) == {"error": "DIV0"}
    zero = cli("formula", "eval", "y + 1", "--given", '{"y": {"type": "number", "value": null}}', "--blanks", "zero")
    assert json.loads(zero.out)["value"] == "1"
    at = cli("formula", "eval", "TODAY()", "--now", "2024-01-31T23:30:00Z", "--timezone", "Asia/Shanghai")
    assert json.loads(at.out) == {"type": "date", "value": "2024-02-01"}


def test_every_part_with_its_value(cli: Cli) -> None:
    shown = cli("formula", "eval", "IF(x > 2, x / 0, 1)", "--given", X, "--parts").out.splitlines()
    told = {line.split("  ")[0].strip(): line.split()[-1] for line in shown[1:]}
    assert told["x > 2"] == "true" and told["x / 0"] == "#DIV0" == told["IF(x > 2, x / 0, 1)"] and told["x"] == "2.45"


def test_a_wrong_formula_is_shown_with_caret_and_ends_with_1(cli: Cli) -> None:
    wrong = cli("formula", "eval", "ROUNDX(x)", "--given", X)
    assert wrong.code == 1 and json.loads(wrong.out)["compile_error"]["kind"] == "unknown_function"
    assert 'did you mean "ROUND"' in wrong.err and "^^^" in wrong.err
    bad = cli("formula", "eval", "x", "--given", '{"x": {"type": "number", "value": "two"}}')
    assert bad.code == 1 and "'two' is not a decimal" in bad.err
    assert cli("formula", "eval").code == 2
    assert cli("formula", "eval", "x", "--given", "{").code == 1


def test_a_file_of_questions_is_answered_line_by_line(cli: Cli, tmp_path: Path) -> None:
    def number(value: Any) -> dict[str, Any]:
        return {"type": "number", "value": value}

    questions: list[Any] = [
        {"expr": "x / y", "inputs": {"x": number("1"), "y": number("3")}},
        {"expr": "x + 1", "inputs": {"x": number(None)}, "blanks": "zero"},
        {"expr": "1/0", "inputs": {}},
        {"expr": "y", "inputs": {}},
        {"expr": "SUM(lines[ok].n)", "inputs": {"lines": [{"ok": True, "n": 1}, {"ok": False, "n": 5}]}},
        {"expr": "NOW()", "inputs": {}, "now": "2024-03-31T02:30:00", "timezone": "Europe/Berlin"},
        {"expr": "1", "inputs": {"x": number("x")}},
    ]
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(json.dumps(q) for q in questions) + "\n\nnot json\n", encoding="utf-8")
    made = cli("formula", "eval", "--batch", file)
    answers = [json.loads(line) for line in made.out.splitlines()]
    assert made.code == 0 and len(answers) == 8
    assert [a.get("value") for a in answers[:3]] == ["0.333333333333333333", "1", None]
    assert answers[2] == {"error": "DIV0"} and answers[3]["compile_error"]["code"] == "E301"
    assert answers[4]["value"] == "1" and answers[5]["value"] == "2024-03-31T01:30:00Z"
    assert all("invalid" in answer for answer in answers[6:])


def test_no_line_costs_the_others(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    bad = [
        b'{"expr": "\xff"}', b'{"expr": "x", "inputs": {"\\ud800": 1}}', b"[" * 100_000, b'{"expr": "1", "timezone": 5}',
        b'{"expr": "1", "inputs": {"x": 1e9999999999999999999}}', b'{"expr": "1", "blanks": "none"}', b"[]",
    ]  # fmt: skip
    good = b'{"expr": "1", "inputs": null, "blanks": null, "now": null, "timezone": null}'
    file.write_bytes(b"\n".join([b'\xef\xbb\xbf{"expr": "1"}\r', *bad, b'{"expr": "\\ud800"}', good]))
    made = cli("formula", "eval", "--batch", file)
    first, *refused, wrong, last = map(json.loads, made.out.splitlines())
    assert first == last == {"type": "number", "value": "1"} and wrong["compile_error"]["kind"] == "syntax"
    assert len(refused) == len(bad) and all("invalid" in answer for answer in refused), refused
    assert made.code == 0 and not made.err
    piped = cli("formula", "eval", "--batch", "-", stdin='{"expr": "\'é\'"}\n\n{"expr": "x"}\n')
    assert piped.out.splitlines()[0] == '{"type": "text", "value": "é"}' and "E301" in piped.out.splitlines()[1]


def test_a_record_tells_why(cli: Cli, tmp_path: Path) -> None:
    assert cli("new", "pack", "kiosk", "--folder", tmp_path / "k", "--object", "sale").code == 0
    assert cli("apply", tmp_path / "k", "--yes").code == 0
    (tmp_path / "sales.csv").write_text("name,due,amount\nfirst,2024-05-02,12.50\n", encoding="utf-8")
    columns = "{name: name, due: due, amount: amount}"
    mapping = f"kind: import\nname: sales\nfile: sales.csv\nobject: sale\nmode: upsert\nkey: name\ncolumns: {columns}\n"
    (tmp_path / "sales.yaml").write_text(mapping, encoding="utf-8")
    assert cli("data", "import", "kiosk", tmp_path / "sales.yaml", tmp_path / "sales.csv").code == 0
    exported = cli("data", "export", "kiosk", "sale", "--fields", "id").out.split()
    shown = cli("formula", "eval", "amount / 0 + YEAR(due)", "--tenant", "kiosk", "--object", "sale", "--record", exported[-1])
    told = [line.split() for line in shown.out.splitlines()]
    assert shown.code == 0 and ["amount", "money", "12.5"] in told and told[-1][-1] == "#DIV0", shown
    stepped = cli("formula", "eval", "IF(late, 1, 2)", "--tenant", "kiosk", "--object", "sale", "--record", exported[-1])
    lines = [line.split() for line in stepped.out.splitlines()]
    at = lines.index(["late", "=", "due", "<", "TODAY()"])
    assert ["late", "boolean", "true"] in lines[:at] and ["due", "date", "2024-05-02"] in lines[at:], stepped
    assert cli("formula", "eval", "1", "--tenant", "kiosk", "--object", "sale", "--record", "x").code == 2
    gone = cli("formula", "eval", "1", "--tenant", "kiosk", "--object", "sale", "--record", "00000000-0000-7000-8000-000000000009")
    assert gone.code == 1 and "record.unknown" in gone.err


def test_explain_tells_class_cost_and_reads(cli: Cli, tmp_path: Path) -> None:
    assert cli("new", "pack", "stall", "--folder", tmp_path / "s", "--object", "sale").code == 0
    pack = tmp_path / "s" / "packs" / "stall"
    shown = cli("formula", "explain", "amount * (due - TODAY()) + -2 ^ 2", "--object", "sale", "--in", pack)
    lines = [line.split(maxsplit=1) for line in shown.out.splitlines()]
    assert ["class", "stable: TODAY()"] in lines and ["reads", "sale.amount"] in lines and ["reads", "today"] in lines
    assert "W101" in shown.err and "of 20000" in shown.out
    plain = cli("formula", "explain", "amount * 2", "--object", "sale", "--in", pack).out
    assert "class  immutable\n" in plain
