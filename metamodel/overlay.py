"""Documents of packs and a tenant -> one merged tree of plain data, each property with its origin.

The tree is `{settings, packs, ...}` with the kinds of `DECLARED`; each maps names to declarations without their `kind`
and `name`. Packs come in dependency order, patches of the tenant last.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from metamodel.issues import Collector, Place
from metamodel.kinds.common import TextPlace
from metamodel.names import did_you_mean
from metamodel.source import Item

DECLARED = (
    "object", "value_set", "function", "process", "conversion", "duplicate_rule", "report", "workflow", "assignment",
    "role", "seed", "calendar",
)
OPEN_COLLECTIONS = {"fields": "type", "rules": "valid_when", "stages": "category", "params": "type"}
"""Collections that a patch may extend by a whole new member, and the key that every whole member has."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document that its schema accepts (after its faulty parts were taken out)."""

    kind: str
    name: str
    item: Item

    @property
    def place(self) -> Place | None:
        """Where the name stands."""
        return place_of(self.item, ("name",))


@dataclass(slots=True)
class PackSource:
    """A pack's manifest and its declarations in file order."""

    manifest: Document
    documents: list[Document] = field(default_factory=list)


def place_of(item: Item, path: Iterable[str | int], key: bool = False) -> Place | None:
    """The place of the value (or its key) at `path`, or of the nearest thing above it."""
    for step in path:
        inner = item.child(step)
        if inner is None:
            key = True
            break
        item = inner
    mark = item.key if item.key and (key or isinstance(item.value, (dict, list))) else item.mark
    return mark.place if mark else None


def order(
    wanted: Mapping[str, Place | None],
    found: Mapping[str, PackSource],
    issues: Collector,
) -> list[PackSource]:
    """The wanted packs and what they need, each after the packs that it depends on."""
    done: dict[str, PackSource] = {}

    def visit(name: str, place: Place | None, chain: tuple[str, ...]) -> None:
        if name in done:
            return
        if name in chain:
            circle = " -> ".join((*chain[chain.index(name) :], name))
            issues.add(
                "M103",
                f"packs depend on each other in a circle: {circle}",
                place,
                "remove one of the depends",
            )
            return
        if name not in found:
            issues.add(
                "M102",
                f'the pack "{name}" is missing',
                place,
                did_you_mean(name, found) or "add its folder to the search folders",
            )
            return
        manifest = found[name].manifest.item
        for needed, wants in _entries(manifest, "depends"):
            if needed in found:
                check_version(needed, found[needed], wants, issues)
            visit(needed, wants.key.place if wants.key else None, (*chain, name))
        done[name] = found[name]

    for name, place in wanted.items():
        visit(name, place, ())
    return list(done.values())


def _entries(item: Item, key: str) -> list[tuple[str, Item]]:
    holder = item.value.get(key) if isinstance(item.value, dict) else None
    return list(holder.value.items()) if holder and isinstance(holder.value, dict) else []


def check_version(name: str, source: PackSource, wants: Item, issues: Collector) -> None:
    """An issue where the version of the pack is outside the range `wants`."""
    version = str(source.manifest.item.plain()["version"])
    if not in_range(version, str(wants.value)):
        issues.add(
            "M104",
            f'the pack "{name}" has version {version}, wanted is {wants.value}',
            wants.mark.place if wants.mark else None,
            "change the range or use another version",
        )


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}


def in_range(version: str, wanted: str) -> bool:
    """Whether `version` (`1.4.0`) lies in a range such as `>=1.0,<2`; `*` takes every version."""
    if wanted == "*":
        return True
    for part in wanted.split(","):
        part = part.strip()
        sign = part[:2] if part[:2] in _COMPARE else part[:1]
        if not _COMPARE[sign](_numbers(version), _numbers(part[len(sign) :])):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


def merge(packs: Iterable[PackSource], tenant: Document | None, issues: Collector) -> tuple[Item, set[tuple[str, str]]]:
    """The merged tree, and the (kind, name) of each declaration that a patch changed."""
    tree: dict[str, dict[str, Item]] = {kind: {} for kind in ("packs", *DECLARED)}
    for pack in packs:
        tree["packs"][pack.manifest.name] = _body(pack.manifest)
        for document in pack.documents:
            _declare(tree[document.kind], document, issues)
    patched = _patch_all(tree, tenant, issues) if tenant else set()
    settings: Item = Item({}, None)
    if tenant and isinstance(tenant.item.value, dict):
        settings = tenant.item.value.get("settings", settings)
    return Item(
        {
            "settings": settings,
            **{kind: Item(dict(items), None) for kind, items in tree.items()},
        },
        None,
    ), patched


def _body(document: Document) -> Item:
    value = document.item.value
    assert isinstance(value, dict)
    body = {key: item for key, item in value.items() if key not in ("kind", "name")}
    return Item(body, document.item.mark, value["name"].mark)


def _declare(known: dict[str, Item], document: Document, issues: Collector) -> None:
    if document.name in known:
        first = known[document.name].key
        where = f"{first.source.file}:{first.line}:{first.column}" if first else "another pack"
        issues.add(
            "M101",
            f'there is already a {document.kind} named "{document.name}"',
            document.place,
            f"the first one is at {where}; rename one, or change the first one by a patch",
        )
        return
    known[document.name] = _body(document)


def _patch_all(tree: Mapping[str, dict[str, Item]], tenant: Document, issues: Collector) -> set[tuple[str, str]]:
    patched: set[tuple[str, str]] = set()
    for kind, patches in _entries(tenant.item, "patches"):
        for name, patch in patches.value.items() if isinstance(patches.value, dict) else ():
            if name not in tree[kind]:
                issues.add(
                    "M105",
                    f'there is no {kind} "{name}" to patch',
                    patch.key.place if patch.key else None,
                    did_you_mean(name, tree[kind]) or "a new declaration belongs into a pack",
                )
                continue
            tree[kind][name] = _patch(tree[kind][name], patch, (), issues)
            patched.add((kind, name))
    return patched


def _patch(base: Item, patch: Item, path: tuple[str, ...], issues: Collector) -> Item:
    """`base` with the properties of `patch`: mappings are merged by key, everything else is replaced."""
    if not isinstance(base.value, dict) or not isinstance(patch.value, dict):
        return Item(patch.value, patch.mark, patch.key)
    merged = dict(base.value)
    for name, item in patch.value.items():
        if name in merged:
            merged[name] = _patch(merged[name], item, (*path, name), issues)
        elif path and path[-1] in OPEN_COLLECTIONS and not _whole(item, OPEN_COLLECTIONS[path[-1]]):
            issues.add(
                "M105",
                f'there is no "{name}" in {path[-1]} to patch',
                item.key.place if item.key else None,
                did_you_mean(name, base.value) or "give it whole to add a new one",
            )
        else:
            merged[name] = item
    return Item(merged, base.mark, base.key)


def _whole(item: Item, key: str) -> bool:
    return isinstance(item.value, dict) and key in item.value


def jsonable(item: Item) -> Any:
    """Plain data that JSON holds without loss: decimals become texts in exact notation."""
    if isinstance(item.value, dict):
        return {key: jsonable(value) for key, value in item.value.items()}
    if isinstance(item.value, list):
        return [jsonable(value) for value in item.value]
    return format(item.value, "f") if isinstance(item.value, Decimal) else item.value


@dataclass(frozen=True, slots=True)
class Places:
    """Where things of the merged tree stand, and what had to be left out of it.

    `broken` holds addresses (`("object", "account", "fields", "amount")`) of refused parts, `blind` says that whole
    documents could not be read: a name that leads into either is not reported as missing a second time.
    `locales` maps a file to the locales that its texts should have.
    """

    tree: Item
    broken: frozenset[tuple[str, ...]] = frozenset()
    blind: bool = False
    locales: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def value(self, *path: str | int) -> Place | None:
        """The place of the value at `path`."""
        return place_of(self.tree, path)

    def key(self, *path: str | int) -> Place | None:
        """The place of the key at `path`."""
        return place_of(self.tree, path, key=True)

    def text(self, path: tuple[str | int, ...]) -> TextPlace | None:
        """The place of the text at `path`, offset by offset."""
        item = find(self.tree, path)
        if item is None or item.mark is None:
            return None
        if isinstance(item.value, str):
            return TextPlace(item.mark.pieces(item.value))
        return TextPlace(((0, item.mark.place),))

    def gone(self, *path: str) -> bool:
        """Whether the thing at `path` may exist in a part that was refused."""
        return self.blind or any(path[: len(part)] == part for part in self.broken)


def find(item: Item, path: Iterable[str | int]) -> Item | None:
    """The item at `path`."""
    found: Item | None = item
    for step in path:
        found = found.child(step) if found else None
    return found
