"""What an editor asks about a formula, as pure functions over its text and scope. They work on unfinished formulas.

`diagnose` says what is wrong and what would mend it, `complete` what may stand at a place, `hover` what the part at a
place is, `signature` which call it stands in, `names` what each written name means. Offsets count code points.
"""

from metamodel.formula.service.ask import Found, Hover, diagnose, hover, names
from metamodel.formula.service.complete import Candidate, complete
from metamodel.formula.service.fixes import Fix, fixes
from metamodel.formula.service.signature import Signature, signature
from metamodel.formula.service.situation import Described, Describer

__all__ = [
    "Candidate",
    "Described",
    "Describer",
    "Fix",
    "Found",
    "Hover",
    "Signature",
    "complete",
    "diagnose",
    "fixes",
    "hover",
    "names",
    "signature",
]
