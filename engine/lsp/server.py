"""The server: questions of the protocol become questions to the packs, and answers of the packs its messages.

Diagnostics are made a moment after the last keystroke, in a thread; completion answers from the latest state, so that
it never waits; everything else reads first what is not read yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from engine.lsp.positions import path_of, place_at, range_of, span_of, uri_of
from engine.lsp.workspace import Project, Search, Workspace
from metamodel.editing.formatting import formulas_laid_out
from metamodel.editing.rename import CannotRename, refuse
from metamodel.editing.spots import PLACEHOLDER, Spot, spot_at
from metamodel.editing.view import Name, Offered, Told, View, view
from metamodel.issues import Issue, Place

QUIET = 0.15
"""Seconds without a keystroke after which the packs are read again."""
KINDS: dict[str, types.CompletionItemKind] = {
    "field": types.CompletionItemKind.Field,
    "child": types.CompletionItemKind.Struct,
    "property": types.CompletionItemKind.Property,
    "option": types.CompletionItemKind.EnumMember,
    "function": types.CompletionItemKind.Function,
    "aggregate": types.CompletionItemKind.Function,
    "argument": types.CompletionItemKind.Variable,
    "keyword": types.CompletionItemKind.Keyword,
    "system": types.CompletionItemKind.Variable,
}
T = TypeVar("T")
log = logging.getLogger(__name__)


class PackServer(LanguageServer):
    """A server with the packs of its editor."""

    def __init__(self, search: Search) -> None:
        super().__init__("fieldwright", version("fieldwright"))
        self.packs = Workspace(search)
        self.reading = asyncio.Lock()
        self.opened = False
        self.timer: asyncio.Task[None] | None = None
        self.shown: set[Path] = set()

    @property
    def codec(self) -> Any:
        return self.workspace.position_codec

    async def fresh(self) -> None:
        """Reads what is not read yet, and tells the client what is wrong now."""
        async with self.reading:
            if not self.opened or self.packs.stale:
                try:
                    if self.opened:
                        await asyncio.to_thread(self.packs.refresh)
                    else:
                        await asyncio.to_thread(self.packs.open, _roots(self))
                        self.opened = True
                except Exception:
                    log.exception("the packs could not be read")
                    return
                self.publish()

    async def begun(self) -> None:
        """Waits for the first reading."""
        if not self.opened:
            await self.fresh()

    def publish(self) -> None:
        """Sends the diagnostics of every file that has some, or had some."""
        found = self.packs.issues()
        for file in self.shown - set(found):
            found[file] = []
        for file, issues in found.items():
            if issues or file in self.shown:
                made = [_diagnostic(self, issue, text) for issue, text in issues]
                self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri_of(file), made))
        self.shown = {file for file, issues in found.items() if issues}

    def soon(self) -> None:
        """Reads again once nothing was typed for a moment."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = asyncio.create_task(self._later())

    async def _later(self) -> None:
        await asyncio.sleep(QUIET)
        await asyncio.shield(self.fresh())


def server(search: Search) -> PackServer:
    """A server with all its features; `search` gives the folders of packs for a place."""
    made = PackServer(search)
    for method, handler, options in FEATURES:
        made.feature(method, options)(handler)
    return made


# -- documents ------------------------------------------------------------------------------------------------------


async def initialized(ls: PackServer, params: types.InitializedParams) -> None:
    ls.soon()
    workspace = ls.client_capabilities.workspace
    watched = workspace.did_change_watched_files if workspace else None
    if watched and watched.dynamic_registration:
        watchers = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher("**/*.{yaml,yml}")])
        asked = types.Registration("files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, watchers)
        await ls.client_register_capability_async(types.RegistrationParams([asked]))


async def did_open(ls: PackServer, params: types.DidOpenTextDocumentParams) -> None:
    _changed(ls, params.text_document.uri, params.text_document.text)


async def did_change(ls: PackServer, params: types.DidChangeTextDocumentParams) -> None:
    uri = params.text_document.uri
    _changed(ls, uri, ls.workspace.get_text_document(uri).source)


async def did_close(ls: PackServer, params: types.DidCloseTextDocumentParams) -> None:
    _changed(ls, params.text_document.uri, None)


async def did_save(ls: PackServer, params: types.DidSaveTextDocumentParams) -> None:
    ls.soon()


async def did_change_files(ls: PackServer, params: types.DidChangeWatchedFilesParams) -> None:
    for event in params.changes:
        path = path_of(event.uri)
        if path is not None and path not in ls.packs.texts:
            ls.packs.stale.add(path)
    ls.soon()


def _changed(ls: PackServer, uri: str, text: str | None) -> None:
    path = path_of(uri)
    if path is not None:
        ls.packs.change(path, text)
        ls.soon()


def _roots(ls: PackServer) -> Iterator[Path]:
    uris = list(ls.workspace.folders) or ([ls.workspace.root_uri] if ls.workspace.root_uri else [])
    yield from (path for uri in uris if (path := path_of(uri)) is not None and path.is_dir())


def _diagnostic(ls: PackServer, issue: Issue, text: str) -> types.Diagnostic:
    place = issue.where or Place("", 1, 1)
    message = f"{issue.message}\n{issue.hint}" if issue.hint else issue.message
    severities = {"error": types.DiagnosticSeverity.Error, "warning": types.DiagnosticSeverity.Warning}
    return types.Diagnostic(
        range_of(ls.codec, text.split("\n"), place), message, severities[issue.severity], issue.code,
        source="fieldwright",
    )  # fmt: skip


# -- places ---------------------------------------------------------------------------------------------------------


def _asked(
    ls: PackServer, uri: str, position: types.Position
) -> Iterator[tuple[Project, View, Spot, tuple[int, int], list[str]]]:
    """What stands at a position, for each project that reads the file."""
    file = path_of(uri)
    if file is None:
        return
    text = ls.packs.text(file)
    lines = text.split("\n")
    line, column = place_at(ls.codec, lines, position)
    for project in ls.packs.of(file):
        spot = spot_at(text, project.shown(file), line, column)
        if spot is not None and project.view is not None:
            yield project, project.view, spot, (line, column), lines


def _named(ls: PackServer, uri: str, position: types.Position) -> tuple[Project, View, Name, list[str]] | None:
    for project, seen, spot, at, lines in _asked(ls, uri, position):
        if (name := seen.name(spot, *at)) is not None:
            return project, seen, name, lines
    return None


def _location(ls: PackServer, project: Project, place: Place) -> types.Location:
    lines = project.found.sources.get(place.file, "").split("\n")
    return types.Location(uri_of(Path(place.file).resolve()), range_of(ls.codec, lines, place))


# -- questions ------------------------------------------------------------------------------------------------------


async def complete(ls: PackServer, params: types.CompletionParams) -> types.CompletionList:
    uri, position = params.text_document.uri, params.position
    await ls.begun()
    for project, seen, spot, at, lines in _asked(ls, uri, position):
        if seen.scope(spot) is None and not spot.key:
            seen = await asyncio.to_thread(_with_placeholder, ls, project, spot, seen)
        items = [_item(ls, lines, n, offered) for n, offered in enumerate(seen.complete(spot, *at))]
        if items:
            return types.CompletionList(is_incomplete=False, items=items)
    return types.CompletionList(is_incomplete=False, items=[])


def _with_placeholder(ls: PackServer, project: Project, spot: Spot, seen: View) -> View:
    """The packs as they would be with a formula at a spot, where what stands there hides that it is one."""
    source = spot.mark.source
    start, end = (spot.mark.start, spot.mark.end) if spot.item.value is not None else (spot.mark.end, spot.mark.end)
    text = f"{source.text[:start]} {PLACEHOLDER}{source.text[end:]}"
    return view(project.look({**ls.packs.texts, Path(source.file).resolve(): text})) or seen


def _item(ls: PackServer, lines: list[str], index: int, offered: Offered) -> types.CompletionItem:
    found, text = offered.candidate, offered.text
    snippets = ls.client_capabilities.text_document
    wanted = snippets and snippets.completion and snippets.completion.completion_item
    inside = found.inside > 0 and bool(wanted and wanted.snippet_support)
    if inside:
        text = text.replace("\\", "\\\\").replace("$", "\\$").replace("}", "\\}")
        text = f"{text[: -found.inside]}$0{text[-found.inside :]}"
    return types.CompletionItem(
        label=found.label,
        kind=KINDS[found.sort],
        detail=found.detail or None,
        documentation=types.MarkupContent(types.MarkupKind.PlainText, found.doc) if found.doc else None,
        sort_text=f"{index:04}",
        filter_text=found.text.strip("\"'"),
        insert_text_format=types.InsertTextFormat.Snippet if inside else types.InsertTextFormat.PlainText,
        text_edit=types.TextEdit(range_of(ls.codec, lines, offered.at), text),
    )


async def signature(ls: PackServer, params: types.SignatureHelpParams) -> types.SignatureHelp | None:
    await ls.begun()
    for _, seen, spot, at, _ in _asked(ls, params.text_document.uri, params.position):
        found = seen.signature(spot, *at)
        if found is not None:
            shown = [types.ParameterInformation(label=span) for span in found.parameters]
            return types.SignatureHelp(
                [types.SignatureInformation(found.label, found.doc, shown)], active_signature=0,
                active_parameter=len(shown) if found.active is None else found.active,
            )  # fmt: skip
    return None


async def hover(ls: PackServer, params: types.HoverParams) -> types.Hover | None:
    await ls.fresh()
    for _, seen, spot, at, lines in _asked(ls, params.text_document.uri, params.position):
        told = seen.tell(spot, *at)
        if told is not None:
            return types.Hover(_markdown(told), range_of(ls.codec, lines, told.at))
    return None


def _markdown(told: Told) -> types.MarkupContent:
    head = f"**{told.title}**"
    if told.type is not None:
        head += f" `{told.type}`{', may be blank' if told.type.nullable else ''}"
    parts = [head, *told.lines]
    if told.examples:
        parts.append("```\n" + "\n".join(told.examples) + "\n```")
    return types.MarkupContent(types.MarkupKind.Markdown, "\n\n".join(parts))


async def definition(ls: PackServer, params: types.DefinitionParams) -> types.Location | None:
    await ls.fresh()
    found = _named(ls, params.text_document.uri, params.position)
    place = found[1].definition(found[2]) if found else None
    return _location(ls, found[0], place) if found and place else None


async def prepare_rename(
    ls: PackServer, params: types.PrepareRenameParams
) -> types.PrepareRenamePlaceholder | None:
    await ls.fresh()
    found = _named(ls, params.text_document.uri, params.position)
    if found is None or found[2].kind != "field":
        return None
    _, seen, name, lines = found
    _refused(lambda: refuse(seen.model, name.owner, name.name))
    return types.PrepareRenamePlaceholder(range_of(ls.codec, lines, name.at), name.name)


async def rename(ls: PackServer, params: types.RenameParams) -> types.WorkspaceEdit | None:
    await ls.fresh()
    found = _named(ls, params.text_document.uri, params.position)
    if found is None or found[2].kind != "field":
        return None
    project, seen, name, _ = found
    place = seen.definition(name)
    file = Path(place.file).resolve() if place else project.root
    edits = _refused(lambda: ls.packs.rename(file, name.owner, name.name, params.new_name))
    changes: dict[str, list[types.TextEdit]] = {}
    for edit in sorted(edits):
        path = Path(edit.place.file).resolve()
        lines = ls.packs.text(path).split("\n")
        changes.setdefault(uri_of(path), []).append(types.TextEdit(range_of(ls.codec, lines, edit.place), edit.text))
    return types.WorkspaceEdit(changes=changes)


def _refused(made: Callable[[], T]) -> T:
    try:
        return made()
    except CannotRename as error:
        faults = [f"{i.where.file}:{i.where.line}: {i.message}" if i.where else i.message for i in error.issues[:3]]
        raise JsonRpcInvalidParams(message="\n".join((str(error), *faults))) from None


async def formatting(ls: PackServer, params: types.DocumentFormattingParams) -> list[types.TextEdit]:
    await ls.fresh()
    file = path_of(params.text_document.uri)
    if file is None:
        return []
    text = ls.packs.text(file)
    for project in ls.packs.of(file):
        if project.view is not None:
            made = formulas_laid_out(text, project.shown(file), project.view)
            return [types.TextEdit(span_of(ls.codec, text, r.start, r.end), r.text) for r in made]
    return []


async def code_actions(ls: PackServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    """The remedies of the formula problems at a place."""
    await ls.fresh()
    out: list[types.CodeAction] = []
    uri = params.text_document.uri
    for diagnostic in params.context.diagnostics:
        for _, seen, spot, at, lines in _asked(ls, uri, diagnostic.range.start):
            for title, place, text in seen.remedies(spot, str(diagnostic.code), *at):
                edit = types.TextEdit(range_of(ls.codec, lines, place), text)
                out.append(
                    types.CodeAction(
                        title, types.CodeActionKind.QuickFix, [diagnostic], edit=types.WorkspaceEdit({uri: [edit]})
                    )
                )
            break
    return out


FEATURES: tuple[tuple[str, Callable[..., Any], Any], ...] = (
    (types.INITIALIZED, initialized, None),
    (types.TEXT_DOCUMENT_DID_OPEN, did_open, None),
    (types.TEXT_DOCUMENT_DID_CHANGE, did_change, None),
    (types.TEXT_DOCUMENT_DID_CLOSE, did_close, None),
    (types.TEXT_DOCUMENT_DID_SAVE, did_save, None),
    (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, did_change_files, None),
    (
        types.TEXT_DOCUMENT_COMPLETION,
        complete,
        types.CompletionOptions(trigger_characters=[".", '"', "'", "$", "(", "["]),
    ),
    (
        types.TEXT_DOCUMENT_SIGNATURE_HELP,
        signature,
        types.SignatureHelpOptions(trigger_characters=["(", ","], retrigger_characters=[","]),
    ),
    (types.TEXT_DOCUMENT_HOVER, hover, None),
    (types.TEXT_DOCUMENT_DEFINITION, definition, None),
    (types.TEXT_DOCUMENT_PREPARE_RENAME, prepare_rename, None),
    (types.TEXT_DOCUMENT_RENAME, rename, None),
    (types.TEXT_DOCUMENT_FORMATTING, formatting, None),
    (
        types.TEXT_DOCUMENT_CODE_ACTION,
        code_actions,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    ),
)
