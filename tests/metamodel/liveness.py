"""The ledger of effects: each property of the JSON Schemas and the test that proves what it does.

An address is written as `test_liveness.properties` makes it; a value is `file::function` from the root of the project.
"""

from __future__ import annotations

_LOAD = "tests/metamodel/test_load_packs.py::"
_TYPES = "tests/metamodel/test_typing_of_models.py::"
_DOCS = "tests/metamodel/test_metadata_docs.py::"
_REPORTS = "tests/reports/test_reports.py::"
_SEEDS = "tests/lifecycle/test_seeds.py::test_records_of_seeds_are_created_once_by_their_key_and_refer_to_each_other"
_CLI = "tests/cli/test_verbs.py::test_labels_and_descriptions_of_tenant_and_packs_are_shown"
_TABLES = "tests/importing/test_keys_and_files.py::"
_MAPPING = "tests/importing/test_mapping.py::"
_IMPORT = "tests/importing/test_import.py::"
_RUNS = "tests/automation/test_workflows.py::"
_TIMERS = "tests/automation/test_timers.py::"
_ACCESS = "tests/engine/test_access.py::"
_PROCESSES = "tests/engine/test_processes.py::"
_CONVERSION = "tests/engine/test_conversion.py::"
_ASSIGNMENTS = "tests/engine/test_assignments.py::"
_CONVERTS = f"{_CONVERSION}test_one_record_becomes_several"
_OPTIONS = "tests/engine/test_options.py::"
_STAGES = "tests/engine/test_stages.py::"
_WRITES = "tests/engine/test_writes.py::"
_FILES = "tests/http/test_files.py::"
_KINDS = "tests/engine/test_field_types.py::"
_DECLARED = "tests/engine/test_declared.py::"
_UNFIT = f"{_WRITES}test_values_that_do_not_fit"
_FIT = f"{_WRITES}test_values_that_fit_are_kept"
_NUMBERS = f"{_WRITES}test_automatic_numbers_follow_their_format"
_LINKED = f"{_WRITES}test_lookups_users_and_what_is_computed_from_them"
_RULE = f"{_WRITES}test_rules_in_the_language_of_the_caller"
_RULES = "tests/engine/test_rules.py::"
_LOCK = f"{_RULES}test_a_locked_record_is_neither_changed_nor_deleted"
_LABELS = f"{_DECLARED}test_labels_and_texts_are_told"
_CHOSEN = f"{_STAGES}test_the_first_listed_move_that_is_open_to_a_role_decides"
_UNREADABLE = f"{_ACCESS}test_an_unreadable_field_does_not_exist"
_NEW_ROWS = f"{_ACCESS}test_new_rows_must_satisfy_the_grant"
_EXPORT = f"{_ACCESS}test_export_is_a_right_of_its_own"

_DUPLICATES = "tests/engine/test_duplicates.py::"
_CALENDARS = "tests/engine/test_calendars.py::"
_FUNCTIONS = "tests/metamodel/test_functions_of_packs.py::"
KINDS = (
    "pack", "tenant", "object", "value_set", "function", "process", "conversion", "duplicate_rule", "report",
    "workflow", "assignment", "role", "seed", "calendar",
)

LEDGER: dict[str, str] = {
    **{f"{kind}.kind": f"{_DOCS}test_all_examples_load_together_without_a_warning" for kind in KINDS},
    **{f"{kind}.name": f"{_LOAD}test_a_name_in_two_packs_tells_both_places" for kind in KINDS if kind != "tenant"},
    "pack.depends": f"{_LOAD}test_packs_come_after_what_they_depend_on",
    "pack.language": f"{_LOAD}test_another_language_is_refused",
    "pack.locales": f"{_LOAD}test_a_text_missing_in_a_declared_locale_is_a_warning",
    "pack.version": f"{_LOAD}test_what_is_wrong_with_a_dependency",
    "tenant.name": f"{_LOAD}test_patches_are_merged_by_key_and_settings_taken",
    "tenant.packs": f"{_LOAD}test_patches_are_merged_by_key_and_settings_taken",
    "tenant.patches": f"{_LOAD}test_patches_are_merged_by_key_and_settings_taken",
    "tenant.patches.object": f"{_LOAD}test_patches_are_merged_by_key_and_settings_taken",
    **{
        f"tenant.patches.{kind}": f"{_LOAD}test_every_kind_can_be_patched"
        for kind in (
            "assignment", "calendar", "function", "process", "conversion", "duplicate_rule", "report", "role", "seed",
            "value_set", "workflow",
        )
    },
    "function.formula": f"{_FUNCTIONS}test_a_call_is_the_formula_with_the_arguments",
    "function.params": f"{_FUNCTIONS}test_a_call_is_the_formula_with_the_arguments",
    "function.params.*.type": f"{_FUNCTIONS}test_what_does_not_fit_is_told_at_the_call",
    "function.params.*.default": f"{_FUNCTIONS}test_a_call_is_the_formula_with_the_arguments",
    "function.label": f"{_FUNCTIONS}test_functions_of_packs_are_listed",
    "function.description": f"{_FUNCTIONS}test_functions_of_packs_are_listed",
    "tenant.settings": f"{_LOAD}test_patches_are_merged_by_key_and_settings_taken",
    "object.fields": f"{_LOAD}test_system_fields_come_first_and_users_may_have_no_owner",
    "object.fields.*.type": f"{_TYPES}test_fields_have_their_types",
    "object.fields.*.options": f"{_TYPES}test_fields_have_their_types",
    "object.fields.*.process": f"{_TYPES}test_fields_have_their_types",
    "object.fields.*.to": f"{_TYPES}test_fields_have_their_types",
    "object.fields.*.formula": f"{_TYPES}test_types_follow_the_chain_of_formulas_however_long",
    "object.fields.*.blanks": f"{_TYPES}test_blanks_are_read_as_zero_where_a_formula_says_so",
    "object.rules.*.blanks": f"{_TYPES}test_blanks_are_read_as_zero_where_a_formula_says_so",
    "object.fields.*.reverse": f"{_TYPES}test_a_circle_through_a_child_set_is_found",
    "process.moves[].from": f"{_LOAD}test_moves_with_several_sources_and_stage_numbers",
    "role.objects.*.edit.fields.except": f"{_LOAD}test_fields_but_some_are_expanded",
    "role.objects.*.create.fields.except": f"{_LOAD}test_fields_but_some_are_expanded",
    "pack.label": _CLI,
    "pack.description": _CLI,
    "tenant.label": _CLI,
    "tenant.settings.time_zone": "tests/lifecycle/test_settings.py::test_time_zone_decides_what_day_it_is",
    "tenant.settings.currency": "tests/lifecycle/test_settings.py::test_clients_are_told_the_currency_of_all_money",
    "tenant.settings.fiscal_year_start": (
        "tests/lifecycle/test_settings.py::test_the_fiscal_year_begins_with_the_month_of_the_tenant"
    ),
    "tenant.settings.calendar": f"{_CALENDARS}test_the_calendar_of_the_settings_counts_where_none_is_named",
    "calendar.label": f"{_CALENDARS}test_calendars_are_told",
    **{
        f"calendar.{path}": f"{_CALENDARS}test_formulas_count_by_a_calendar"
        for path in ("week", "time_zone", "country", "subdivision", "holidays", "workdays")
    },
    "tenant.settings.locales": "tests/lifecycle/test_settings.py::test_the_first_of_the_locales_is_the_language_of_labels",
    **{
        f"report.{path}": f"{_REPORTS}test_group_by_a_path_sorts_as_options_are_declared_with_where_measures_and_totals"
        for path in ("group_by", "measures", "where", "totals")
    },
    **{f"report.{path}": f"{_REPORTS}test_sort_limit_and_totals_over_all_groups" for path in ("sort", "limit")},
    **{
        f"report.{path}": f"{_REPORTS}test_labels_kinds_and_formats_come_in_the_locale"
        for path in ("label", "group_by.*.label", "measures.*.label", "group_by.*.format", "measures.*.format")
    },
    **{
        f"report.{path}": f"{_REPORTS}test_the_object_the_value_and_the_description_of_a_report"
        for path in ("object", "description", "group_by.*.value", "measures.*.value")
    },
    "seed.object": _SEEDS,
    "seed.key": _SEEDS,
    "seed.records": _SEEDS,
    "import.kind": f"{_MAPPING}test_another_kind_or_no_file_is_no_mapping",
    "import.name": f"{_MAPPING}test_a_mapping_that_breaks_its_schema_is_shown_with_line_and_column",
    "import.file": "tests/cli/test_verbs.py::test_3_import_export_and_report",
    "import.encoding": f"{_TABLES}test_encodings_and_separators",
    "import.separator": f"{_TABLES}test_encodings_and_separators",
    "import.sheet": f"{_TABLES}test_a_workbook_with_typed_cells",
    "import.object": f"{_MAPPING}test_a_mapping_that_breaks_its_schema_is_shown_with_line_and_column",
    "import.mode": f"{_MAPPING}test_modes_create_update_upsert",
    "import.key": f"{_MAPPING}test_a_key_that_stands_twice_is_refused_with_the_earlier_line",
    "import.distinct": f"{_MAPPING}test_distinct_takes_the_first_row_for_each_value",
    "import.history": f"{_IMPORT}test_history_keeps_dates_owners_and_stages_and_says_so",
    "import.acknowledge": f"{_IMPORT}test_warnings_are_acknowledged_by_the_mapping",
    "import.columns": f"{_MAPPING}test_columns_value_and_the_first_column_that_is_not_blank",
    **{
        f"import.columns.*.{key}": f"{_MAPPING}test_columns_value_and_the_first_column_that_is_not_blank"
        for key in ("column", "value")
    },
    "import.columns.*.default": f"{_IMPORT}test_a_default_and_options_by_their_labels",
    **{f"import.columns.*.{key}": f"{_MAPPING}test_blank_map_and_factor" for key in ("blank", "map", "factor")},
    "import.columns.*.template": f"{_MAPPING}test_templates",
    "import.columns.*.format": f"{_MAPPING}test_formats_and_forms_of_values",
    "import.columns.*.lookup": f"{_MAPPING}test_lookups_by_any_field_none_or_several_matches_are_errors_of_the_row",
    "import.system": f"{_IMPORT}test_history_keeps_dates_owners_and_stages_and_says_so",
    "import.system.created_at": f"{_IMPORT}test_history_keeps_dates_owners_and_stages_and_says_so",
    "import.system.stage_entered_at": f"{_IMPORT}test_history_keeps_dates_owners_and_stages_and_says_so",
    **{f"object.{path}": _LABELS for path in ("label", "plural", "description", "title")},
    **{f"object.fields.*.{path}": _LABELS for path in ("label", "help", "options.*.label", "options.*.active")},
    "object.indexes": f"{_DECLARED}test_indexes_are_built_over_live_rows",
    "object.fields.*.indexed": f"{_DECLARED}test_indexes_are_built_over_live_rows",
    "object.fields.*.stored": "tests/engine/test_stored_rollups.py::test_every_door_keeps_the_columns",
    "object.unique": f"{_WRITES}test_unique_values_and_keys",
    "object.fields.*.unique": f"{_WRITES}test_unique_values_and_keys",
    "object.rules": f"{_WRITES}test_rules_look_at_children_and_parents",
    **{f"object.rules.*.{path}": _RULE for path in ("field", "message", "on", "valid_when")},
    "object.rules.*.severity": f"{_RULES}test_a_warning_refuses_until_it_is_acknowledged",
    "object.rules.*.except": f"{_RULES}test_some_roles_are_exempt",
    **{f"object.rules.*.{path}": f"{_RULES}test_a_rule_binds_from_one_day_until_another" for path in ("from", "until")},
    "object.rules.*.applies_to": f"{_RULES}test_old_records_may_stay_as_they_are_until_they_are_edited",
    "object.fields.*.read_only_when": f"{_RULES}test_a_field_is_closed_by_the_record_as_it_was",
    "object.fields.*.history": f"{_WRITES}test_what_the_history_does_not_keep",
    "object.fields.*.set_once": f"{_RULES}test_a_value_that_is_set_once",
    "object.lock": _LOCK,
    **{f"object.lock.{path}": _LOCK for path in ("when", "except", "by", "message")},
    "object.fields.*.default": f"{_WRITES}test_defaults_fill_what_is_not_given",
    "object.fields.*.format": _NUMBERS,
    **{f"object.fields.*.{path}": _UNFIT for path in ("max", "min", "max_length", "scale")},
    "object.fields.*.tree": "tests/engine/test_trees.py::test_nothing_is_above_itself",
    "object.fields.*.on_delete": f"{_WRITES}test_deleting_restricts_clears_and_cascades",
    "object.fields.*.required": f"{_WRITES}test_required_and_required_when",
    "object.fields.*.required_when": f"{_WRITES}test_required_and_required_when",
    **{
        f"object.fields.*.type={name}": _FIT
        for name in (
            "text", "long_text", "integer", "decimal", "percent", "money", "date", "datetime", "boolean", "select",
            "multi_select", "email", "phone", "url",
        )
    },
    **{f"object.fields.*.type={name}": _LINKED for name in ("lookup", "user", "formula", "rollup")},
    **{
        f"object.fields.*.type={name}": f"{_KINDS}test_values_that_fit_are_kept"
        for name in ("barcode", "rating", "time", "duration", "tags", "json")
    },
    "object.fields.*.type=person_name": f"{_KINDS}test_a_person_name_is_shown_in_the_order_of_its_letters",
    "object.fields.*.type=address": f"{_KINDS}test_addresses_are_written_patched_and_read_by_part",
    "object.fields.*.type=geo": f"{_KINDS}test_a_place_is_measured_and_keeps_how_it_was_taken",
    "object.fields.*.type=file": f"{_FILES}test_a_file_is_uploaded_put_into_a_record_and_downloaded",
    "object.fields.*.type=image": f"{_FILES}test_pictures_tell_what_they_know_and_come_in_small",
    "object.fields.*.type=audio": f"{_FILES}test_recordings",
    "object.fields.*.many": f"{_FILES}test_pictures_tell_what_they_know_and_come_in_small",
    "object.fields.*.max_size": f"{_FILES}test_fields_say_what_they_take",
    "object.fields.*.types": f"{_FILES}test_fields_say_what_they_take",
    "object.fields.*.symbology": f"{_KINDS}test_values_that_do_not_fit",
    "object.fields.*.schema": f"{_KINDS}test_values_that_do_not_fit",
    "object.fields.*.type=auto_number": _NUMBERS,
    "object.fields.*.type=stage": f"{_STAGES}test_records_begin_in_a_start_stage",
    **{f"value_set.{path}": _LABELS for path in ("label", "options", "options.*.label", "options.*.active")},
    **{f"process.{path}": _LABELS for path in ("label", "object", "field", "stages")},
    **{f"process.stages.*.{path}": _LABELS for path in ("label", "guidance")},
    "process.start": f"{_STAGES}test_records_begin_in_a_start_stage",
    "process.stages.*.category": f"{_STAGES}test_the_category_says_where_a_stage_leads",
    "process.stages.*.probability": f"{_STAGES}test_probability_limit_and_time_of_a_stage",
    "process.stages.*.limit": f"{_STAGES}test_probability_limit_and_time_of_a_stage",
    "process.stages.*.required": f"{_STAGES}test_required_holds_while_the_record_stands_in_the_stage",
    "process.stages.*.read_only": f"{_STAGES}test_read_only_is_judged_by_the_old_stage",
    **{
        f"process.stages.*.{side}{path}": f"{_STAGES}test_{side}_criteria_are_judged_{how}_only"
        for side, how in (("entry", "on_entering"), ("exit", "forward"))
        for path in ("", ".*.message", ".*.valid_when")
    },
    "process.stages.*.forecast": f"{_PROCESSES}test_properties_of_stages_hang_on_the_process",
    "process.stages.*.tasks": f"{_PROCESSES}test_required_tasks_keep_a_record_from_going_on",
    **{
        f"process.stages.*.tasks.*.{path}": f"{_PROCESSES}test_required_tasks_keep_a_record_from_going_on"
        for path in ("fill", "create", "done_when", "required")
    },
    **{f"process.stages.*.tasks.*.{path}": f"{_PROCESSES}test_moves_tell_the_tasks" for path in ("label", "guidance")},
    "process.when": f"{_PROCESSES}test_the_first_process_whose_condition_holds_is_followed",
    "process.moves[].who": f"{_PROCESSES}test_who_may_move",
    **{
        f"conversion.{path}": f"{_CONVERSION}test_one_record_becomes_several"
        for path in ("creates", "creates.*.each", "creates.*.refs", "sets", "refs")
    },
    **{f"conversion.creates.*.{path}": _CONVERTS for path in ("object", "values")},
    "conversion.object": _CONVERTS,
    **{f"duplicate_rule.{path}": f"{_DUPLICATES}test_what_is_exact_is_refused" for path in (
        "label", "message", "severity", "object", "against", "against.*.where", "against.*.match", "against.*.match.*.by"
    )},
    "duplicate_rule.when": f"{_DUPLICATES}test_a_warning_is_acknowledged_by_its_rule",
    "duplicate_rule.against.*.object": f"{_DUPLICATES}test_other_objects_are_looked_through",
    "duplicate_rule.against.*.match.*.to": f"{_DUPLICATES}test_other_objects_are_looked_through",
    "duplicate_rule.against.*.match.*.at_least": f"{_DUPLICATES}test_what_is_alike",
    "conversion.creates.*.match": f"{_CONVERSION}test_what_exists_is_taken",
    **{f"conversion.creates.*.{path}": f"{_CONVERSION}test_conditions_and_wishes" for path in ("when", "optional")},
    **{f"conversion.{path}": f"{_CONVERSION}test_conditions_and_wishes" for path in ("when", "message")},
    **{f"conversion.{path}": f"{_CONVERSION}test_a_preview_tells_what_would_be_made"
       for path in ("label", "creates.*.label")},
    **{f"assignment.{path}": f"{_ASSIGNMENTS}test_records_go_round" for path in (
        "object", "field", "when", "entries", "entries.*.when", "entries.*.to.members"
    )},
    **{f"assignment.{path}": f"{_ASSIGNMENTS}test_the_fewest_open_and_who_is_left" for path in (
        "open_when", "fallback", "fallback.user", "entries.*.to", "entries.*.to.user", "entries.*.cap",
        "entries.*.cap.open"
    )},
    **{f"assignment.{path}": f"{_ASSIGNMENTS}test_weights_and_absences" for path in (
        "absent_when", "entries.*.strategy", "entries.*.weight"
    )},
    "assignment.entries.*.cap.per_day": f"{_ASSIGNMENTS}test_a_day_is_capped",
    "assignment.keep_owner_of": f"{_ASSIGNMENTS}test_the_owner_of_something_else_keeps_it",
    **{f"assignment.{path}": f"{_ASSIGNMENTS}test_decisions_are_told_within_the_rights_of_the_reader" for path in (
        "label", "message", "entries.*.label"
    )},
    **{f"assignment.{path}": f"{_ASSIGNMENTS}test_members_claim_from_a_pool_and_give_back" for path in (
        "pool", "pool.field", "pool.members", "pool.claims_per_day", "pool.reclaim_after"
    )},
    "workflow.actions[].release": f"{_RUNS}test_release_gives_the_record_back_to_its_pool",
    "workflow.actions[].assign": f"{_RUNS}test_assign_gives_the_record_to_somebody",
    "workflow.actions[].convert": f"{_RUNS}test_convert_makes_what_the_conversion_says_once",
    **{f"object.fields.*.{name}": f"tests/engine/test_auto_numbers.py::{test}" for name, test in (
        ("gapless", "test_gapless_numbers_of_many_writers"), ("reset", "test_numbers_begin_again"),
        ("per", "test_values_are_counted_apart"),
    )},
    "object.unique.*.fields": f"{_WRITES}test_unique_values_and_keys",
    **{f"object.unique.*.{part}": f"tests/engine/test_unique_keys.py::{test}" for part, test in (
        ("fold", "test_folded_texts_are_the_same"), ("message", "test_folded_texts_are_the_same"),
        ("where", "test_only_records_where_the_condition_holds_count"),
    )},
    "object.fields.*.depends_on": f"{_OPTIONS}test_options_go_with_another_field",
    **{f"object.fields.*.depends_on.{part}": f"{_OPTIONS}test_options_go_with_another_field"
       for part in ("field", "options", "otherwise", "blank")},
    "process.moves": _CHOSEN,
    **{f"process.moves[].{path}": _CHOSEN for path in ("by", "reason", "to", "when")},
    "process.moves[].automatic": f"{_TIMERS}test_a_process_moves_records_by_itself",
    "process.moves[].after": f"{_TIMERS}test_a_process_moves_records_by_itself",
    "process.stages.*.limit.time": f"{_TIMERS}test_a_limit_counts_by_the_calendar_of_its_stage",
    "process.stages.*.limit.calendar": f"{_TIMERS}test_a_limit_counts_by_the_calendar_of_its_stage",
    "process.moves[].within": f"{_STAGES}test_moves_within_a_period",
    "role.objects": f"{_ACCESS}test_what_no_role_grants_is_unknown",
    "role.label": _LABELS,
    "role.capabilities": f"{_STAGES}test_historical_mode_leaves_out_the_gate_alone",
    "role.objects.*.read": f"{_ACCESS}test_hidden_is_as_missing",
    "role.objects.*.read.where": f"{_ACCESS}test_hidden_is_as_missing",
    "role.objects.*.read.fields": _UNREADABLE,
    "role.objects.*.read.fields.except": _UNREADABLE,
    **{f"role.objects.*.{verb}{path}": _NEW_ROWS for verb in ("create", "edit") for path in ("", ".where", ".fields")},
    "role.objects.*.delete": f"{_ACCESS}test_deleting_needs_its_own_right",
    "role.objects.*.delete.where": f"{_ACCESS}test_deleting_needs_its_own_right",
    **{f"role.objects.*.export{path}": _EXPORT for path in ("", ".where", ".fields", ".fields.except")},
    **{
        f"role.objects.*.import{path}": f"{_ACCESS}test_import_is_a_right_of_its_own"
        for path in ("", ".where", ".fields", ".fields.except")
    },
    "workflow.actions": f"{_RUNS}test_an_action_beyond_the_role_fails_the_run_visibly",
    "workflow.actions[].create": f"{_RUNS}test_created_fires_once_where_the_condition_holds",
    "workflow.actions[].values": f"{_RUNS}test_created_fires_once_where_the_condition_holds",
    "workflow.actions[].set": f"{_RUNS}test_set_rounds_once_and_skips_what_is_so_already",
    "workflow.actions[].notify": f"{_RUNS}test_notify_speaks_the_user_s_language_and_needs_no_right",
    "workflow.actions[].message": f"{_RUNS}test_notify_speaks_the_user_s_language_and_needs_no_right",
    "workflow.label": f"{_RUNS}test_workflows_are_told_with_their_label",
    "workflow.object": f"{_RUNS}test_created_fires_once_where_the_condition_holds",
    "workflow.run_as": f"{_RUNS}test_initiator_of_a_run_that_a_run_caused_has_the_rights_of_that_one",
    "workflow.trigger": f"{_RUNS}test_changed_looks_at_its_fields_and_at_the_old_image",
    "workflow.trigger.fields": f"{_RUNS}test_changed_looks_at_its_fields_and_at_the_old_image",
    "workflow.trigger.on": f"{_RUNS}test_stage_entered_and_who_the_formulas_name",
    "workflow.trigger.stage": f"{_RUNS}test_stage_entered_and_who_the_formulas_name",
    "workflow.trigger.at": f"{_TIMERS}test_a_date_that_moves_takes_its_moment_with_it",
    "workflow.trigger.calendar": f"{_TIMERS}test_a_date_that_moves_takes_its_moment_with_it",
    "workflow.trigger.cron": f"{_TIMERS}test_a_schedule_is_kept_for_each_record_and_without_one",
    "workflow.trigger.days": f"{_TIMERS}test_untouched_for_days_then_again_and_again",
    "workflow.trigger.every": f"{_TIMERS}test_untouched_for_days_then_again_and_again",
    "workflow.trigger.field": f"{_TIMERS}test_a_date_that_moves_takes_its_moment_with_it",
    "workflow.trigger.offset": f"{_TIMERS}test_a_date_that_moves_takes_its_moment_with_it",
    "workflow.when": f"{_RUNS}test_created_fires_once_where_the_condition_holds",
}
