"""All codes of authoring diagnostics. `docs/codes.md` mirrors this table; a code is stable for ever."""

from __future__ import annotations

SOURCE_CODES = {
    "Y101": "the file is not valid UTF-8",
    "Y102": "the file is too large",
    "Y103": "a control character stands in the file",
    "Y104": "the text is not valid YAML",
    "Y105": "an anchor, alias, tag or merge key is used",
    "Y106": "a key stands twice in one mapping",
    "Y107": "the nesting is too deep",
    "Y108": "the file has too many nodes",
    "Y109": "a key is not a plain text",
    "Y110": "a number has too many digits",
    "Y111": "a document is not a mapping",
    "Y112": "the file can not be read",
}

SCHEMA_CODES = {
    "S101": "the document's kind is missing or unknown",
    "S102": "a key is unknown here",
    "S103": "a required key is missing",
    "S104": "a value is of the wrong type",
    "S105": "a value is not one of the allowed ones",
    "S106": "a text does not have the required form",
    "S107": "a value is outside its bounds",
    "S108": "a name is not allowed by the naming rule",
}

MEANING_CODES = {
    "M101": "two declarations have the same name",
    "M102": "a pack is missing",
    "M103": "packs depend on each other in a circle",
    "M104": "a pack's version is outside the wanted range",
    "M105": "a patch names what does not exist",
    "M106": "a document of this kind does not belong here",
    "M107": "two packs have the same name",
    "M201": "a name is reserved",
    "M202": "an object does not exist",
    "M203": "a field does not exist",
    "M204": "a value set does not exist",
    "M205": "a process does not exist",
    "M206": "a stage does not exist",
    "M207": "a role does not exist",
    "M208": "the title can not be shown as a record's name",
    "M209": "a stage field and its process do not agree",
    "M210": "a stage can not be reached",
    "M211": "a stage has no way out",
    "M212": "a field can not be written",
    "M213": "deleting can not clear a required lookup",
    "M214": "the name of a child set is taken",
    "M215": "a unique key can not be kept",
    "M216": "the bounds of a number contradict each other",
    "M217": "the default lies outside the field's bounds",
    "M218": "the format of an automatic number is not valid",
    "M219": "a text is missing in a locale that the pack declares",
    "M220": "a text is written in a locale that is not declared",
    "M221": "a required field is not given a value",
    "M222": "a report sorts by what it does not show",
    "M223": "a record of a seed is not usable",
    "M224": "a move between stages stands twice",
    "M225": "a trigger does not fit the object",
    "M226": "a roll-up aggregates nothing",
    "M227": "a setting of the tenant is not valid",
    "M228": "a process and a value set have the same name",
    "M229": "a function has a name that the language has or keeps",
    "M230": "a parameter with a default stands before one without",
    "M231": "a calendar is not valid",
    "M301": "formulas depend on each other in a circle",
    "M302": "a formula's value does not fit its place",
}

CODES = SOURCE_CODES | SCHEMA_CODES | MEANING_CODES
