"""`python -m tests.reference [PAIRS [SEED]]`: compare SQL with the specification, a million pairs unless said otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    given = dict(zip(("FIELDWRIGHT_PAIRS", "FIELDWRIGHT_SEED"), sys.argv[1:], strict=False))
    os.environ.update({"FIELDWRIGHT_PAIRS": "1000000", **given})
    here = Path(__file__).parent / "formula" / "test_against_sql.py"
    sys.exit(pytest.main(["-q", "--durations=10", str(here)]))
