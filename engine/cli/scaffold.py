"""The texts of `fieldwright new function`: a package with one function, its tests and a page about it."""

from __future__ import annotations

from keyword import iskeyword

PROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "{vendor}-functions"
version = "0.1.0"
description = "Formula functions of {vendor}."
requires-python = ">=3.11"
dependencies = ["fieldwright"]

[project.optional-dependencies]
test = ["pytest>=8"]

[project.entry-points."fieldwright.functions"]
"{vendor}.{name}" = "{vendor}_functions:{python}"

[tool.hatch.build.targets.wheel]
only-include = ["{vendor}_functions.py"]

[tool.pytest.ini_options]
testpaths = ["tests"]
"""

MODULE = '''\
"""Formula functions of {vendor}."""

from __future__ import annotations

from metamodel.formula import limits
from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Column, Condition, Param, Site, function, numeric
from metamodel.formula.types import PERCENT


def _of_nothing(site: Site, part: Column, whole: Column) -> Condition:
    """The error does not hold where the other argument is blank: then the call is blank."""
    return sql.all_of(sql.num(whole) == sql.whole(0), part.is_not(None))


def _size(site: Site) -> tuple[int, int]:
    """Digits before and after the point: dividing by a small number makes a large one."""
    part, whole = site.lowered
    return part.digits + whole.places, limits.SCALE


@function(
    "{vendor}.{name}",
    "{vendor}",
    Param("part", numeric()),
    Param("whole", numeric()),
    returns=PERCENT.rough(),
    errors={{"DIV0": _of_nothing}},
    nulls=True,
    copies=(1, 1),
    size=_size,
    examples=(
        "{vendor}.{name}(25, 100) = 25%",
        "{vendor}.{name}(1, 3) < 33.4%",
        "{vendor}.{name}(NULL, 100) -> NULL",
        "{vendor}.{name}(1, 0) -> #DIV0",
    ),
)
def {python}(site: Site, part: Column, whole: Column) -> Column:
    """How much of the whole the part is. A whole of 0 is an error."""
    return sql.quotient(part, whole)
'''

TESTS = '''\
"""The checks of Fieldwright over every function of this package: examples, blanks, errors, any input, indexes."""

from __future__ import annotations

from engine.testing.functions import function_checks

test_functions = function_checks("{vendor}.*")
'''

README = """\
# Formula functions of {vendor}

`{vendor}_functions.py` declares the functions; the entry points of `pyproject.toml` make them part of the language
wherever the package is installed.

```text
pip install -e ".[test]"
pytest
fieldwright formula eval '{vendor}.{name}(25, 100)'
```

The tests run on the PostgreSQL of `FIELDWRIGHT_DATABASE_URL`, or on an embedded one that they start. Another function
is another declaration, and its name in `pyproject.toml` (install the package again after that). How a function is
written is told in Fieldwright's page "Extending the formula language".
"""


def function_package(vendor: str, name: str) -> dict[str, str]:
    """The files of a package that declares the function `vendor.NAME`, by path."""
    python = name.lower()
    values = {"vendor": vendor, "name": name, "python": f"{python}_" if iskeyword(python) else python}
    files = {
        "pyproject.toml": PROJECT, "README.md": README, f"{vendor}_functions.py": MODULE,
        "tests/test_functions.py": TESTS,
    }  # fmt: skip
    return {path: text.format(**values) for path, text in files.items()}
