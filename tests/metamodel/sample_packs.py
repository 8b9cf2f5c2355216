"""Small packs for tests: folders written from texts, and the place of a fault marked inside its text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from metamodel.issues import Issue, PackError
from metamodel.load import Loaded, load_packs, load_tenant

MARK = "«"
MANIFEST = "kind: pack\nname: {name}\nversion: 1.0.0\nlanguage: 1\n"
USER = """\
kind: object
name: user
title: name
fields:
  name: {type: text, required: true, unique: true}
  region: {type: select, options: {east: East, west: West}}
"""


def write_pack(folder: Path, files: Mapping[str, str], manifest: str | None = None) -> Path:
    """A pack folder named after its pack; it holds an object `user` unless `files` brings one."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"pack.yaml": manifest or MANIFEST.format(name=folder.name), "user.yaml": USER, **files}
    for name, text in whole.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(MARK, ""), encoding="utf-8")
    return folder


def marked(text: str) -> tuple[int, int] | None:
    """Line and column of the mark in a text, counted from 1."""
    if MARK not in text:
        return None
    before = text.split(MARK)[0]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def load_text(folder: Path, text: str) -> Loaded:
    """A pack of one file beside the object `user`."""
    return load_packs([write_pack(folder / "sample", {"case.yaml": text})])


def load_patched(folder: Path, text: str, tenant: str) -> Loaded:
    """A tenant over a pack of one file."""
    write_pack(folder / "sample", {"case.yaml": text})
    path = folder / "tenant.yaml"
    path.write_text(tenant.replace(MARK, ""), encoding="utf-8")
    return load_tenant(path, [folder])


def issues_of(folder: Path, text: str) -> list[Issue]:
    """All issues of a pack of one file, warnings included."""
    try:
        return list(load_text(folder, text).warnings)
    except PackError as error:
        return list(error.issues)


RICH = """\
kind: object
name: item
title: name
fields:
  number: {type: auto_number, format: "IT-{YYYY}{MM}-{0000}"}
  name: {type: text, required: true, unique: true, max_length: 80}
  parent: {type: lookup, to: item, reverse: parts, on_delete: clear}
  amount: {type: money, min: 0, default: 0}
  share: {type: percent, max: 100%, default: 10%}
  tags: {type: multi_select, options: tags}
  stage: {type: stage, process: item_life}
  chance: {type: formula, formula: stage.probability}
  weighted: {type: formula, formula: "ROUND(amount * chance, 2)", scale: 2}
  total: {type: rollup, formula: SUM(parts.amount)}
  bought: {type: date, default: TODAY()}
rules:
  small: {valid_when: amount < 100, message: Too much, field: amount}
---
kind: value_set
name: tags
options: {hot: Hot, cold: Cold}
---
kind: conversion
name: double
object: item
creates:
  other: {object: item, values: {name: '"Other " & name'}}
refs: {parent: other}
---
kind: duplicate_rule
name: same_item
object: item
when: amount > 1
severity: error
message: It is there already
against:
  items: {where: amount > 2, match: {name: {by: fuzzy, at_least: 0.7}, amount: {by: exact, to: amount}}}
---
kind: assignment
name: fair
object: item
keep_owner_of: parent.owner
open_when: amount > 1
absent_when: region = "west"
entries:
  several: {label: Several, when: amount > 1, to: {members: NOT ISBLANK(name)}, strategy: weighted, weight: 2, cap: {open: 3}}
  one: {to: {user: owner}}
---
kind: function
name: portion
label: Portion
description: A part of an amount.
params: {amount: {type: money}, part: {type: percent, default: 50%}}
formula: amount * part
---
kind: process
name: item_life
object: item
field: stage
start: [new]
stages:
  new:
    category: open
    probability: 10%
    required: [amount]
    exit: {ok: {valid_when: amount > 0, message: no}}
    limit: 14 days
  done: {category: won, read_only: [amount]}
  dead: {category: lost}
moves:
  - {from: [new, done], to: dead, by: [clerk], reason: required, within: 90 days}
  - {from: new, to: done, when: "old.amount = amount"}
---
kind: report
name: by_stage
object: item
where: amount > 5
group_by: {stage: stage, m: {value: "DATETRUNC(bought, 'month')", label: Month}}
measures: {n: COUNT(rows), amount: {value: SUM(amount), format: money}}
sort: [-amount, stage]
totals: true
---
kind: workflow
name: follow
object: item
trigger: {on: stage_entered, stage: done}
when: amount > 3
actions:
  - set: {amount: amount + 1}
  - create: item
    values: {name: '"Next " & name'}
  - {notify: owner, message: Done}
---
kind: role
name: clerk
objects:
  item: {read: true, edit: {where: owner = $user, fields: {except: [amount]}}, create: {fields: [name]}}
capabilities: [view_runs]
---
kind: seed
name: first
object: item
key: name
records:
  - {name: A, amount: 12.50, tags: [hot]}
---
kind: calendar
name: office
label: Office
time_zone: Europe/Berlin
week: {mon: ["09:00-12:00", "13:00-18:00"], fri: ["08:00-24:00"]}
country: DE
subdivision: BY
holidays: {2026-10-02: Bridge}
workdays: [2026-10-10]
"""
"""One declaration of each kind, with every kind of property."""
