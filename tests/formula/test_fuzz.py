"""Fuzz: what parser and checker are given may be anything; they answer with diagnostics, never crash, never hang.

`FIELDWRIGHT_FUZZ` says how many inputs (20,000 unless set), `FIELDWRIGHT_SEED` draws others. A million took
16 minutes of CPU: `FIELDWRIGHT_FUZZ=1000000 pytest tests/formula/test_fuzz.py`.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable

import pytest

from metamodel.formula import format as layout
from metamodel.formula.ast import FormulaError
from metamodel.formula.check import check
from metamodel.formula.functions.registry import AGGREGATES, FUNCTIONS, names
from metamodel.formula.parse import parse
from tests.formula.shapes import MEASURE, QUERY
from tests.reference.formula import strategies, world

INPUTS = int(os.environ.get("FIELDWRIGHT_FUZZ", "20000"))
SEED = int(os.environ.get("FIELDWRIGHT_SEED", "1"))
SLOW = 1.0
"""Seconds that one input may take."""

FIELDS = (*world.OBJECTS["project"].fields, *"lines this old rows $user nowhere price client.region".split())
TOKENS = (
    *("+ - * / ^ & = == <> != < <= > >= ( ) [ ] , : . % ! && || AND OR NOT IN TRUE FALSE NULL TRUE( ) { } ; @ $ # \\ ' \"").split(),
    *("1 0 12.5 .5 1e3 1e40 1e999 10% 99999999999999999999999999999999999999999 @2024-02-30 @2024-02-29 @14:30".split()),
    *("@2024-01-31T14:30:00Z 30days 1month 2.5months '' \"a\" \"\" \"\\u00e9\" \"\\q\" // /* */ old. this. $user. “ ” （ ，".split()),
    *FIELDS,
)
EXAMPLES = tuple(
    example.partition(" -> ")[0] for found in (*FUNCTIONS.values(), *AGGREGATES.values()) for example in found.examples
)
KINDS = tuple(strategies.KINDS)


def valid(chance: random.Random, kind: str, depth: int) -> str:
    """A formula that is probably right."""
    templates = strategies.usable(kind)
    if depth <= 0 or chance.random() < 0.2:
        return chance.choice(strategies.LEAVES["project"][kind])

    def fill(place: re.Match[str]) -> str:
        scope, name = place[1] or "project", place[2]
        if name not in strategies.KINDS:
            return chance.choice(strategies.SMALL[name])
        if scope == "line":
            return chance.choice(strategies.LEAVES[scope][name])
        return valid(chance, name, depth - 1)

    return strategies.PLACE.sub(fill, chance.choice(templates))


def _written(chance: random.Random) -> str:
    return valid(chance, chance.choice(KINDS), 3) if chance.random() < 0.7 else chance.choice(EXAMPLES)


def mutated(chance: random.Random) -> str:
    """A valid formula with some of its tokens dropped, doubled, exchanged or replaced."""
    parts = re.findall(r'"[^"]*"|@?[\w.:$]+|\s+|.', _written(chance))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(parts))
        parts[at : at + 1] = chance.choice(
            (
                [],
                [parts[at]] * 2,
                [chance.choice(TOKENS)],
                [parts[at], chance.choice(TOKENS)],
                [parts[chance.randrange(len(parts))]],
                [parts[at][: len(parts[at]) // 2]],
            )
        ) or [""]
    return "".join(parts)


def soup(chance: random.Random) -> str:
    """Tokens in any order."""
    words = (*TOKENS, *(f"{name}(" for name in chance.sample(names(), 8)))
    return chance.choice((" ", "")).join(chance.choice(words) for _ in range(chance.randint(0, 25)))


def noise(chance: random.Random) -> str:
    """Any characters, halves of surrogate pairs too."""
    high = chance.choice((0x7F, 0xFF, 0xFFFF, 0x10FFFF))
    return "".join(chr(chance.randint(0, high)) for _ in range(chance.randint(0, 40)))


def nested(chance: random.Random) -> str:
    """Deep or long: brackets, signs, calls, lists, chains, numbers and texts."""
    n = chance.choice((3, 50, 99, 100, 101, 500, 3_000))
    inner = valid(chance, chance.choice(KINDS), 1)
    return chance.choice(
        (
            "(" * n + inner + ")" * n,
            "(" * n + inner,
            "-" * n + inner,
            "NOT " * n + "active",
            "ABS(" * n + "1" + ")" * n,
            "IF(active, " * n + "1" + ")" * n,
            "[" * n + "1" + "]" * n,
            " + ".join(["factor"] * n),
            " & ".join([inner] * (n // 10 + 1)),
            " OR ".join(["active"] * n),
            "^".join(["2"] * n),
            "1" * n,
            "0." + "1" * n,
            f"1e{n}",
            f'"{"a" * n}"',
            f'"{"x" * n}',
            "stage IN (" + ", ".join(['"won"'] * n) + ")",
            ".".join(["client"] * n),
            "SUM(" + ", ".join(["1"] * n) + ")",
            "/*" * n,
            "1%" + "%" * n,
            "lines[" * n + "price > 0" + "]" * n,
            f"@{n}-01-01",
            f"{n}days" * 3,
            "@2024-01-01 + " + "9" * min(n, 60) + "days",
        )
    )


MAKERS: tuple[tuple[Callable[[random.Random], str], float], ...] = (
    (_written, 0.15),
    (mutated, 0.5),
    (soup, 0.2),
    (noise, 0.1),
    (nested, 0.05),
)


def read(text: str) -> bool:
    """Parse, check and write a formula; whether it is typed. Only `FormulaError` may come out of the parser."""
    try:
        tree = parse(text)
    except FormulaError as error:
        assert error.diagnostics, text
        for found in error.diagnostics:
            assert 0 <= found.start <= found.end <= len(text), (text, found)
        return False
    typed = False
    for scope in (world.SCOPE, QUERY, MEASURE):
        found_all = check(tree, scope, lift_literals=scope is QUERY, blanks="zero" if scope is MEASURE else "blank")
        assert (found_all.tree is None) == any(not d.warning for d in found_all.diagnostics), text
        for each in found_all.diagnostics:
            assert 0 <= each.start <= each.end <= len(text), (text, each)
        typed |= found_all.tree is not None
    # Names are written in their own case, so it is the second writing that must change nothing.
    written = layout.text(tree)
    assert layout.text(parse(written)) == written, text
    return typed


@pytest.mark.parametrize(("make", "share"), MAKERS, ids=[make.__name__.strip("_") for make, _ in MAKERS])
def test_anything_is_answered(make: Callable[[random.Random], str], share: float) -> None:
    chance = random.Random(f"{SEED} {make.__name__}")
    slowest, at, typed = 0.0, "", 0
    for _ in range(round(INPUTS * share)):
        text = make(chance)
        begun = time.process_time()
        try:
            typed += read(text)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{text!r}") from error
        if (took := time.process_time() - begun) > slowest:
            slowest, at = took, text
    assert slowest < SLOW, (slowest, at)
    assert typed > 0 or make is noise


def test_most_valid_formulas_are_typed() -> None:
    """The fuzz reaches the checker, not only the parser."""
    chance = random.Random(SEED)
    assert sum(read(_written(chance)) for _ in range(200)) > 150
