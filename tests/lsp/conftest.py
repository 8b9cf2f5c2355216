"""An editor: a client of the protocol with the server in a process of its own, over a small folder of packs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

FILES = {
    "tenant.yaml": """\
kind: tenant
name: acme
packs: {core: "*", shop: "*"}
settings: {locales: [en]}
patches:
  object:
    purchase:
      rules:
        large: {valid_when: "amount < 1000 OR stage = 'paid'"}
""",
    "packs/shop/pack.yaml": "kind: pack\nname: shop\nversion: 1.0.0\nlanguage: 1\ndepends: {core: \">=0.1\"}\n",
    "packs/shop/client.yaml": """\
kind: object
name: client
title: name
fields:
  name: {type: text, required: true, unique: true}
  region: {type: select, options: {east: East, west: West}}
""",
    "packs/shop/order.yaml": """\
kind: object
name: purchase
title: name
fields:
  name: {type: text, required: true}
  client: {type: lookup, to: client, reverse: orders}
  stage: {type: stage, process: ordering}
  amount: {type: money, label: Amount of the order, help: Without tax}
  paid_on: {type: date}
  taxed: {type: formula, formula: taxed(amount)}
  double: {type: formula, formula: 'amount * 2 /* twice */'}
  tall:
    type: formula
    formula: |
      IF(stage = "paid" && amount > 3,
         ROUND(amount / 3, 2))  // 😀 amount
rules:
  large:
    valid_when: (amount) < 500
    field: amount
    message: Too large
indexes: {by_amount: [amount, name]}
""",
    "packs/shop/more.yaml": """\
kind: process
name: ordering
object: purchase
field: stage
start: [new]
stages:
  new: {category: open, required: ["amount"]}
  paid: {category: won, entry: {has: {valid_when: 'amount <> old.amount', message: No}}}
moves: [{from: new, to: paid, when: this.amount > 0}]
---
kind: report
name: sums
object: purchase
where: AMOUNT > 0
group_by: {region: client.region}
measures: {all: SUM(rows.amount), big: SUM(amount)}
---
kind: role
name: clerk
objects:
  client: {read: {where: "SUM(orders[amount > 1].amount) > 0"}}
  purchase: {read: {where: amount < 9, fields: {except: [amount]}}, edit: {fields: [amount]}}
---
kind: function
name: taxed
description: With tax.
params: {net: {type: money}, rate: {type: decimal, default: 0.2}}
formula: net * (1 + rate)
---
kind: workflow
name: follow
object: purchase
trigger: {on: changed, fields: [amount]}
actions:
  - set: {amount: amount + 1}
  - create: purchase
    values: {name: '"amount"', amount: amount}
""",
}
PACKS = Path(__file__).parents[2] / "tenant_configs"


@dataclass
class Editor:
    """What an editor does: it opens and changes texts, asks, and shows what it is told."""

    client: LanguageClient
    folder: Path
    diagnostics: dict[str, list[types.Diagnostic]] = field(default_factory=dict)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    versions: dict[str, int] = field(default_factory=dict)
    watched: list[str] = field(default_factory=list)

    def uri(self, name: str) -> str:
        return (self.folder / name).resolve().as_uri()

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def open(self, name: str, text: str | None = None) -> None:
        self.versions[name] = 1
        shown = self.text(name) if text is None else text
        self.client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(self.uri(name), "yaml", 1, shown))
        )

    def change(self, name: str, text: str) -> None:
        """The whole text anew."""
        self.versions[name] += 1
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self.versions[name], self.uri(name)),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    async def until(self, name: str, *codes: str, within: float = 10) -> list[types.Diagnostic]:
        """The diagnostics of a file once they have these codes."""

        async def wait() -> list[types.Diagnostic]:
            while sorted(str(d.code) for d in self.diagnostics.get(self.uri(name), [])) != sorted(codes):
                self.told.clear()
                await self.told.wait()
            return self.diagnostics.get(self.uri(name), [])

        try:
            return await asyncio.wait_for(wait(), within)
        except TimeoutError:
            raise AssertionError(f"{name}: {self.diagnostics.get(self.uri(name))}") from None

    def at(self, name: str, marked: str) -> dict[str, Any]:
        """A place: the `|` in a piece of the file's text."""
        text = self.text(name)
        return self.within(name, text, text.index(marked.replace("|", "")) + marked.index("|"))

    def within(self, name: str, text: str, offset: int) -> dict[str, Any]:
        before = text[:offset]
        units = len(before[before.rfind("\n") + 1 :].encode("utf-16-le")) // 2
        return {
            "text_document": types.TextDocumentIdentifier(self.uri(name)),
            "position": types.Position(before.count("\n"), units),
        }

    def covered(self, name: str, found: types.Range) -> str:
        """The text of a range, which counts UTF-16 units."""
        line = self.text(name).split("\n")[found.start.line].encode("utf-16-le")
        return line[found.start.character * 2 : found.end.character * 2].decode("utf-16-le")


async def edit(folder: Path) -> Editor:
    """An editor with the server on a folder."""
    client = LanguageClient("editor", "1")
    editor = Editor(client, folder)

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def published(params: types.PublishDiagnosticsParams) -> None:
        editor.diagnostics[params.uri] = list(params.diagnostics)
        editor.told.set()

    @client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def registered(params: types.RegistrationParams) -> None:
        editor.watched += [registration.method for registration in params.registrations]

    await client.start_io(sys.executable, "-m", "engine.cli.main", "lsp", cwd=Path(__file__).parents[2])
    await client.initialize_async(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(
                workspace=types.WorkspaceClientCapabilities(
                    did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
                ),
                text_document=types.TextDocumentClientCapabilities(
                    rename=types.RenameClientCapabilities(prepare_support=True),
                    completion=types.CompletionClientCapabilities(
                        completion_item=types.ClientCompletionItemOptions(snippet_support=True)
                    ),
                )
            ),
            workspace_folders=[types.WorkspaceFolder(folder.resolve().as_uri(), folder.name)],
        )
    )
    client.initialized(types.InitializedParams())
    return editor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
async def editor(folder: Path) -> AsyncIterator[Editor]:
    made = await edit(folder)
    yield made
    await made.client.shutdown_async(None)
    made.client.exit(None)
    await made.client.stop()
