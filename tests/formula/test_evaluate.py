"""Formulas over typed inputs: values, errors with their codes, problems with their kinds, and the parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from engine.db.pool import Connection, connect
from engine.formulas.evaluate import Question, answer, evaluate
from engine.formulas.inputs import InvalidInput


def n(value: Any) -> dict[str, Any]:
    return {"type": "number", "value": value}


@pytest_asyncio.fixture
async def conn(database_url: str) -> AsyncIterator[Connection]:
    found = await connect(database_url)
    yield found
    await found.close()


VALUES: list[tuple[str, dict[str, Any], Any]] = [
    ("ROUND(x, 1)", {"x": n("2.45")}, ("number", "2.5")),
    ("x / 3", {"x": n(1)}, ("number", "0.333333333333333333")),
    ("x * 10", {"x": n("0.10")}, ("number", "1")),
    ("x + 1", {"x": n(None)}, ("number", None)),
    ("-x", {"x": n("0.0")}, ("number", "0")),
    ("x + 0.1", {"x": n("12345678901234567890123456789012345678")}, ("number", "12345678901234567890123456789012345678.1")),
    ('a & "!"', {"a": {"type": "text", "value": "é𝄞"}}, ("text", "é𝄞!")),
    ("a", {"a": {"type": "text", "value": ""}}, ("text", None)),
    ("NOT b", {"b": {"type": "bool", "value": None}}, ("bool", True)),
    ("d + 1", {"d": {"type": "date", "value": "2024-02-28"}}, ("date", "2024-02-29")),
    ("d + 1", {"d": {"type": "date", "value": "9999-12-30"}}, ("date", "9999-12-31")),
    ("m", {"m": {"type": "datetime", "value": "2024-07-01T12:00:00+02:00"}}, ("datetime", "2024-07-01T10:00:00Z")),
    ("b - a", {"a": {"type": "datetime", "value": "2024-07-01T12:00:00Z"}, "b": {"type": "datetime", "value": "2024-07-01T12:00:01.5Z"}}, ("duration", "1.5")),
    ("t", {"t": {"type": "time", "value": "14:30"}}, ("time", "14:30:00")),
    ("l", {"l": {"type": "list", "value": ["x", "y"]}}, ("list", ["x", "y"])),
    ("l", {"l": {"type": "list", "of": "number", "value": ["1.50", 2]}}, ("list", ["1.5", "2"])),
    ("SUM(lines.amount)", {"lines": [{"amount": n("1.5")}, {"amount": n(None)}, {"amount": 3}]}, ("number", "4.5")),
    ("COUNT(lines[amount > this.least])", {"least": n(2), "lines": [{"amount": n("1.5")}, {"amount": n(3)}]}, ("number", "1")),
    ("COUNT(lines)", {"lines": []}, ("number", "0")),
    ("COUNT(this.lines) + SUM(lines.amount)", {"lines": {"type": "list", "value": []}}, ("number", "0")),
    ("EXISTS(lines[amount > 1])", {"lines": {"type": "list", "value": []}}, ("bool", False)),
    ('INCLUDES(l, "a")', {"l": {"type": "list", "value": []}}, ("bool", False)),
    ('INCLUDES(l, "a")', {"l": []}, ("bool", False)),
    ('IF(INCLUDES(b, "x"), 1, COUNT(a[q > 1]))', {"a": [], "b": []}, ("number", "0")),
    ("YEAR(@9999-12-31T23:00) ", {}, ("number", "9999")),
    ("LAST(lines.label, amount)", {"lines": [{"amount": 1, "label": "a"}, {"amount": 1, "label": "b"}]}, ("text", "b")),
    ("NOT FIRST(lines[amount > 9].paid, amount)", {"lines": [{"amount": 1, "paid": True}]}, ("bool", True)),
    ("X + y", {"x": 1, "Y": 2}, ("number", "3")),
    ("NULL", {}, ("null", None)),
    # Without a type a blank fits anywhere, and so does a column that is blank in every row, or of no rows.
    ("a + 1", {"a": None}, ("number", None)),
    ("IF(a, 1, 2)", {"a": None}, ("number", "2")),
    ("a", {"a": None}, ("null", None)),
    ("SUM(l.q)", {"l": [{"q": None}, {"q": None}]}, ("number", "0")),
    ("SUM(l[stage = 'won' AND q > this.a].q)", {"l": [], "a": 1}, ("number", "0")),
    ("_ + id", {"_": 1, "id": n(2)}, ("number", "3")),
    ("SUM(lines.id)", {"lines": [{"id": 1}, {"id": 1}]}, ("number", "2")),
    ("SUM(inputs.type) + inputs2", {"inputs": [{"type": 1, "a": 1}, {"type": 2, "a": 1}], "inputs2": {"value": 1}}, ("number", "4")),
    ('COUNT(lines[type = "fee"])', {"lines": [{"type": "fee", "a": 1}, {"type": "tax", "a": 2}]}, ("number", "1")),
    ("a" * 63, {"a" * 63: 5}, ("number", "5")),
    ("SUM(x.a) + y", {"x": [{"a": n(None)}, {"a": 4}], "y": {"type": "integer", "value": "7"}}, ("number", "11")),
    ("x", {"x": [n("1"), n(None)]}, ("list", ["1", None])),
    ("LISTSIZE(x)", {"x": {"type": "list", "value": None}}, ("number", "0")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "inputs", "expected"), VALUES, ids=[f"{i}-{v[0]}" for i, v in enumerate(VALUES)])
async def test_values(conn: Connection, text: str, inputs: dict[str, Any], expected: tuple[str, Any]) -> None:
    assert await answer(conn, None, Question(text, inputs)) == {"type": expected[0], "value": expected[1]}


@pytest.mark.parametrize(
    ("text", "code"),
    [("1/0", "DIV0"), ("SQRT(-1)", "NUM"), ('VALUE("x")', "VALUE"), ("DATE(10000, 1, 1)", "DATE"),
     ("SUM(lines, 1 / amount)", "DIV0"), ("IF(1/0 = 1, SQRT(-1), 2)", "DIV0"), ("SQRT(-1) + 1/0", "NUM"),
     ("large * large", "OVERFLOW"), ("large ^ 2", "OVERFLOW"), ("1 / (small * small)", "OVERFLOW"),
     ("LISTAT(larges, 1) * large", "OVERFLOW"), ("IF(TRUE, SQRT(-1), 1/0)", "NUM"), ("1/0 = 1 OR SQRT(-1) = 1", "DIV0"), ("IFERROR(1/0, SQRT(-1))", "NUM")],
)  # fmt: skip
async def test_errors_have_codes(conn: Connection, text: str, code: str) -> None:
    rows = [{"amount": n(0)}, {"amount": n(1)}]
    inputs = {"lines": rows, "large": n("1e60"), "small": n("1e-60"), "larges": {"type": "list", "value": [n("1e60")]}}
    assert await answer(conn, None, Question(text, inputs)) == {"error": code}


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [("IF(", "E107", "syntax"), ("x +", "E109", "syntax"), ("y", "E301", "unknown_field"), ("LEN()", "E205", "arity"),
     ("MEDIAN()", "E205", "arity"), ("AND()", "E205", "arity"), ("COUNT(y)", "E301", "unknown_field"), ("COUNT(x)", "E312", "type"),
     ("NOSUCH(1)", "E303", "unknown_function"), ('x + "a"', "E201", "type"), ("(" * 120 + "1" + ")" * 120, "E602", "syntax")],
)  # fmt: skip
async def test_problems_have_kinds(conn: Connection, text: str, code: str, kind: str) -> None:
    found = (await answer(conn, None, Question(text, {"x": n(1)})))["compile_error"]
    assert (found["code"], found["kind"]) == (code, kind) and found["message"]


async def test_blanks_as_zero_leave_what_asks_for_blanks_alone(conn: Connection) -> None:
    async def zero(text: str) -> Any:
        rows = [{"amount": n(None)}, {"amount": n(4)}]
        inputs = {"x": n(None), "a": {"type": "text", "value": None}, "lines": rows}
        return (await answer(conn, None, Question(text, inputs, blanks="zero"))).get("value")

    assert await zero("x + 1") == "1"
    assert await zero("x = 0") is True
    assert await zero("ISBLANK(x)") is True
    assert await zero("BLANKVALUE(x, 5)") == "5"
    assert await zero("BLANKVALUE(x + 1, 5)") == "1"
    assert await zero("AVERAGE(lines.amount)") == "4"
    assert await zero('a & "b"') == "b"
    assert (await answer(conn, None, Question("1 / x", {"x": n(None)}, blanks="zero"))) == {"error": "DIV0"}


async def test_one_clock_and_the_zone_of_the_tenant(conn: Connection) -> None:
    moment = datetime(2024, 3, 31, 22, 30, tzinfo=UTC)
    asked = Question("TODAY()", now=moment, timezone="Europe/Berlin")
    assert (await answer(conn, None, asked))["value"] == "2024-04-01"
    assert (await answer(conn, None, Question("NOW()", now=moment)))["value"] == "2024-03-31T22:30:00Z"
    local = Question("m", {"m": {"type": "datetime", "value": "2024-10-27T02:30:00"}}, timezone="Europe/Berlin")
    assert (await answer(conn, None, local))["value"] == "2024-10-27T01:30:00Z"


async def test_every_part_tells_its_value(conn: Connection) -> None:
    text = "IF(x > 1, ROUND(x / y, 2), 0)"
    seen = await evaluate(conn, None, Question(text, {"x": n(5), "y": n(0)}), parts=True)
    told = {text[s.start : s.end]: (s.value.value, s.value.error) for s in seen}
    assert told["x > 1"] == (True, None) and told["x / y"] == (None, "DIV0") == told[text]
    assert seen[-1].start == 0 and seen[-1].end == len(text)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [({"x": n("abc")}, "x: 'abc' is not a decimal"), ({"x": n("Infinity")}, "is not a decimal"),
     ({"x": {"type": "money2", "value": 1}}, "known are"), ({"1x": n(1)}, "is not a name"),
     ({"x": {"type": "date", "value": "2024-02-30"}}, "is not a date"), ({"x": {"type": "text", "value": "a\0"}}, "is not a text"),
     ({"lines": [{"a": n(1)}, {"a": {"type": "text", "value": "b"}}]}, "in one row"),
     ({"x": 1, "X": [{"a": 1}]}, '"x" is given twice'), ({"lines": [{"a": 1, "A": 2}]}, '"a" is given twice'),
     ({"a" * 64: 1}, "is not a name: 1 to 63"), ({f"x{i}": 1 for i in range(1_001)}, "more than 1,000 inputs"),
     ({"lines": [{f"x{i}": 1 for i in range(j, j + 9)} for j in range(999)]}, "rows of lines have more than 1,000"),
     ({"x": n("1_000")}, "is not a decimal"), ({"x": n("1e100")}, "is not a decimal of at most 100 digits"),
     ({"x": n("1e-101")}, "is not a decimal"), ({"x": {"type": "integer", "value": 2**63}}, "is not an integer of 64"),
     ({"x": {"type": "text", "value": "a" * 65_537}}, "[(]65,539 characters[)] is not a text of at most 65,536"),
     ({"x": {"type": "time", "value": "10:00+02:00"}}, "is not a time such as"), ({"x": {"a": 1}}, "x is not an input"),
     ({"x": {"type": ["number"], "value": 1}}, "known are"), ({"x": [{"a": 1}, 5]}, "an item of x is not an input"),
     ({"x": {"type": "list", "value": [{"type": "number"}, "a"]}}, "'a' is not a decimal"),
     ({"lines": [{"inner": [{"a": 1}]}]}, "an item of inner is not an input"), ({"x": [["a"]]}, "list of lists"),
     ({"x": list(range(1_001))}, "more than 1,000 items"), ({"x": {"type": "list", "of": 5, "value": [1]}}, "known are")],
)  # fmt: skip
async def test_bad_inputs_are_told(conn: Connection, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        await answer(conn, None, Question("1", inputs))


async def test_an_unknown_zone_is_told(conn: Connection) -> None:
    with pytest.raises(InvalidInput, match="no time zone"):
        await answer(conn, None, Question("1", timezone="Europe/Nowhere"))


@pytest.mark.parametrize(
    ("moment", "zone"), [("9999-12-31T23:00:00+00:00", "Asia/Shanghai"), ("0001-01-01T00:00:00+14:00", "UTC")]
)
async def test_a_moment_outside_of_the_years_is_told(conn: Connection, moment: str, zone: str) -> None:
    with pytest.raises(InvalidInput, match="years 1 to 9999"):
        await answer(conn, None, Question("TODAY()", now=datetime.fromisoformat(moment), timezone=zone))
