"""`python -m tests.seeded`: faults put into the write door, one at a time, each of which its tests have to find.

The tree is copied, one line of it is changed, and the tests named are run there. Exit code 1 where a fault stays
unseen or its line is not there any more.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("engine", "metamodel", "tests", "tenant_configs", "examples", "docs", "pyproject.toml", "README.md")
DOORS, STAGES, RACES = "tests/http/test_doors.py", "tests/engine/test_stages.py", "tests/engine/test_concurrency.py"
SIBLINGS = "tests/engine/test_cross_record_rules.py"


@dataclass(frozen=True, slots=True)
class Fault:
    """`text` of a file becomes `wrong`; the `tests` see it."""

    what: str
    file: str
    text: str
    wrong: str
    tests: str


FAULTS = (
    Fault("moves are not judged", "engine/plan/stages.py",
          "if not self.create and self.closed and self.moving:", "if False:", DOORS),
    Fault("exit criteria hold for nothing", "engine/plan/stages.py",
          "leaving = all_of(stood, here if self.again else None, among(self.new, ahead))",
          "leaving = all_of(stood, among(self.new, ()))", STAGES),
    Fault("a stage requires only of new records", "engine/plan/stages.py",
          "if self.create or self.moving or self.again or name in self.given:", "if self.create:", DOORS),
    Fault("an old version is written over", "engine/sql/judging.py",
          'if old is not None and plan.operation != "restore":', "if False:", RACES),
    Fault("what is judged late is not judged", "engine/records/write.py", "        if plan.late:", "        if False:", SIBLINGS),
    Fault("anchors are not locked", "engine/records/anchors.py", "for anchor in plan.anchors:", "for anchor in ():", SIBLINGS),
    Fault("stored roll-ups are not recounted", "engine/records/write.py", "        if plan.upkeep:", "        if False:",
          "tests/engine/test_stored_rollups.py"),
    Fault("keys with a condition are not looked at in updates", "engine/plan/keys.py",
          '(operation == "update" and given & {*key.fields, *read})', "False", "tests/engine/test_unique_keys.py"),
    Fault("what is set once can change", "engine/plan/checks.py", "            if f.set_once:", "            if False:", DOORS),
    Fault("locks bind nobody", "engine/plan/checks.py", "if lock is None or not self.bound(lock.roles)",
          "if True or lock is None or not self.bound(lock.roles)", DOORS),
    Fault("no event is left for workflows", "engine/plan/write.py",
          "queued=obj in release.watched and not request.historical", "queued=False", DOORS),
    Fault("a repeated request is done again", "engine/http/idempotency.py", "        if row is not None:", "        if False:",
          "tests/http/test_idempotency.py"),
)  # fmt: skip


def seen(fault: Fault, folder: Path) -> bool:
    """Whether the tests fail with the fault in the copied tree. Raises ValueError where there is no such line."""
    file = folder / fault.file
    whole = file.read_text("utf-8")
    if whole.count(fault.text) != 1:
        raise ValueError(f"{fault.file} has not once: {fault.text}")
    file.write_text(whole.replace(fault.text, fault.wrong), "utf-8")
    try:
        run = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", fault.tests]
        return subprocess.run(run, cwd=folder, capture_output=True, check=False).returncode == 1
    finally:
        file.write_text(whole, "utf-8")


def main() -> int:
    """Tries all faults, and the tests without one; prints each and what became of it."""
    with tempfile.TemporaryDirectory(prefix="fieldwright-seeded-") as name:
        folder = Path(name)
        for part in COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        whole = [sys.executable, "-m", "pytest", "-q", "-n0", *dict.fromkeys(fault.tests for fault in FAULTS)]
        good = subprocess.run(whole, cwd=folder, capture_output=True, check=False).returncode == 0
        print("without a fault:", "passed" if good else "FAILED", flush=True)
        for fault in FAULTS:
            found = seen(fault, folder)
            good &= found
            print(f"{'seen' if found else 'UNSEEN'}: {fault.what}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
