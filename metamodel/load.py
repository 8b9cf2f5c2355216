"""The front door: folders of YAML -> a Model, or all Issues of the run.

A pack is a folder with a `pack.yaml`; every other `.yaml` or `.yml` file below it declares things, whatever its
folder is called. Sub-folders `tests` and `demo`, hidden files and symbolic links are left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from metamodel.build.parts import text
from metamodel.build.tenant import settings
from metamodel.issues import Collector, Issue, PackError, Place
from metamodel.kinds.tenant import Tenant
from metamodel.model import Model
from metamodel.names import API_ROOTS, did_you_mean
from metamodel.overlay import (
    Document,
    PackSource,
    Places,
    check_version,
    jsonable,
    merge,
    order,
    place_of,
)
from metamodel.resolve import resolve
from metamodel.rules import RULES
from metamodel.schema_check import KINDS, Fault, check, prune
from metamodel.source import Item, parse, read
from metamodel.type_formulas import type_formulas

MANIFEST = "pack.yaml"
IGNORED_FOLDERS = frozenset({"tests", "demo"})
Texts: TypeAlias = Mapping[Path, str]
"""Texts that are not saved yet, by the resolved path of their file."""
NO_TEXTS: Texts = {}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a run gives: `data` is the merged plain data that a release stores, `sources` the text of each file."""

    tenant: Tenant
    model: Model
    data: Mapping[str, Any]
    warnings: tuple[Issue, ...]
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What is known of packs that may have errors: all `issues`, the `documents` that their schemas accept, and the
    model of what is right. Without a usable tenant's file or manifest there is no model (None)."""

    issues: tuple[Issue, ...]
    sources: Mapping[str, str]
    documents: tuple[Document, ...] = ()
    model: Model | None = None
    places: Places | None = None
    tenant: Document | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether there are warnings at most."""
        return all(issue.severity == "warning" for issue in self.issues)


def load_tenant(tenant_file: Path, search: Sequence[Path]) -> Loaded:
    """The model of a tenant. Packs are found by name in the folders `search`. Raises PackError with all issues."""
    return _loaded(survey_tenant(tenant_file, search))


def survey_tenant(tenant_file: Path, search: Sequence[Path], texts: Texts = NO_TEXTS) -> Surveyed:
    """As `load_tenant`, with errors as part of the answer; `texts` are read instead of the files of these paths."""
    run = _Run(texts=texts)
    documents = run.documents(tenant_file)
    found = [document for document in documents if document.kind == "tenant"]
    for document in documents:
        if document.kind != "tenant" or document is not found[0]:
            run.issues.add(
                "M106", f"a {document.kind} does not belong into a tenant's file", document.place, "put it into a pack"
            )
    if not found and not run.issues.errors:
        run.issues.add(
            "M106",
            "the file declares no tenant",
            Place(_shown(tenant_file), 1, 1),
            "begin it with `kind: tenant`",
        )
    if not found:
        return Surveyed(tuple(run.sorted()), run.sources)
    tenant = found[0]
    if tenant.name in API_ROOTS:
        run.issues.add(
            "M201",
            f'the name "{tenant.name}" is reserved: the API uses it itself',
            tenant.place,
            "choose another one",
        )
    wanted = tenant.item.value["packs"] if isinstance(tenant.item.value, dict) else tenant.item
    ranges = wanted.value if isinstance(wanted.value, dict) else {}
    return run.finish(tenant, dict(ranges.items()), run.packs(search))


def load_packs(folders: Sequence[Path], search: Sequence[Path] = ()) -> Loaded:
    """The model of the packs in `folders` and what they depend on, for a tenant with default settings."""
    return _loaded(survey_packs(folders, search))


def survey_packs(folders: Sequence[Path], search: Sequence[Path] = (), texts: Texts = NO_TEXTS) -> Surveyed:
    """As `load_packs`, with errors as part of the answer; `texts` are read instead of the files of these paths."""
    run = _Run(texts=texts)
    named = run.packs(folders)
    for folder in folders:
        if not any(folder in (pack.folder, pack.folder.parent) for pack in named.values()):
            run.issues.add("M102", f"the folder {_shown(folder)} holds no pack", None, f"a pack has a {MANIFEST}")
    others = run.packs(search)
    return run.finish(None, dict.fromkeys(named), {**others, **named})


def load(*folders: Path) -> Loaded:
    """The model of packs given as folders, or of a tenant given as a file together with folders of packs."""
    files = [folder for folder in folders if folder.is_file()]
    if files:
        return load_tenant(files[0], [folder for folder in folders if folder.is_dir()])
    return load_packs(folders, [folder.parent for folder in folders])


def from_data(data: Mapping[str, Any]) -> Model:
    """The model of merged plain data as `Loaded.data` holds it; what calls a function that is not installed is
    `broken` in it. Raises PackError where a formula can not be typed otherwise."""
    issues = Collector()
    model = type_formulas(resolve(data), issues, lenient=True)
    if issues.errors:
        raise PackError(issues.issues)
    return model


def _loaded(found: Surveyed) -> Loaded:
    if found.model is None or not found.right:
        raise PackError(found.issues)
    head: dict[str, Any] = jsonable(found.tenant.item) if found.tenant else {"name": "packs", "packs": {}}
    return Loaded(
        tenant=Tenant(
            name=head["name"],
            label=text(head.get("label"), head["name"]),
            packs=head["packs"],
            settings=settings(found.data["settings"]),
        ),
        model=found.model,
        data=found.data,
        warnings=found.issues,
        sources=found.sources,
    )


@dataclass(slots=True)
class _Run:
    """One run: everything that was read so far, and everything found wrong."""

    texts: Texts = field(default_factory=dict)
    issues: Collector = field(default_factory=Collector)
    sources: dict[str, str] = field(default_factory=dict)
    broken: set[tuple[str, ...]] = field(default_factory=set)
    blind: bool = False

    def documents(self, path: Path) -> list[Document]:
        """The usable documents of a file; what a schema refuses is reported and left out."""
        name = _shown(path)
        before = len(self.issues.errors)
        given = self.texts.get(path.resolve())
        self.sources[name], items = (
            read(path, name, self.issues) if given is None else parse(given.encode("utf-8"), name, self.issues)
        )
        self.blind |= len(self.issues.errors) > before
        return [document for item in items if (document := self.document(item))]

    def document(self, item: Item) -> Document | None:
        kind = item.value["kind"].value if isinstance(item.value, dict) and "kind" in item.value else None
        if not isinstance(kind, str) or kind not in KINDS:
            what = "the document has no kind" if kind is None else f'there is no kind "{kind}"'
            near = did_you_mean(kind, KINDS) if isinstance(kind, str) else None
            self.issues.add(
                "S101",
                what,
                place_of(item, ("kind",)),
                near or f"one of {', '.join(KINDS)}",
            )
            self.blind = True
            return None
        faults = check(kind, item, self.issues)
        name = item.value["name"].value if isinstance(item.value, dict) and "name" in item.value else None
        if not prune(kind, item, faults):
            self.broken.add((kind, str(name)))
            self.blind |= not isinstance(name, str)
            return None
        self.remember(kind, str(name), faults)
        return Document(kind, str(name), item)

    def remember(self, kind: str, name: str, faults: Sequence[Fault]) -> None:
        self.broken |= {(kind, name, *(str(step) for step in fault.path)) for fault in faults}

    def packs(self, search: Sequence[Path]) -> dict[str, _Found]:
        """Packs by name, each read in a run of its own: what is wrong with it matters only if the pack is used."""
        found: dict[str, _Found] = {}
        for folder in _pack_folders(search):
            apart = _Run(texts=self.texts, sources=self.sources)
            documents = apart.documents(folder / MANIFEST)
            manifest = next((document for document in documents if document.kind == "pack"), None)
            if manifest is None and not apart.issues.errors:
                place = Place(_shown(folder / MANIFEST), 1, 1)
                apart.issues.add("M106", "the file declares no pack", place, "begin it with `kind: pack`")
            name = manifest.name if manifest else folder.name
            if name in found:
                what = f'there is already a pack "{name}" in {_shown(found[name].folder)}'
                apart.issues.add("M107", what, manifest.place if manifest else None, "rename one")
                apart.issues.issues = found[name].run.issues.issues + apart.issues.issues
            others = [document for document in documents if document is not manifest]
            source = PackSource(manifest, list(apart.declared(others))) if manifest else None
            found[name] = _Found(folder, source, apart)
        return found

    def finish(
        self, tenant: Document | None, wanted: Mapping[str, Item | None], found: Mapping[str, _Found]
    ) -> Surveyed:
        known = {name: pack.source for name, pack in found.items() if pack.source}
        refused = {name for name in wanted if name in found and found[name].source is None}
        for name, item in wanted.items():
            if item and name in known:
                check_version(name, known[name], item, self.issues)
        places = {n: item.key.place if item and item.key else None for n, item in wanted.items() if n not in refused}
        ordered = order(places, known, self.issues)
        for name, pack in found.items():
            if name in refused or pack.source in ordered:
                self.issues.issues += pack.run.issues.issues
                self.broken |= pack.run.broken
                self.blind |= pack.run.blind or pack.source is None
            if pack.source is not None and pack.source in ordered:
                pack.source.documents += self.declarations(pack.folder)
        return self.model(tenant, ordered)

    def declarations(self, folder: Path) -> Iterator[Document]:
        for path in _files(folder):
            yield from self.declared(self.documents(path))

    def declared(self, documents: Sequence[Document]) -> Iterator[Document]:
        """The documents that declare something in a pack; others do not belong here."""
        for document in documents:
            if document.kind in ("pack", "tenant"):
                hint = f"a pack is declared once in {MANIFEST}, a tenant in a file of its own"
                self.issues.add("M106", f"a {document.kind} does not belong into this file", document.place, hint)
            else:
                yield document

    def model(self, tenant: Document | None, packs: Sequence[PackSource]) -> Surveyed:
        tree, patched = merge(packs, tenant, self.issues)
        self.recheck(tree, patched)
        places = Places(tree, frozenset(self.broken), self.blind, _locales(packs, tenant))
        data = jsonable(tree)
        model = type_formulas(resolve(data, places.text), self.issues, places)
        for rule in RULES:
            rule(model, places, self.issues)
        documents = [document for pack in packs for document in (pack.manifest, *pack.documents)]
        return Surveyed(
            issues=tuple(self.sorted()),
            sources=self.sources,
            documents=(*documents, *([tenant] if tenant else ())),
            model=model,
            places=places,
            tenant=tenant,
            data=data,
        )

    def recheck(self, tree: Item, patched: set[tuple[str, str]]) -> None:
        """Judges declarations again that patches changed."""
        for kind, name in sorted(patched):
            declarations = tree.value[kind].value if isinstance(tree.value, dict) else {}
            body = declarations[name] if isinstance(declarations, dict) else tree
            head = {"kind": Item(kind, body.key), "name": Item(name, body.key)}
            whole = Item(
                {**head, **(body.value if isinstance(body.value, dict) else {})},
                body.mark,
                body.key,
            )
            faults = check(kind, whole, self.issues)
            self.remember(kind, name, faults)
            if isinstance(declarations, dict) and faults:
                declarations.pop(name)
                if prune(kind, whole, faults) and isinstance(whole.value, dict):
                    kept = {key: item for key, item in whole.value.items() if key not in head}
                    declarations[name] = Item(kept, body.mark, body.key)

    def sorted(self) -> list[Issue]:
        """Every issue once, in the order of files as read, then by position; those without a place come first."""
        rank = {name: index for index, name in enumerate(self.sources)}

        def key(issue: Issue) -> tuple[int, int, int, str]:
            where = issue.where
            return (rank.get(where.file, -1), where.line, where.column, issue.code) if where else (-1, 0, 0, issue.code)

        return sorted(dict.fromkeys(self.issues.issues), key=key)


@dataclass(frozen=True, slots=True)
class _Found:
    """A pack in a folder: its source, or None where the manifest is refused, and the run that read it."""

    folder: Path
    source: PackSource | None
    run: _Run


def _pack_folders(search: Sequence[Path]) -> Iterator[Path]:
    """The folders of packs: each one of `search` itself, or its direct sub-folders."""
    seen: set[Path] = set()
    for folder in search:
        inner = sorted(folder.iterdir()) if folder.is_dir() and not (folder / MANIFEST).is_file() else []
        for candidate in (folder, *inner):
            if (candidate / MANIFEST).is_file() and candidate.resolve() not in seen:
                seen.add(candidate.resolve())
                yield candidate


def _files(folder: Path) -> Iterator[Path]:
    """The YAML files of a pack but its manifest, in the order of their paths."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in IGNORED_FOLDERS and not name.startswith("."))
        for name in sorted(names):
            path = Path(base, name)
            hidden = name.startswith(".") or path.is_symlink() or path == folder / MANIFEST
            if name.endswith((".yaml", ".yml")) and not hidden:
                yield path


def _locales(packs: Sequence[PackSource], tenant: Document | None) -> dict[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for pack in packs:
        declared = pack.manifest.item.plain().get("locales", ["en"])
        for document in (pack.manifest, *pack.documents):
            if document.item.mark:
                found[document.item.mark.source.file] = declared
    if tenant and tenant.item.mark:
        declared = tenant.item.plain().get("settings", {}).get("locales", ["en"])
        found[tenant.item.mark.source.file] = declared
    return found


def _shown(path: Path) -> str:
    """The path as people see it: relative to the working folder where it lies below it."""
    whole, here = Path(os.path.abspath(path)), Path.cwd()
    return (whole.relative_to(here) if whole.is_relative_to(here) else whole).as_posix()
