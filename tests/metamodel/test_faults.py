"""Each fault of a pack: its code, its exact place, its hint; alone, and all in one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from sample_packs import MARK, issues_of, marked, write_pack

from metamodel.codes import MEANING_CODES, SCHEMA_CODES
from metamodel.issues import PackError, render
from metamodel.load import load_packs


@dataclass(frozen=True)
class Case:
    """A file with a mark where the one issue must point."""

    text: str
    code: str
    hint: str


def read_cases() -> dict[str, Case]:
    """The sections of `faults.txt` by title."""
    found: dict[str, Case] = {}
    for section in Path(__file__).with_name("faults.txt").read_text(encoding="utf-8").split("=== ")[1:]:
        head, text = section.split("\n", 1)
        title, code, hint = head.split(" | ")
        found[title] = Case(text, code, hint)
    return found


CASES = read_cases()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_one_fault_gives_one_issue_at_its_place(case: Case, tmp_path: Path) -> None:
    issues = issues_of(tmp_path, case.text)
    assert [issue.code for issue in issues] == [case.code], [str(issue) for issue in issues]
    where = issues[0].where
    assert where is not None and where.file.endswith("case.yaml")
    assert (where.line, where.column) == (marked(case.text) or (1, 1))
    assert case.hint in (issues[0].hint or "")


def test_all_faults_are_reported_in_one_run(tmp_path: Path) -> None:
    """No fault hides another one: every document that can be read is judged, and names into faulty parts are quiet."""
    files, wanted = {}, {}
    for index, (title, case) in enumerate(CASES.items()):
        if case.code in ("Y106", "S101"):
            continue  # a document that can not be read makes every unknown name doubtful, on purpose
        text = case.text
        for name in ("item", "life", "first", "flow", "all", "clerk"):
            text = rename(text, name, f"{name}{index}")
        files[f"f{index:02}.yaml"] = text
        wanted[f"f{index:02}.yaml"] = (title, case.code, marked(text) or (1, 1))
    folder = write_pack(tmp_path / "sample", files)
    with pytest.raises(PackError) as caught:
        load_packs([folder])
    found: dict[str, list[tuple[str, tuple[int, int]]]] = {}
    for issue in caught.value.issues:
        assert issue.where is not None
        found.setdefault(Path(issue.where.file).name, []).append((issue.code, (issue.where.line, issue.where.column)))
    missed = [
        (title, found.get(file)) for file, (title, *place) in wanted.items() if tuple(place) not in found.get(file, [])
    ]
    assert len(wanted) >= 30 and not missed
    places = [(i.where.file, i.where.line, i.where.column) for i in caught.value.issues if i.where]
    assert places == sorted(places)


def rename(text: str, old: str, new: str) -> str:
    """A declaration under another name, so that many cases fit into one pack."""
    for before in (
        "name: ",
        "name: " + MARK,
        "object: ",
        "to: ",
        "create: ",
        "run_as: ",
        "process: ",
        "process: " + MARK,
        "\n  ",
        "(",
        "[",
        "by: [",
    ):
        for after in ("\n", ",", "}", ":", " {"):
            text = text.replace(f"{before}{old}{after}", f"{before}{new}{after}")
    return text


def test_every_code_of_schema_and_meaning_has_a_case() -> None:
    tested_elsewhere = {"M102", "M103", "M104", "M105", "M107", "M219", "M227"}
    assert {case.code for case in CASES.values()} >= (SCHEMA_CODES.keys() | MEANING_CODES.keys()) - tested_elsewhere


def test_an_issue_is_shown_with_its_line_caret_and_hint(tmp_path: Path) -> None:
    issue = issues_of(tmp_path, CASES["unknown field in a formula"].text)[0]
    source = (tmp_path / "sample" / "case.yaml").read_text()
    shown = render(issue, {issue.where.file: source} if issue.where else {}).splitlines()
    assert shown[0].endswith("E301 " + issue.message)
    assert shown[2].index("^") == shown[1].index("nme") and "hint: " in shown[-1]
