"""Which of a tenant's locales a caller prefers (Accept-Language, RFC 9110 section 12.5.4)."""

from __future__ import annotations

from collections.abc import Sequence


def choose(header: bytes | None, locales: Sequence[str], preferred: object = None) -> str:
    """The best of `locales`: by the header, else the user's own preference, else the first."""
    first = locales[0] if locales else "en"
    default = preferred if isinstance(preferred, str) and preferred in locales else first
    if header is None:
        return default
    wanted = []
    for position, item in enumerate(header.decode("latin-1").split(",")[:20]):
        tag, _, weight = item.partition(";")
        quality = _quality(weight)
        if quality > 0:
            wanted.append((-quality, position, tag.strip().lower()))
    known = {locale.lower(): locale for locale in locales}
    languages: dict[str, str] = {}
    for locale in locales:
        languages.setdefault(locale.lower().split("-")[0], locale)
    for _, _, tag in sorted(wanted):
        found = known.get(tag) or languages.get(tag.split("-")[0])
        if found:
            return found
    return default


def _quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
