"""Characters and their numbers, texts written for URLs and HTML, digests."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, Numeric, Text, Uuid, case, cast, func, or_
from sqlalchemy.dialects.postgresql import BIT

from metamodel.formula.functions import sql
from metamodel.formula.functions.number import whole
from metamodel.formula.functions.registry import Column, Condition, Param, Site, function
from metamodel.formula.functions.text import T, grows, replaced, same_blanks, too_long
from metamodel.formula.types import INTEGER, TEXT

LAST = 0x10FFFF
SURROGATES = sql.whole(0xD800), sql.whole(0xDFFF)


def _no_character(site: Site, code: Column) -> Condition:
    return or_(code < sql.whole(1), code > sql.whole(LAST), code.between(*SURROGATES))


@function(
    "CHAR",
    "text",
    Param("code", frozenset({"integer"})),
    returns=same_blanks,
    errors={"NUM": _no_character},
    size=lambda site: (1, 0),
    aliases=("UNICHAR",),
    examples=('CHAR(65) = "A"', 'CHAR(128512) = "😀"', "CHAR(0) -> #NUM", "CHAR(55296) -> #NUM"),
    copies=(6, 4),
)
def char(site: Site, code: Column) -> Column:
    """The character with that Unicode number; an error where there is none."""
    found = sql.small_int(code, 1, LAST)
    return func.chr(case((found.between(*SURROGATES), sql.whole(1)), else_=found), type_=Text())


@function(
    "CODE",
    "text",
    T,
    returns=INTEGER,
    aliases=("UNICODE",),
    examples=('CODE("Abc") = 65', 'CODE("😀") = 128512', "CODE(NULL) -> NULL"),
)
def code(site: Site, text: Column) -> Column:
    """The Unicode number of the first character."""
    return func.ascii(text, type_=Integer())


def _url(site: Site, text: Column) -> Column:
    return func.fieldwright.text_url(text, type_=Text())


@function(
    "URLENCODE",
    "text",
    T,
    returns=same_blanks,
    errors={"LIMIT": too_long(_url, 12)},
    size=grows(12),
    copies=(1, 2),
    examples=('URLENCODE("a b&c/é") = "a%20b%26c%2F%C3%A9"', 'URLENCODE("a-b_c.d~e") = "a-b_c.d~e"'),
)
def urlencode(site: Site, text: Column) -> Column:
    """Written as a part of a URL: all but letters, digits and `- . _ ~` percent-encoded (RFC 3986)."""
    return _url(site, text)


ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"))


def _html(site: Site, text: Column) -> Column:
    for plain, entity in ENTITIES:
        text = replaced(text, sql.text(plain), sql.text(entity))
    return text


@function(
    "HTMLENCODE",
    "text",
    T,
    returns=same_blanks,
    errors={"LIMIT": too_long(_html, 6)},
    size=grows(6),
    copies=(1, 2),
    examples=('HTMLENCODE("<a & b>") = "&lt;a &amp; b&gt;"',),
)
def htmlencode(site: Site, text: Column) -> Column:
    """Written as text in HTML: the characters `& < > " '` as entities."""
    return _html(site, text)


# -- digests --------------------------------------------------------------------------------------------------------


def _digest(text: Column) -> Column:
    """SHA-256 of the UTF-8 form, in hexadecimal digits. (convert_to would not be immutable.)"""
    doubled = replaced(text, sql.text("\\"), sql.text("\\\\"))
    raw = func.decode(doubled, sql.text("escape"), type_=LargeBinary())
    return func.encode(func.sha256(raw), sql.text("hex"), type_=Text())


@function(
    "MD5",
    "text",
    T,
    returns=same_blanks,
    size=lambda site: (32, 0),
    examples=('MD5("abc") = "900150983cd24fb0d6963f7d28e17f72"',),
)
def md5(site: Site, text: Column) -> Column:
    """The MD5 digest (RFC 1321) of the text's UTF-8 form, as 32 hexadecimal digits. Not for secrets."""
    return func.md5(text, type_=Text())


@function(
    "SHA256",
    "text",
    T,
    returns=same_blanks,
    size=lambda site: (64, 0),
    examples=('LEFT(SHA256("abc"), 8) = "ba7816bf"', "SHA256(NULL) -> NULL"),
)
def sha256(site: Site, text: Column) -> Column:
    """The SHA-256 digest (FIPS 180-4) of the text's UTF-8 form, as 64 hexadecimal digits."""
    return _digest(text)


DIGITS = 15
BUCKETS = 1_000_000_000


@function(
    "HASHBUCKET",
    "text",
    T,
    Param("buckets", frozenset({"integer"})),
    returns=whole,
    errors={
        "NUM": lambda site, text, buckets: sql.all_of(
            text.is_not(None), or_(buckets < sql.whole(1), buckets > sql.whole(BUCKETS))
        )
    },
    size=lambda site: (9, 0),
    examples=(
        'HASHBUCKET("abc", 10) = HASHBUCKET("abc", 10)',
        'HASHBUCKET("abc", 1) = 0',
        'HASHBUCKET("a", 0) -> #NUM',
    ),
    copies=(3, 2),
)
def hashbucket(site: Site, text: Column, buckets: Column) -> Column:
    """One of so many buckets, from 0 on, always the same for a text: the first 60 bits of its SHA-256 modulo the
    number, which is 1 to 1,000,000,000."""
    bits = cast(sql.text("x").concat(func.left(_digest(text), sql.whole(DIGITS), type_=Text())), BIT(DIGITS * 4))
    return func.mod(cast(cast(bits, BigInteger), Numeric), sql.small_int(buckets, 1, BUCKETS), type_=Numeric())


@function(
    "UUID",
    "text",
    returns=TEXT.blank(False),
    size=lambda site: (36, 0),
    volatility="volatile",
    contexts=frozenset({"default", "workflow"}),
    examples=("LEN(UUID()) = 36", "UUID() <> UUID()"),
)
def uuid(site: Site) -> Column:
    """A new random identifier (RFC 9562, version 4)."""
    return cast(func.gen_random_uuid(type_=Uuid()), Text)
