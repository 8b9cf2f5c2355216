"""The language server as an editor uses it: a client over standard input and output, the server a process."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from metamodel.load import load_tenant
from tests.lsp.conftest import FILES, PACKS, Editor, edit

ORDER, MORE = "packs/shop/order.yaml", "packs/shop/more.yaml"


async def test_problems_appear_while_typing_and_go_again(editor: Editor) -> None:
    editor.open(ORDER)
    text = editor.text(ORDER)
    editor.change(ORDER, text.replace("'amount * 2", "'amuont * 2").replace("type: date", "type: dat"))
    found = {str(d.code): d for d in await editor.until(ORDER, "E301", "S105")}
    assert editor.covered(ORDER, found["E301"].range) == "amount", "as it is written in the file that is saved"
    assert 'unknown field "amuont"' in found["E301"].message and 'did you mean "amount"?' in found["E301"].message
    assert found["E301"].severity == types.DiagnosticSeverity.Error
    editor.change(ORDER, text.replace("'amount * 2", "'-amount ^ 2"))
    (warning,) = await editor.until(ORDER, "W101")
    assert warning.severity == types.DiagnosticSeverity.Warning
    editor.change(ORDER, text.replace("fields:", "fields"))
    await editor.until(ORDER, "Y104")
    editor.change(ORDER, text)
    assert await editor.until(ORDER) == []


async def test_a_change_of_one_file_is_a_problem_of_another(editor: Editor) -> None:
    editor.open(ORDER)
    editor.change(ORDER, editor.text(ORDER).replace("  amount: {type: money", "  amount: {type: text"))
    assert all(d.range.start.line >= 0 for d in await editor.until("tenant.yaml", "E201"))
    editor.change(ORDER, editor.text(ORDER))
    assert await editor.until("tenant.yaml") == []


@pytest.mark.parametrize(
    ("written", "first", "others"),
    [
        ("client.owner.|", "active", {"email", "team", "region"}),
        ("am|", "amount", set()),
        ("SUM(client.orders[|", "amount", {"this", "stage"}),
        ("stage = |", '"new"', {'"paid"'}),
        ("ROUND(amount, |", "amount", {"digits:"}),
        ("$user.em|", "email", set()),
        ("amount > 3 |", "AND", {"OR"}),
        ("TAX|", "taxed", {"TAXED"}),
        ("TAXED(amount, |", "amount", {"rate:"}),
    ],
)
@pytest.mark.parametrize("frame", ["  x: {{type: formula, formula: {}}}", "  x:\n    type: formula\n    formula: |\n      {}"])
async def test_completion_in_unfinished_formulas(
    editor: Editor, written: str, first: str, others: set[str], frame: str
) -> None:
    editor.open(ORDER)
    if ("[" in written or "," in written) and frame.startswith("  x: {"):
        written = f'"{written}'
    text = editor.text(ORDER).replace("  tall:\n", frame.format(written) + "\n  tall:\n")
    offset = text.index(written) + written.index("|")
    text = text.replace(written, written.replace("|", ""))
    editor.change(ORDER, text)
    found = await editor.client.text_document_completion_async(
        types.CompletionParams(**editor.within(ORDER, text, offset))
    )
    assert isinstance(found, types.CompletionList)
    labels = [item.label for item in found.items]
    assert labels[0] == first and others <= set(labels), labels[:20]


async def test_completed_text_is_a_formula_where_it_stands(editor: Editor) -> None:
    editor.open(ORDER)
    text = editor.text(ORDER).replace("'amount * 2 /* twice */'", "\"IF(stage = , 1, 2)\"")
    editor.change(ORDER, text)
    asked = editor.within(ORDER, text, text.index("stage = ,") + 8)
    found = await editor.client.text_document_completion_async(types.CompletionParams(**asked))
    assert isinstance(found, types.CompletionList)
    item = next(i for i in found.items if i.label == '"paid"')
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit.new_text == '\\"paid\\"' and item.kind == types.CompletionItemKind.EnumMember
    call = next(i for i in found.items if i.label == "UPPER")
    assert isinstance(call.text_edit, types.TextEdit) and call.text_edit.new_text == "UPPER($0)"
    assert call.insert_text_format == types.InsertTextFormat.Snippet


async def test_hover_tells_types_labels_and_what_functions_do(editor: Editor) -> None:
    async def told(name: str, marked: str) -> str:
        found = await editor.client.text_document_hover_async(types.HoverParams(**editor.at(name, marked)))
        assert found is not None and isinstance(found.contents, types.MarkupContent)
        return found.contents.value

    field = await told(ORDER, "formula: 'am|ount * 2")
    assert "purchase.amount" in field and "`money`, may be blank" in field and "Amount of the order" in field
    assert "Without tax" in field
    assert "TAXED(net, [rate])" in await told(ORDER, "tax|ed(amount)")
    assert "`decimal`" in await told(MORE, "(1 + ra|te)")
    assert "ROUND(" in await told(ORDER, "RO|UND(amount")
    assert "`money`" in await told(ORDER, "amount |* 2")
    assert "ordering.paid" in await told(ORDER, '"pa|id"')
    assert "set<purchase>" in await told(MORE, "SUM(ord|ers")
    assert "Amount of the order" in await told(ORDER, "field: am|ount")
    nothing = await editor.client.text_document_hover_async(types.HoverParams(**editor.at(ORDER, "// 😀| amount")))
    assert nothing is None


async def test_signature_of_the_call(editor: Editor) -> None:
    asked = types.SignatureHelpParams(**editor.at(ORDER, "ROUND(amount / 3, |2)"))
    editor.open(ORDER)
    await editor.client.text_document_hover_async(types.HoverParams(**editor.at(ORDER, "RO|UND")))
    found = await editor.client.text_document_signature_help_async(asked)
    assert found is not None and found.signatures[0].label.startswith("ROUND(") and found.active_parameter == 1


@pytest.mark.parametrize(
    ("name", "marked", "target", "covered"),
    [
        (ORDER, "'am|ount * 2", ORDER, "amount"),
        (ORDER, "> 3,\n         ROUND(amo|unt", ORDER, "amount"),
        (ORDER, 'stage = "pa|id"', MORE, "paid"),
        (MORE, "SUM(orders[amount > 1].am|ount)", ORDER, "amount"),
        (MORE, "SUM(ord|ers[", ORDER, "orders"),
        (ORDER, "tax|ed(amount)", MORE, "taxed"),
        (MORE, "client.reg|ion", "packs/shop/client.yaml", "region"),
        (ORDER, "process: order|ing", MORE, "ordering"),
        (ORDER, "to: cli|ent", "packs/shop/client.yaml", "client"),
        (MORE, "to: pa|id", MORE, "paid"),
        ("tenant.yaml", "am|ount < 1000", ORDER, "amount"),
    ],
)
async def test_definition(editor: Editor, name: str, marked: str, target: str, covered: str) -> None:
    found = await editor.client.text_document_definition_async(types.DefinitionParams(**editor.at(name, marked)))
    assert isinstance(found, types.Location) and found.uri == editor.uri(target)
    assert editor.covered(target, found.range) == covered


async def test_rename_changes_every_place_and_nothing_else(editor: Editor, folder: Path) -> None:
    prepared = await editor.client.text_document_prepare_rename_async(
        types.PrepareRenameParams(**editor.at(MORE, "SUM(rows.am|ount)"))
    )
    assert isinstance(prepared, types.PrepareRenamePlaceholder) and prepared.placeholder == "amount"
    assert editor.covered(MORE, prepared.range) == "amount"
    found = await editor.client.text_document_rename_async(
        types.RenameParams(**editor.at(ORDER, "field: am|ount"), new_name="value")
    )
    assert found is not None and found.changes is not None
    before = load_tenant(folder / "tenant.yaml", [folder, folder / "packs", PACKS])
    for name in (ORDER, MORE, "tenant.yaml"):
        (folder / name).write_text(_edited(editor.text(name), list(found.changes[editor.uri(name)])), encoding="utf-8")
    assert set(found.changes) == {editor.uri(name) for name in (ORDER, MORE, "tenant.yaml")}
    after = load_tenant(folder / "tenant.yaml", [folder, folder / "packs", PACKS])
    assert "value" in after.model.objects["purchase"].fields and "amount" not in after.model.objects["purchase"].fields
    assert {str(t.type) for t in before.model.typed.values()} == {str(t.type) for t in after.model.typed.values()}
    text = editor.text(ORDER)
    assert "// 😀 amount" in text and "value * 2 /* twice */" in text and "(value) < 500" in text
    assert "where: value > 0" in editor.text(MORE) and "'\"amount\"'" in editor.text(MORE)
    assert {n: len(found.changes[editor.uri(n)]) for n in (ORDER, MORE, "tenant.yaml")} == {
        ORDER: 8, MORE: 17, "tenant.yaml": 1,
    }  # fmt: skip


def _edited(text: str, edits: list[Any]) -> str:
    lines = text.split("\n")
    for edit_ in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
        line = lines[edit_.range.start.line].encode("utf-16-le")
        start, end = edit_.range.start.character * 2, edit_.range.end.character * 2
        made = line[:start] + edit_.new_text.encode("utf-16-le") + line[end:]
        lines[edit_.range.start.line] = made.decode("utf-16-le")
    return "\n".join(lines)


async def test_what_can_not_be_renamed_is_refused_with_the_reason(editor: Editor) -> None:
    async def refused(new: str, marked: str = "field: am|ount") -> str:
        asked = types.RenameParams(**editor.at(ORDER, marked), new_name=new)
        with pytest.raises(JsonRpcException) as error:
            await editor.client.text_document_rename_async(asked)
        return str(error.value)

    assert "already" in await refused("name") and "not a name" in await refused("Wrong")
    assert "reserved" in await refused("where")
    asked = types.PrepareRenameParams(**editor.at(ORDER, "ROU|ND(amount"))
    assert await editor.client.text_document_prepare_rename_async(asked) is None


async def test_formulas_are_laid_out_and_the_rest_of_the_file_stays(editor: Editor) -> None:
    asked = types.DocumentFormattingParams(
        types.TextDocumentIdentifier(editor.uri(ORDER)), types.FormattingOptions(tab_size=2, insert_spaces=True)
    )
    found = await editor.client.text_document_formatting_async(asked)
    call, block = found or []
    assert call.new_text == "TAXED(amount)" and editor.covered(ORDER, call.range) == "taxed(amount)"
    assert block.new_text == '      IF(stage = "paid" AND amount > 3, ROUND(amount / 3, 2)) // 😀 amount\n'


async def test_a_remedy_is_offered(editor: Editor) -> None:
    editor.open(ORDER)
    editor.change(ORDER, editor.text(ORDER).replace("'amount * 2", "'amuont * 2"))
    (problem,) = await editor.until(ORDER, "E301")
    actions = await editor.client.text_document_code_action_async(
        types.CodeActionParams(
            types.TextDocumentIdentifier(editor.uri(ORDER)), problem.range, types.CodeActionContext([problem])
        )
    )
    (action,) = actions or []
    assert isinstance(action, types.CodeAction) and action.title == 'change to "amount"'
    assert action.edit and action.edit.changes
    (change,) = action.edit.changes[editor.uri(ORDER)]
    assert change.new_text == "amount" and change.range == problem.range


async def test_packs_that_come_and_go_are_seen(editor: Editor, folder: Path) -> None:
    (folder / "packs/shop/pack.yaml").unlink()
    changed = types.FileEvent(editor.uri("packs/shop/pack.yaml"), types.FileChangeType.Deleted)
    editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([changed]))
    await editor.until("tenant.yaml", "M102", "M105")
    assert editor.watched == ["workspace/didChangeWatchedFiles"]
    (folder / "packs/shop/pack.yaml").write_text(FILES["packs/shop/pack.yaml"], encoding="utf-8")
    editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([changed]))
    assert await editor.until("tenant.yaml") == []
    (folder / "tenant.yaml").unlink()
    gone = types.FileEvent(editor.uri("tenant.yaml"), types.FileChangeType.Deleted)
    editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([gone]))
    editor.open(ORDER)
    editor.change(ORDER, editor.text(ORDER).replace("(amount) < 500", "(amuont) < 500"))
    await editor.until(ORDER, "E301")


async def test_it_starts_and_checks_fast_enough_to_type(tmp_path: Path) -> None:
    """By the processor time of the server alone, so that a busy machine does not matter."""
    shutil.copytree(PACKS / "demo", tmp_path / "demo")
    name = "demo/tenant.yaml"
    began = time.perf_counter()
    editor = await edit(tmp_path)
    waited = time.perf_counter() - began
    process = psutil.Process(next(p.pid for p in psutil.Process().children() if "lsp" in p.cmdline()))
    started = process.cpu_times().user
    editor.open(name)
    editor.change(name, editor.text(name).replace("currency: CNY", "currency: cny"))
    await editor.until(name, "S106", within=30)
    before = process.cpu_times().user
    editor.change(name, editor.text(name))
    began = time.perf_counter()
    await editor.until(name, within=30)
    checked = process.cpu_times().user - before
    print(f"started in {started:.2f} s ({waited:.2f} s waited), ", end="")
    print(f"checked after a keystroke in {checked:.2f} s ({time.perf_counter() - began:.2f} s waited)")
    await editor.client.shutdown_async(None)
    editor.client.exit(None)
    await editor.client.stop()
    # The first check of all 37 objects and 784 formulas after one that ended at the tenant's settings.
    assert started < 2 and checked < 1.5
