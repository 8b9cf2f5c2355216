"""Field types of several parts. Each part is a field of its own, named `<field>.<part>`; the whole is a formula.

So storage, rights, filters, history and imports know fields only: of the whole they take its value in formulas, and
where JSON goes in and out it is an object of its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from metamodel.kinds.common import Formula, Text
from metamodel.kinds.object import Field

CJK = "[一-鿿㐀-䶿豈-﫿々〆ぁ-ヿ가-힣·・]+"
"""Names and addresses of these letters are written from the whole to the part and without spaces."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a composite field: a field of that type."""

    name: str
    type: str
    label: Text
    max_length: int | None = None
    min: Decimal | None = None
    max: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Composite:
    """`formula` is the value of the whole in formulas, `{}` standing for the field's name. `essential` parts have a
    value as soon as any part has. `shown` is the key under which that value is answered beside the parts."""

    parts: tuple[Part, ...]
    formula: str
    essential: tuple[str, ...] = ()
    shown: str | None = None


def _text(name: str, en: str, zh: str, max_length: int = 100) -> Part:
    return Part(name, "text", {"en": en, "zh-CN": zh}, max_length)


COMPOSITES: Mapping[str, Composite] = {
    "person_name": Composite(
        parts=(
            _text("prefix", "Title", "称谓", 40),
            _text("given", "Given name", "名"),
            _text("middle", "Middle name", "中间名"),
            _text("family", "Family name", "姓"),
            _text("suffix", "Suffix", "后缀", 40),
        ),
        formula=(
            f'IF(REGEX({{0}}.family & {{0}}.middle & {{0}}.given, "{CJK}"),'
            " {0}.family & {0}.middle & {0}.given & {0}.suffix & {0}.prefix,"
            ' TEXTJOIN(" ", TRUE, {0}.prefix, {0}.given, {0}.middle, {0}.family, {0}.suffix))'
        ),
        shown="text",
    ),
    "address": Composite(
        parts=(
            _text("country", "Country", "国家"),
            _text("province", "Province", "省份"),
            _text("city", "City", "城市"),
            _text("district", "District", "区县"),
            _text("street", "Street", "街道", 255),
            _text("postal_code", "Postal code", "邮政编码", 20),
        ),
        formula=(
            f'IF(REGEX({{0}}.province & {{0}}.city & {{0}}.district, "{CJK}"),'
            ' TEXTJOIN(" ", TRUE, {0}.country & {0}.province & {0}.city & {0}.district & {0}.street, {0}.postal_code),'
            ' TEXTJOIN(", ", TRUE, {0}.street, {0}.district, TEXTJOIN(" ", TRUE, {0}.city, {0}.postal_code),'
            " {0}.province, {0}.country))"
        ),
        shown="text",
    ),
    "geo": Composite(
        parts=(
            Part("latitude", "decimal", {"en": "Latitude", "zh-CN": "纬度"}, min=Decimal(-90), max=Decimal(90)),
            Part("longitude", "decimal", {"en": "Longitude", "zh-CN": "经度"}, min=Decimal(-180), max=Decimal(180)),
            Part("accuracy", "decimal", {"en": "Accuracy (m)", "zh-CN": "精度（米）"}, min=Decimal(0)),
            Part("captured_at", "datetime", {"en": "Captured at", "zh-CN": "采集时间"}),
        ),
        formula="GEOLOCATION({0}.latitude, {0}.longitude)",
        essential=("latitude", "longitude"),
    ),
}


BESIDE: Mapping[str, tuple[Part, ...]] = {
    "audio": (Part("transcript", "long_text", {"en": "Transcript", "zh-CN": "文字记录"}, 65_536),),
}
"""The parts of types that have a column of their own."""


def _pointing(owner: str, whole: Field) -> Iterator[Field]:
    """A lookup to several objects: a lookup for each, of which one at most has a value, and the name of its object."""
    path = f"{owner}.fields.{whole.name}"
    links = [f"{whole.name}.{target}" for target in whole.targets]
    yield replace(whole, formula=Formula(f"BLANKVALUE({', '.join(links)})", f"{path}.formula"))
    chosen = "NULL"
    for target in reversed(tuple(whole.targets)):
        chosen = f'IF(NOT ISBLANK({whole.name}.{target}), "{target}", {chosen})'
    yield Field(
        name=f"{whole.name}.object", type="formula", label={"en": "Object", "zh-CN": "对象"}, help={}, whole=whole.name,
        formula=Formula(chosen, f"{path}.object.formula"),
    )  # fmt: skip
    for link, (target, on_delete) in zip(links, whole.targets.items(), strict=True):
        yield Field(
            name=link, type="lookup", label=whole.label, help={}, whole=whole.name, to=target, reverse=whole.reverse,
            on_delete=on_delete,
        )  # fmt: skip


def expanded(owner: str, whole: Field) -> Iterator[Field]:
    """The field and the parts that it has behind it."""
    if whole.targets:
        yield from _pointing(owner, whole)
        return
    known = COMPOSITES.get(whole.type)
    if known is not None:
        formula = Formula(known.formula.format(whole.name), f"{owner}.fields.{whole.name}.formula")
        yield replace(whole, formula=formula)
    else:
        yield whole
    for part in known.parts if known else BESIDE.get(whole.type, ()):
        yield Field(
            name=f"{whole.name}.{part.name}", type=part.type, label=part.label, help={}, whole=whole.name,
            max_length=part.max_length, min=part.min, max=part.max,
        )  # fmt: skip


def parts(fields: Mapping[str, Field], whole: str) -> list[Field]:
    """The parts of a field, in order; none where it is not composite."""
    return [f for f in fields.values() if f.whole == whole]
