"""Texts compared for duplicates: what the plan of a duplicate rule is made of. No formula can call these."""

from __future__ import annotations

from sqlalchemy import ARRAY, Boolean, Text, and_, func

from metamodel.formula.functions import sql
from metamodel.formula.functions.registry import Column, Condition, Param, Site, function
from metamodel.formula.types import BOOLEAN, TEXT, Kind

TEXTS: frozenset[Kind] = frozenset({"text"})
GRAMS = ARRAY(Text())


@function("matchtext", "text", Param("text", TEXTS), returns=TEXT, operator=True)
def matchtext(site: Site, a: Column) -> Column:
    """A text without case, width, spaces and punctuation; blank where nothing is left."""
    return func.fieldwright.match_text(sql.folded(a, site.environment.case_collation), type_=Text())


@function("matchphone", "text", Param("number", TEXTS), returns=TEXT, operator=True)
def matchphone(site: Site, a: Column) -> Column:
    """The digits of a telephone number."""
    return func.fieldwright.match_phone(a, type_=Text())


@function("trigrams", "text", Param("text", TEXTS), returns=TEXT, operator=True)
def trigrams(site: Site, a: Column) -> Column:
    """The trigrams of a text, as an index holds them."""
    return func.fieldwright.trigrams(a, type_=GRAMS)


@function(
    "alike", "text", Param("candidate", TEXTS), Param("text", TEXTS), Param("at_least", frozenset({"decimal"})),
    returns=BOOLEAN, operator=True, copies=(3, 1),
)  # fmt: skip
def alike(site: Site, candidate: Column, text: Column, least: Column) -> Condition:
    """Whether two texts share enough of their trigrams.

    A text that does has some of any trigrams of the other that are more than may be missing (the prefix filter of
    Chaudhuri, Ganti and Kaushik, A Primitive Operator for Similarity Joins, 2006): an index finds those that have some
    of the first and some of the last so many.
    """
    theirs, mine = (func.fieldwright.trigrams(word, type_=GRAMS) for word in (candidate, text))
    ends = (func.fieldwright.first_telling(mine, least), func.fieldwright.last_telling(mine, least))
    shared = [theirs.op("&&", return_type=Boolean())(part) for part in ends]
    return and_(*shared, func.fieldwright.similarity(theirs, mine) >= least)
