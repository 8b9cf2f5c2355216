"""What a function is, and the one table of all functions.

A function is one declaration: name, typed parameters, return rule, documentation, examples, when it is an error, and
its lowering to SQL. A plug-in makes the same object with the same decorators and names it in the entry point group
`fieldwright.functions`; its name is `vendor.NAME`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, wraps
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, Protocol, TypeAlias, get_args

from sqlalchemy.sql.elements import ColumnElement

from metamodel.formula import limits
from metamodel.formula.functions.guard import ERRORS, Guard
from metamodel.formula.scope import Scope, Where
from metamodel.formula.typed import Aggregate, Node
from metamodel.formula.types import NUMBERS, Kind, Type

ENTRY_POINTS = "fieldwright.functions"

Column: TypeAlias = ColumnElement[Any]
Condition: TypeAlias = ColumnElement[bool]
Volatility = Literal["immutable", "zoned", "stable", "relational", "change", "window", "volatile"]
EVERYWHERE: frozenset[Where] = frozenset(
    {"field", "default", "rule", "access", "query", "group", "measure", "workflow"}
)
ANY: frozenset[Kind] = frozenset()
"""As a parameter's kinds: every scalar type."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What a lowering depends on besides the row: the tenant's time zone, the collation with Unicode case mapping
    (`und-x-icu` or `pg_c_utf8`), None where the database's own is used, and what numbers of the row are at most:
    `digits` before the point, `places` after it."""

    zone: str
    case_collation: str | None = None
    digits: int = limits.FIELD_DIGITS
    places: int = limits.SCALE


@dataclass(frozen=True, slots=True)
class Lowered:
    """A lowered expression: its value, and the condition under which it is an error of the row.

    The value never raises, also where there is an error; without a guard it can never fail.
    `nulls`: where there is an error the value is NULL (a condition: not TRUE), so the guard may be left out.
    `digits` and `places` bound a number's size before and after the point; for a text `digits` bounds its length.
    """

    value: Column
    guard: Guard | None = None
    nulls: bool = False
    digits: int = limits.FIELD_DIGITS
    places: int = limits.SCALE


@dataclass(frozen=True, slots=True)
class Site:
    """A call as its lowering sees it: the environment, the typed call, and the sizes of the lowered arguments."""

    environment: Environment
    call: Node
    args: tuple[Node, ...]
    lowered: tuple[Lowered, ...] = ()


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter. `kinds` empty: any scalar. `constant`: a literal is required (`choices`: one of these texts).

    `blanks`: a blank argument does not make the call of a strict function blank (a list of holidays).
    `written`: a name that stands for itself (`ORG(currency)`); the function gets it as a literal text.
    `of`: of an aggregate's parameters one is the "set", and an expression over its "row"s is told from a plain "value".
    """

    name: str
    kinds: frozenset[Kind] = ANY
    optional: bool = False
    repeat: bool = False
    constant: bool = False
    choices: tuple[str, ...] = ()
    blanks: bool = False
    written: bool = False
    of: Literal["value", "row", "set"] = "value"


class Builder(Protocol):
    """What the checker offers to a function that types itself."""

    scope: Scope

    def call(self, name: str, *args: Node) -> Node:
        """A checked call of another function or operator."""

    def fail(self, code: str, at: Node | None, message: str, hint: str | None = None) -> Node:
        """Note a diagnostic at an argument (None: the whole call); returns the poison node."""

    def fit(self, node: Node, wanted: Type) -> Node:
        """The node, a literal turned into `wanted` where coercion allows; problems are noted."""

    def join(self, nodes: Sequence[Node]) -> tuple[tuple[Node, ...], Type]:
        """Branches brought to one type; problems are noted and give the error type."""

    def old(self, node: Node | None) -> Node:
        """The old image of a field, or of the record's id where `node` is None."""

    def record(self) -> Node:
        """The id of the record that the formula belongs to; noted and poisoned where there is none."""

    def user(self, name: Node | None) -> Node:
        """The field of the user that a literal names (None: the user himself); problems are noted."""

    def outward(self, node: Node) -> Node:
        """An expression as it is written inside a set, over the rows around it. Noted and poisoned where there is no
        row, or where it aggregates a set itself."""


Strict: TypeAlias = Callable[..., Column]
Fails: TypeAlias = Callable[..., "Condition | None"]
Lazy: TypeAlias = Callable[..., Lowered]
Resolve: TypeAlias = Callable[[Builder, "tuple[Node, ...]"], Node]
Size: TypeAlias = Callable[[Site], "tuple[int, int]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A scalar function or operator.

    `sql(site, *columns)` is the value of a strict function (a blank operand gives blank; a predicate: no match);
    `total` the same where blank operands count; `lazy(site, *lowered)` replaces both where not every argument is
    evaluated or blanks are looked at. `errors` maps a code of `guard.ERRORS` to `(site, *columns)` -> the condition
    under which the call itself is that error (None: never); `nulls` says that `sql` is NULL then.
    `resolve(builder, args)` types (or rewrites) the call where parameters can not say it. `copies`: how often an
    argument is written in the value and in the guard at most, so that the size of the SQL is known before it is made.
    `absorbs`: the SQL of a strict function may be a value although that of an argument is NULL, so that an error of an
    argument has to be looked at. `raw`: under `blanks: zero` a field that is an argument itself stays as it is, because
    the function asks for blanks.
    `uses` are examples that need a record or a user to have a value.
    """

    name: str
    group: str
    params: tuple[Param, ...]
    doc: str
    returns: Type | Callable[[tuple[Node, ...]], Type] | None = None
    sql: Strict | None = None
    total: Strict | None = None
    lazy: Lazy | None = None
    errors: Mapping[str, Fails] = field(default_factory=dict)
    resolve: Resolve | None = None
    copies: tuple[int, int] = (1, 1)
    size: Size | None = None
    nulls: bool = False
    operator: bool = False
    raw: bool = False
    absorbs: bool = False
    volatility: Volatility = "immutable"
    contexts: frozenset[Where] = EVERYWHERE
    aliases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for a declaration that can not be right, so that a plug-in fails where it is imported."""
        _verify(self.name, self.params, self.errors, self.examples)
        _among(self.name, "volatility", {self.volatility}, get_args(Volatility))
        _among(self.name, "contexts", self.contexts, EVERYWHERE)

    @property
    def least(self) -> int:
        """The smallest number of arguments."""
        return sum(not p.optional for p in self.params)

    @property
    def most(self) -> int | None:
        """The largest number of arguments, or None where the last one repeats."""
        return None if self.params and self.params[-1].repeat else len(self.params)

    def param(self, index: int) -> Param:
        """The parameter that the argument at `index` is for."""
        return self.params[min(index, len(self.params) - 1)]

    @property
    def signature(self) -> str:
        """The call as documentation shows it: `ROUND(number, [digits])`."""
        return _signature(self.name.upper() if self.operator else self.name, self.params)


@dataclass(frozen=True, slots=True)
class Over:
    """The rows of a set as the lowering of an aggregate sees them: its expressions over a row (`values`, in the order
    of its row parameters), the condition on the rows that count (None: all), and the row's id."""

    values: tuple[Column, ...]
    where: Condition | None
    id: Column

    def rows(self, aggregated: Any, *also: Condition) -> Column:
        """An SQL aggregate over the rows that count, and for which `also` holds."""
        conditions = (*(() if self.where is None else (self.where,)), *also)
        return aggregated.filter(*conditions) if conditions else aggregated  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """An aggregate over a set of rows. Its `params` are in the order they are written in: the set, expressions over
    its rows (the first of them may stand behind the set: `lines.amount`), and plain values of the row around the set.

    `sql(site, over)` is an SQL aggregate expression, `errors` as a function's, of (site, over). What makes the result
    of the aggregate `made` and of the plain values is `resolve(builder, made, values)`. `shown`: the first row
    expression is taken as its text. `whole`: the set may be the name of an object. `copies`: how often `sql` and
    `errors` together write an argument; `power`: how many numbers of a row are multiplied with each other at most.
    """

    name: str
    doc: str
    params: tuple[Param, ...]
    sql: Callable[[Site, Over], Column]
    returns: Callable[[tuple[Node, ...]], Type]
    errors: Mapping[str, Callable[[Site, Over], Condition | None]] = field(default_factory=dict)
    resolve: Callable[[Builder, Aggregate, tuple[Node, ...]], Node] | None = None
    shown: bool = False
    whole: bool = False
    copies: int = 1
    power: int = 1
    aliases: tuple[str, ...] = ()
    examples: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Raises ValueError as `Function` does."""
        _verify(self.name, self.params, self.errors, self.examples)

    @property
    def signature(self) -> str:
        """The call as documentation shows it: `PERCENTILE(set, value, p)`."""
        return _signature(self.name, self.params)


class BrokenPlugin(Exception):
    """A plug-in function is declared but can not be used; the message says why."""


FUNCTIONS: dict[str, Function] = {}
AGGREGATES: dict[str, Aggregation] = {}
_ALIASES: dict[str, str] = {}
_AGGREGATE_ALIASES: dict[str, str] = {}


def function(name: str, group: str, *params: Param, **declared: Any) -> Callable[[Strict], Function]:
    """Declare a function by its strict lowering; the docstring is its documentation."""

    def declare(sql: Strict) -> Function:
        made = Function(name=name, group=group, params=params, doc=(sql.__doc__ or "").strip(), sql=sql, **declared)
        return register(made)

    return declare


def lazy_function(name: str, group: str, *params: Param, **declared: Any) -> Callable[[Lazy], Function]:
    """Declare a function whose lowering sees guards and blanks of its arguments."""

    def declare(lazy: Lazy) -> Function:
        made = Function(name=name, group=group, params=params, doc=(lazy.__doc__ or "").strip(), lazy=lazy, **declared)
        return register(made)

    return declare


def rewritten(name: str, group: str, *params: Param, **declared: Any) -> Callable[[Resolve], Function]:
    """Declare a function that is another expression: its body returns the typed tree that stands for it."""

    def declare(resolve: Resolve) -> Function:
        doc = (resolve.__doc__ or "").strip()
        return register(Function(name=name, group=group, params=params, doc=doc, resolve=resolve, **declared))

    return declare


def _verify(name: str, params: tuple[Param, ...], errors: Mapping[str, Any], examples: tuple[str, ...]) -> None:
    if len({p.name for p in params}) < len(params):
        raise ValueError(f"two parameters of {name} have one name")
    for p in params:
        _among(name, f"kinds of {p.name}", p.kinds, get_args(Kind))
    _among(name, "errors", errors, ERRORS)
    if isinstance(examples, str):
        raise ValueError(f"the examples of {name} are a tuple of texts")


def _among(name: str, what: str, given: Collection[str], known: Collection[str]) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{what} of {name}: there is no {unknown[0]}, only {', '.join(sorted(known))}")


def _signature(name: str, params: tuple[Param, ...]) -> str:
    shown = [f"[{p.name}]" if p.optional else p.name for p in params]
    return f"{name}({', '.join(shown)}{', ...' if params and params[-1].repeat else ''})"


def aggregation(name: str, *params: Param, **declared: Any) -> Callable[[Callable[..., Column]], Aggregation]:
    """Declare an aggregate by its lowering; the docstring is its documentation."""

    def declare(sql: Callable[..., Column]) -> Aggregation:
        made = Aggregation(name=name, doc=(sql.__doc__ or "").strip(), params=params, sql=sql, **declared)
        if "." not in name:
            AGGREGATES[name] = made
            _AGGREGATE_ALIASES.update(dict.fromkeys((name, *made.aliases), name))
        return made

    return declare


def register(made: Function) -> Function:
    """Put a function into the table."""
    # A plug-in's function is found through its entry point only, so that importing it changes nothing.
    if "." not in made.name:
        for known in (made.name, *made.aliases):
            if known in _ALIASES:
                raise ValueError(f"the function {known} is declared twice")
            _ALIASES[known] = made.name
        FUNCTIONS[made.name] = made
    return made


def lookup(name: str) -> Function | None:
    """The function of that name (any case, aliases too). Raises `BrokenPlugin`."""
    if "." in name:
        found = _plugin(name.lower())
        return found if isinstance(found, Function) else None
    known = _ALIASES.get(name) or _ALIASES.get(name.upper())
    return FUNCTIONS[known] if known else None


def aggregate(name: str) -> Aggregation | None:
    """The aggregate of that name (any case, aliases too); of a broken plug-in `lookup` says why."""
    if "." in name:
        try:
            found = _plugin(name.lower())
        except BrokenPlugin:
            return None
        return found if isinstance(found, Aggregation) else None
    return AGGREGATES.get(_AGGREGATE_ALIASES.get(name.upper(), ""))


def names() -> Collection[str]:
    """Every name that may be written, operators left out."""
    scalar = {name for name, function in _ALIASES.items() if not FUNCTIONS[function].operator}
    return sorted(scalar | set(_AGGREGATE_ALIASES) | set(_declared()))


def plugins() -> Collection[str]:
    """The names of the functions that installed packages declare, in lower case."""
    return _declared().keys()


@cache
def _declared() -> dict[str, EntryPoint]:
    return {point.name.lower(): point for point in entry_points(group=ENTRY_POINTS)}


@cache
def _plugin(name: str) -> Function | Aggregation | None:
    point = _declared().get(name)
    if point is None:
        return None
    try:
        made = point.load()
    except Exception as error:  # a plug-in may fail in any way; the formula that uses it says so
        raise BrokenPlugin(f"{point.value} can not be imported: {error}") from error
    if not isinstance(made, Function | Aggregation) or made.name.lower() != name:
        raise BrokenPlugin(f"{point.value} is not the declaration of a function named {point.name}")
    return _contained(made)


def _contained(made: Function | Aggregation) -> Function | Aggregation:
    """The declaration with its Python held: whatever that raises is BrokenPlugin, and breaks one formula alone."""

    def held(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {key: held(inner) for key, inner in part.items()}
        if not callable(part):
            return part

        @wraps(part)
        def call(*args: Any) -> Any:
            try:
                return part(*args)
            except Exception as error:
                raise BrokenPlugin(f"it failed with {type(error).__name__}: {error}") from error

        return call

    return replace(made, **{part.name: held(getattr(made, part.name)) for part in fields(made)})


def numeric(*extra: Kind) -> frozenset[Kind]:
    """The number kinds and others."""
    return frozenset((*NUMBERS, *extra))
