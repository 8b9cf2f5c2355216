"""The ledger of effects: each property of the JSON Schemas and the test that proves what it does.

An address is written as `test_liveness.properties` makes it; a value is `file::function` from the root of the project.
"""

from __future__ import annotations

_LOAD = "tests/metamodel/test_load_packs.py::"
_TYPES = "tests/metamodel/test_typing_of_models.py::"
_DOCS = "tests/metamodel/test_metadata_docs.py::"

KINDS = ("pack", "tenant", "object", "value_set", "process", "report", "workflow", "role", "seed")

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
        for kind in ("process", "report", "role", "seed", "value_set", "workflow")
    },
    "tenant.settings": f"{_LOAD}test_patches_are_merged_by_key_and_settings_taken",
    "object.fields": f"{_LOAD}test_system_fields_come_first_and_users_may_have_no_owner",
    "object.fields.*.type": f"{_TYPES}test_fields_have_their_types",
    "object.fields.*.options": f"{_TYPES}test_fields_have_their_types",
    "object.fields.*.process": f"{_TYPES}test_fields_have_their_types",
    "object.fields.*.to": f"{_TYPES}test_fields_have_their_types",
    "object.fields.*.formula": f"{_TYPES}test_types_follow_the_chain_of_formulas_however_long",
    "object.fields.*.reverse": f"{_TYPES}test_a_circle_through_a_child_set_is_found",
    "process.moves[].from": f"{_LOAD}test_moves_with_several_sources_and_stage_numbers",
    "role.objects.*.edit.fields.except": f"{_LOAD}test_fields_but_some_are_expanded",
    "role.objects.*.create.fields.except": f"{_LOAD}test_fields_but_some_are_expanded",
}
