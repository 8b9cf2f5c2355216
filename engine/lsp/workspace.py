"""The packs and tenants of an editor's folders, read with what is not saved yet.

A project is a tenant's file with its packs, or a pack that no tenant of the folders uses. After a change only the
projects that read the changed file are read again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metamodel.editing.edits import Edit
from metamodel.editing.rename import Look, rename
from metamodel.editing.view import View, view
from metamodel.issues import Issue
from metamodel.load import MANIFEST, Surveyed, survey_packs, survey_tenant

TENANT = "tenant.yaml"
SKIPPED = frozenset({"node_modules", "__pycache__"})
Search = Callable[[Path], Sequence[Path]]
"""The folders where packs are looked for, beside the given one."""


@dataclass(slots=True)
class Project:
    """What is read together: `look` reads it, `found` and `view` are the latest state, `files` the names of the files
    that were read, as issues and places give them."""

    root: Path
    look: Look
    found: Surveyed
    view: View | None = None
    files: Mapping[Path, str] = field(default_factory=dict)
    folders: frozenset[Path] = frozenset()

    def take(self, found: Surveyed) -> None:
        """Puts a new state in the place of the old one; without a model the last view goes on."""
        self.found = found
        self.view = view(found) or self.view
        self.files = {Path(name).resolve(): name for name in found.sources}
        manifests = (d.item.mark.source.file for d in found.documents if d.kind == "pack" and d.item.mark)
        self.folders = frozenset(Path(name).resolve().parent for name in manifests)

    def shown(self, file: Path) -> str:
        """A file's name as issues and places give it."""
        return self.files.get(file, str(file))

    def reads(self, file: Path) -> bool:
        """Whether a file is read here, or would be once it exists."""
        return file == self.root or file in self.files or bool(self.folders & set(file.parents))


@dataclass(slots=True)
class Workspace:
    """The state of one editor. `texts` holds the open files; `stale` those whose change was not read yet."""

    search: Search
    roots: tuple[Path, ...] = ()
    texts: dict[Path, str] = field(default_factory=dict)
    projects: dict[Path, Project] = field(default_factory=dict)
    stale: set[Path] = field(default_factory=set)

    def open(self, roots: Iterable[Path]) -> None:
        """Finds and reads every project below the folders."""
        self.roots = tuple(root.resolve() for root in roots)
        tenants, packs = _found(self.roots)
        self.projects = {}
        self.stale.clear()
        for file in tenants:
            self._add(file, self._tenant(file))
        used = {folder for project in self.projects.values() for folder in project.folders}
        for folder in packs:
            if folder not in used:
                self._add(folder / MANIFEST, self._pack(folder))

    def _tenant(self, file: Path) -> Look:
        return lambda texts: survey_tenant(file, self.search(file.parent), texts)

    def _pack(self, folder: Path) -> Look:
        return lambda texts: survey_packs([folder], self.search(folder.parent), texts)

    def _add(self, root: Path, look: Look) -> None:
        project = Project(root, look, Surveyed((), {}))
        project.take(look(self.texts))
        self.projects[root] = project

    def change(self, file: Path, text: str | None) -> None:
        """A file has this text in the editor; None: what is saved counts."""
        if text is None:
            self.texts.pop(file, None)
        else:
            self.texts[file] = text
        self.stale.add(file)

    def refresh(self) -> None:
        """Reads again what changed since the last time."""
        changed, self.stale = self.stale, set()
        known, roots = self._known(), {root for root in self.projects if root.is_file()}
        heads = {file for file in changed if file.name in (TENANT, MANIFEST)}
        if any(file not in known or file in self.projects.keys() - roots for file in heads):
            self.open(self.roots)
            return
        for project in self.projects.values():
            if any(project.reads(file) for file in changed):
                project.take(project.look(dict(self.texts)))

    def _known(self) -> set[Path]:
        return {file for project in self.projects.values() for file in (project.root, *project.files)}

    # -- questions --

    def of(self, file: Path) -> Iterator[Project]:
        """The projects that read a file."""
        return (project for project in self.projects.values() if project.reads(file))

    def issues(self) -> dict[Path, list[tuple[Issue, str]]]:
        """Every issue once, by file, with the text that its place counts in; also files without any."""
        out: dict[Path, dict[Issue, str]] = {}
        for project in self.projects.values():
            for file in project.files:
                out.setdefault(file, {})
            for issue in project.found.issues:
                file = Path(issue.where.file).resolve() if issue.where else project.root
                text = project.found.sources.get(issue.where.file, "") if issue.where else ""
                out.setdefault(file, {}).setdefault(issue, text)
        return {file: list(found.items()) for file, found in out.items()}

    def text(self, file: Path) -> str:
        """The text of a file as it is read: from the editor or the disk, with plain line ends."""
        raw = self.texts.get(file)
        if raw is None:
            raw = file.read_text(encoding="utf-8-sig", errors="replace") if file.is_file() else ""
        return raw.replace("\r\n", "\n").replace("\r", "\n")

    def rename(self, file: Path, obj: str, field_: str, new: str) -> set[Edit]:
        """The edits of every project that reads the file of the declaration. Raises CannotRename."""
        edits: set[Edit] = set()
        for project in self.of(file):
            edits |= set(rename(project.look, obj, field_, new, dict(self.texts)).edits)
        return edits


def _found(roots: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The tenants' files and the pack folders below the roots."""
    tenants: list[Path] = []
    packs: list[Path] = []
    for root in roots:
        for base, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
            here = Path(base)
            if TENANT in names:
                tenants.append((here / TENANT).resolve())
            if MANIFEST in names:
                packs.append(here.resolve())
                folders[:] = []
    return list(dict.fromkeys(tenants)), list(dict.fromkeys(packs))


