"""Text: lengths and positions count code points; Salesforce decides (formula.md 2.13), Excel where it has no say."""

from __future__ import annotations

import hashlib
import html
import re
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from metamodel.formula import limits
from tests.reference.formula.core import Site, known
from tests.reference.formula.operators import equal, shown
from tests.reference.formula.static import BOOLEAN, NUMBER, TEXT, Static
from tests.reference.formula.values import Fault


def _longest(pattern: str, text: str, begin: int, *, only: bool = False) -> re.Match[str] | None:
    """The first of the longest matches from there on (formula.md 2.12); `only`: at that place alone."""
    compiled = _pattern(pattern)
    if not re.search(r"[|?*+{]", pattern):
        return compiled.match(text, begin) if only else compiled.search(text, begin)
    for start in range(begin, begin + 1 if only else len(text) + 1):
        for end in range(len(text), start - 1, -1):
            if found := compiled.fullmatch(text, start, end):
                return found
    return None


def _pattern(pattern: str) -> re.Pattern[str]:
    # `.` is any character, and classes such as `\\w` hold ASCII alone.
    return re.compile(pattern, re.DOTALL | re.ASCII)


@known("LEN", returns=NUMBER)
def len_(c: Site, text: str) -> Any:
    return Decimal(len(text))


@known("LEFT", returns=TEXT)
def left(c: Site, text: str, count: Decimal = Decimal(1)) -> Any:
    return text[: max(c.whole(1, count) if len(c.static) > 1 else 1, 0)]


@known("RIGHT", returns=TEXT)
def right(c: Site, text: str, count: Decimal = Decimal(1)) -> Any:
    size = max(c.whole(1, count) if len(c.static) > 1 else 1, 0)
    return text[-size:] if size else ""


@known("MID", returns=TEXT)
def mid(c: Site, text: str, start: Decimal, count: Decimal) -> Any:
    begin = max(c.whole(1, start), 1) - 1
    return text[begin : begin + max(c.whole(2, count), 0)]


@known("UPPER", returns=TEXT)
def upper(c: Site, text: str) -> Any:
    return text.upper()


@known("LOWER", returns=TEXT)
def lower(c: Site, text: str) -> Any:
    return text.lower()


@known("PROPER", "INITCAP", returns=TEXT)
def proper(c: Site, text: str) -> Any:
    """Excel PROPER: a letter that follows no letter is upper case, every other one lower."""
    return re.sub(r"[^\W\d_]+", lambda word: word[0][0].title() + word[0].lower()[len(word[0][0].lower()) :], text)


@known("TRIM", returns=TEXT)
def trim(c: Site, text: str) -> Any:
    return text.strip(" ")


@known("TRIMALL", returns=TEXT)
def trimall(c: Site, text: str) -> Any:
    """Excel TRIM: runs of spaces inside become one."""
    return re.sub(" +", " ", text.strip(" "))


def _pad(c: Site, text: str, length: Decimal, pad: str, before: bool) -> str:
    size = c.whole(1, length)
    if size > limits.TEXT_CHARACTERS:
        raise Fault("LIMIT")
    if size <= len(text):
        return text[: max(size, 0)]
    filling = (pad * size)[: size - len(text)]
    return filling + text if before else text + filling


@known("LPAD", returns=TEXT)
def lpad(c: Site, text: str, length: Decimal, pad: str = " ") -> Any:
    return _pad(c, text, length, pad, True)


@known("RPAD", returns=TEXT)
def rpad(c: Site, text: str, length: Decimal, pad: str = " ") -> Any:
    return _pad(c, text, length, pad, False)


@known("REPT", returns=TEXT)
def rept(c: Site, text: str, count: Decimal) -> Any:
    times = max(c.whole(1, count), 0)
    if times * len(text) > limits.TEXT_CHARACTERS:
        raise Fault("LIMIT")
    return text * times


@known("REVERSE", returns=TEXT)
def reverse(c: Site, text: str) -> Any:
    return text[::-1]


@known("CLEAN", returns=TEXT)
def clean(c: Site, text: str) -> Any:
    """Excel CLEAN: without the characters up to 31."""
    return "".join(ch for ch in text if ord(ch) > 31)


@known("SUBSTITUTE", returns=TEXT, mode="sees")
def substitute(c: Site, text: str | None, old: str | None, new: str | None, *nth: Decimal | None) -> Any:
    """Excel SUBSTITUTE; the n-th occurrence counts from 1, where there is none the text stays. A blank `new` removes."""
    if text is None or old is None or None in nth:
        return None
    if not nth or nth[0] is None:
        return text.replace(old, new or "")
    wanted = c.whole(3, nth[0])
    parts = text.split(old)
    if not 1 <= wanted < len(parts):
        return text
    return old.join(parts[:wanted]) + (new or "") + old.join(parts[wanted:])


@known("REPLACE", returns=TEXT, mode="sees")
def replace(c: Site, text: str | None, start: Decimal | None, count: Decimal | None, new: str | None) -> Any:
    """Excel REPLACE; a start below 1 is taken as 1 and a count below 0 as 0, as MID takes them."""
    if text is None or start is None or count is None:
        return None
    begin, size = max(c.whole(1, start), 1) - 1, max(c.whole(2, count), 0)
    return text[:begin] + (new or "") + text[begin + size :]


def _folded(text: str) -> str:
    """Without case, character by character, so that positions stay what they are."""
    return "".join(ch.casefold() if len(ch.casefold()) == 1 else ch.lower()[:1] for ch in text)


def _find(part: str, text: str, begin: int) -> Decimal:
    return Decimal(text.find(part, max(begin, 1) - 1) + 1)


@known("FIND", returns=NUMBER)
def find(c: Site, part: str, text: str, *start: Decimal) -> Any:
    return _find(part, text, c.whole(2, start[0]) if start else 1)


@known("SEARCH", returns=NUMBER)
def search(c: Site, part: str, text: str, *start: Decimal) -> Any:
    return _find(_folded(part), _folded(text), c.whole(2, start[0]) if start else 1)


@known("CONTAINS", returns=BOOLEAN)
def contains(c: Site, text: str, part: str) -> Any:
    return part in text


@known("ICONTAINS", returns=BOOLEAN)
def icontains(c: Site, text: str, part: str) -> Any:
    return _folded(part) in _folded(text)


@known("BEGINS", "STARTSWITH", returns=BOOLEAN)
def begins(c: Site, text: str, part: str) -> Any:
    return text.startswith(part)


@known("ENDS", "ENDSWITH", returns=BOOLEAN)
def ends(c: Site, text: str, part: str) -> Any:
    return text.endswith(part)


@known("CONCATENATE", "CONCAT", returns=TEXT, mode="sees")
def concatenate(c: Site, *values: Any) -> Any:
    return "".join(shown(c.e, value) for value in values)


@known("TEXTJOIN", returns=TEXT, mode="sees")
def textjoin(c: Site, separator: str | None, skip: bool, *values: Any) -> Any:
    """Excel TEXTJOIN; a list counts as its items."""
    items: list[Any] = []
    for value, static in zip(values, c.static[2:], strict=True):
        if static.kind == "list":
            items += value or ()
        else:
            items.append(value)
    return (separator or "").join(shown(c.e, item) for item in items if not (skip and item is None))


@known("TEXTBEFORE", returns=TEXT)
def textbefore(c: Site, text: str, part: str) -> Any:
    """Blank where the part does not occur."""
    return text.partition(part)[0] if part in text else None


@known("TEXTAFTER", returns=TEXT)
def textafter(c: Site, text: str, part: str) -> Any:
    return text.partition(part)[2]


@known("SPLIT", returns=Static("list", False, "text"))
def split(c: Site, text: str, separator: str) -> Any:
    return tuple(part or None for part in text.split(separator))


@known("EXACT", returns=BOOLEAN, mode="sees")
def exact(c: Site, a: str | None, b: str | None) -> Any:
    return equal(a, b, c.static)


@known("IEQUALS", returns=BOOLEAN, mode="sees")
def iequals(c: Site, a: str | None, b: str | None) -> Any:
    return equal(a and _folded(a), b and _folded(b), c.static)


@known("CHAR", "UNICHAR", returns=TEXT)
def char(c: Site, code: Decimal) -> Any:
    at = c.whole(0, code)
    if not 1 <= at <= 0x10FFFF or 0xD800 <= at <= 0xDFFF:
        raise Fault("NUM")
    return chr(at)


@known("CODE", "UNICODE", returns=NUMBER)
def code(c: Site, text: str) -> Any:
    return Decimal(ord(text[0]))


@known("REGEX", "REGEXMATCH", returns=BOOLEAN)
def regex(c: Site, text: str, pattern: str) -> Any:
    return _pattern(pattern).fullmatch(text) is not None


@known("REGEXEXTRACT", returns=TEXT)
def regexextract(c: Site, text: str, pattern: str) -> Any:
    """The first match, or what its first group holds."""
    found = _longest(pattern, text, 0)
    return None if found is None else found[1] if found.re.groups else found[0]


@known("REGEXREPLACE", returns=TEXT, mode="sees")
def regexreplace(c: Site, text: str | None, pattern: str, new: str | None) -> Any:
    """Every match in turn, an empty one too; `$1` to `$9` are its groups."""
    if text is None:
        return None
    out, at = [], 0
    while at <= len(text):
        found = _longest(pattern, text, at, only=True)
        if found is None:
            out.append(text[at : at + 1])
            at += 1
            continue
        out.append(re.sub(r"\$([1-9])", lambda group, found=found: _group(found, int(group[1])), new or ""))  # type: ignore[misc]
        if found.end() == at:
            out.append(text[at : at + 1])
            at += 1
        else:
            at = found.end()
    return "".join(out)


def _group(found: re.Match[str], number: int) -> str:
    return (found[number] or "") if number <= found.re.groups else f"${number}"


@known("URLENCODE", returns=TEXT)
def urlencode(c: Site, text: str) -> Any:
    """RFC 3986: what is not unreserved, as the bytes of UTF-8."""
    return quote(text, safe="-._~")


@known("HTMLENCODE", returns=TEXT)
def htmlencode(c: Site, text: str) -> Any:
    """The five characters that mean something in HTML."""
    return html.escape(text).replace("&#x27;", "&#39;")


@known("MD5", returns=TEXT)
def md5(c: Site, text: str) -> Any:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@known("SHA256", returns=TEXT)
def sha256(c: Site, text: str) -> Any:
    return hashlib.sha256(text.encode()).hexdigest()


@known("HASHBUCKET", returns=NUMBER)
def hashbucket(c: Site, text: str, buckets: Decimal) -> Any:
    """The first 60 bits of the SHA-256 modulo the number, which is 1 to 1,000,000,000."""
    count = c.whole(1, buckets)
    if not 1 <= count <= 1_000_000_000:
        raise Fault("NUM")
    return Decimal(int(hashlib.sha256(text.encode()).hexdigest()[:15], 16) % count)
