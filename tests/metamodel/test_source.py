"""YAML text to data and positions, and what is refused."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from metamodel import source
from metamodel.issues import Collector, Place
from metamodel.kinds.common import TextPlace
from metamodel.source import Item, parse, read


def data(text: str | bytes) -> list[object]:
    issues = Collector()
    found = parse(text if isinstance(text, bytes) else text.encode(), "f.yaml", issues)[1]
    assert not issues.issues
    return [item.plain() for item in found]


def faults(text: bytes) -> list[tuple[str, int, int]]:
    issues = Collector()
    parse(text, "f.yaml", issues)
    return [(i.code, i.where.line, i.where.column) for i in issues.issues if i.where]


def test_scalars_follow_the_narrow_core_schema() -> None:
    text = """
a: no
b: 2024-01-31
c: 012
d: 12:30:45
e: 1.50
f: -7
g: true
h: ~
i:
j: 'true'
k: 0x1F
l: 1e3
m: Yes
n: 10%
o: .5
p: null
"""
    assert data(text) == [
        {
            "a": "no", "b": "2024-01-31", "c": "012", "d": "12:30:45", "e": Decimal("1.50"), "f": -7, "g": True,
            "h": None, "i": None, "j": "true", "k": "0x1F", "l": "1e3", "m": "Yes", "n": "10%", "o": ".5", "p": None,
        }
    ]  # fmt: skip


def test_several_documents_a_byte_order_mark_and_windows_lines() -> None:
    assert data(b"\xef\xbb\xbfa: 1\r\n---\r\nb: 2\r\n---\n") == [{"a": 1}, {"b": 2}]


HOSTILE = {
    "anchor": (b"a: &x 1\nb: 2\n", ("Y105", 1, 4)),
    "alias": (b"a: 1\nb: *x\n", ("Y105", 2, 4)),
    "tag": (b"a: !!python/object/apply:os.system [x]\n", ("Y105", 1, 4)),
    "local tag": (b"a: !x 1\n", ("Y105", 1, 4)),
    "merge key": (b"a:\n  <<: {b: 1}\n", ("Y105", 2, 3)),
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", ("Y106", 3, 1)),
    "depth": (b"a: " + b"[" * 100 + b"]" * 100, ("Y107", 1, 23)),
    "block depth": (b"".join(b" " * i + b"a:\n" for i in range(100)), ("Y107", 21, 21)),
    "size": (b"a: " + b"x" * (20 << 20), ("Y102", 1, 1)),
    "invalid UTF-8": (b"a: 1\nb: \xff\n", ("Y101", 2, 4)),
    "cut UTF-8": ("a: 中".encode()[:-1], ("Y101", 1, 4)),
    "NUL": (b"a: 1\nb: x\x00y\n", ("Y103", 2, 5)),
    "escape character": (b"a: \x1b[31m\n", ("Y103", 1, 4)),
    "escaped NUL": (b'a: "x\\0"\n', ("Y103", 1, 4)),
    "next line": ("a: x\x85y\n".encode(), ("Y103", 1, 5)),
    "tab": (b"a:\n\tb: 1\n", ("Y104", 2, 1)),
    "open bracket": (b"a: [1, 2\n", ("Y104", 2, 1)),
    "two colons": (b"a: b: c\n", ("Y104", 1, 5)),
    "mapping as key": (b"? {a: 1}\n: 2\n", ("Y109", 1, 3)),
    "empty key": (b"?\n: 2\n", ("Y109", 1, 2)),
    "list document": (b"a: 1\n---\n- 1\n", ("Y111", 3, 1)),
    "long number": (b"a: " + b"9" * 5000, ("Y110", 1, 4)),
}


@pytest.mark.parametrize(("text", "fault"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_input_is_refused_at_its_place(text: bytes, fault: tuple[str, int, int]) -> None:
    assert faults(text) == [fault]


def test_billion_laughs_stops_at_the_first_anchor() -> None:
    lines = [f"{b}: &{b} [*{a},*{a},*{a}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)]
    text = 'a: &a ["lol","lol"]\n' + "".join(lines)
    assert faults(text.encode()) == [("Y105", 1, 4)]


@pytest.mark.parametrize("unit", [b"[", b"{", b"- ", b"? ", b"a: {", b"- - \n", b"---\n", b"[a,", b"'", b'"', b"|\n "])
def test_a_full_file_of_one_symbol_is_refused_quickly(unit: bytes) -> None:
    start = time.perf_counter()
    found = faults((unit * source.MAX_BYTES)[: source.MAX_BYTES])
    assert found and time.perf_counter() - start < 3


def test_too_many_nodes() -> None:
    assert [code for code, *_ in faults(b"a: [" + b"1," * source.MAX_NODES + b"]")] == ["Y108"]


def test_documents_before_a_fault_are_kept() -> None:
    issues = Collector()
    items = parse(b"a: 1\n---\nb: [\n", "f.yaml", issues)[1]
    assert [item.plain() for item in items] == [{"a": 1}] and [i.code for i in issues.issues] == ["Y104"]


def test_a_missing_file_is_an_issue(tmp_path: Path) -> None:
    issues = Collector()
    assert read(tmp_path / "none.yaml", "none.yaml", issues) == ("", [])
    assert [i.code for i in issues.issues] == ["Y112"]


SCALARS = {
    "plain": "key: amount > WRONG",
    "plain of two lines": "key: amount >\n  WRONG + 1",
    "single": "key: 'it''s WRONG'",
    "double": 'key: "a \\"b\\" \\u4e2d WRONG"',
    "double folded": 'key: "a \\\n   b\n\n   WRONG"',
    "literal": "key: |\n    first\n      second WRONG\n",
    "folded": "key: >-\n    first\n    second\n\n    WRONG\n",
    "literal with comment and indicator": "key: |2-  # note\n    x WRONG\n",
    "chinese": "key: 金额 > WRONG",
    "flow": "key: [a, {b: 'x WRONG'}]",
}


@pytest.mark.parametrize("text", SCALARS.values(), ids=SCALARS)
def test_offsets_in_a_scalar_lead_to_the_character_in_the_file(text: str) -> None:
    """`TextPlace` maps an offset in the value to the exact line and column, whatever the style of the scalar."""
    item = parse(text.encode(), "f.yaml", Collector())[1][0].child("key")
    if item and isinstance(item.value, list):
        inner = item.child(1)
        item = inner.child("b") if inner else None
    assert item is not None and isinstance(item.value, str) and item.mark is not None
    offset = item.value.index("WRONG")
    before = text[: text.index("WRONG")]
    place = TextPlace(item.mark.pieces(item.value)).place(offset, offset + 5)
    assert place == Place("f.yaml", before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1, 5)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")),
                 st.text(alphabet="ab:-?[]{}&*!|>'\"%@`#,<~ \n\t\\0x1.\ud800é中", max_size=80)
                   .map(lambda t: t.encode("utf-8", "surrogatepass"))))  # fmt: skip
def test_any_bytes_give_data_or_issues_and_never_a_traceback(raw: bytes) -> None:
    issues = Collector()
    text, items = parse(raw, "f.yaml", issues)
    lines = text.split("\n")
    for issue in issues.issues:
        assert issue.where is not None and issue.where.line <= len(lines) + 1
    for item in items:
        every_scalar_has_a_place(item)


def every_scalar_has_a_place(item: Item) -> None:
    if isinstance(item.value, dict):
        for inner in item.value.values():
            every_scalar_has_a_place(inner)
    elif isinstance(item.value, list):
        for inner in item.value:
            every_scalar_has_a_place(inner)
    elif isinstance(item.value, str) and item.mark:
        item.value.encode()
        place = TextPlace(item.mark.pieces(item.value)).place(0, len(item.value))
        assert place.line >= 1 and place.column >= 1


plain_data = st.recursive(
    st.one_of(st.booleans(), st.none(), st.integers(-(10**9), 10**9), st.text("abc 中é'\"\\#:-", max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=4), plain_data, min_size=1, max_size=3), st.booleans())
def test_what_another_writer_wrote_is_read_back(value: dict[str, object], flow: bool) -> None:
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    text = yaml.dump(value, Dumper=Plain, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    assert data(text) == [value]


def test_the_slow_parser_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: [1, {b: 'x y'}]\nc: |\n  one\n  two\nd: 1.5\n"
    fast = parse(text.encode(), "f.yaml", Collector())[1]
    monkeypatch.setattr(source, "_Loader", yaml.SafeLoader)
    slow = parse(text.encode(), "f.yaml", Collector())[1]
    assert [item.plain() for item in fast] == [item.plain() for item in slow]
    assert faults(HOSTILE["duplicate key"][0]) == [("Y106", 3, 1)]
