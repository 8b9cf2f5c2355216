"""Rules of meaning, one a file: `check(model, places, issues)` reports what a schema can not see."""

from __future__ import annotations

from collections.abc import Callable

from metamodel.issues import Collector
from metamodel.model import Model
from metamodel.overlay import Places
from metamodel.rules import (
    actions,
    assignments,
    automatic_moves,
    bounds,
    calendars,
    child_sets,
    clearing,
    conversions,
    defaults,
    dependent_options,
    duplicate_rules,
    functions,
    grants,
    indexed_formulas,
    json_schemas,
    locales,
    lookup_targets,
    number_formats,
    process_fields,
    report_columns,
    reserved_names,
    role_names,
    rollups,
    rule_fields,
    seeds,
    settings,
    stage_names,
    stage_paths,
    stage_requirements,
    stored_rollups,
    titles,
    triggers,
    unique_keys,
    value_sets,
)

Rule = Callable[[Model, Places, Collector], None]

RULES: tuple[Rule, ...] = (
    actions.check,
    assignments.check,
    automatic_moves.check,
    bounds.check,
    calendars.check,
    child_sets.check,
    clearing.check,
    conversions.check,
    defaults.check,
    dependent_options.check,
    duplicate_rules.check,
    functions.check,
    grants.check,
    indexed_formulas.check,
    json_schemas.check,
    locales.check,
    lookup_targets.check,
    number_formats.check,
    process_fields.check,
    report_columns.check,
    reserved_names.check,
    role_names.check,
    rollups.check,
    rule_fields.check,
    seeds.check,
    settings.check,
    stage_names.check,
    stage_paths.check,
    stage_requirements.check,
    stored_rollups.check,
    titles.check,
    triggers.check,
    unique_keys.check,
    value_sets.check,
)
