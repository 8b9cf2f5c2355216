"""What a declaration says besides data and rules: labels, helps, indexes, as people and the database meet them."""

from __future__ import annotations

from engine.http.routes.meta import describe
from tests.engine.support import Yard


async def test_labels_and_texts_are_told(yard: Yard) -> None:
    """label, plural, description and title of objects; label and help of fields; options, stages and their guidance;
    the label of the own role."""
    told = describe(yard.rt.rights(yard.actor("boss"), yard.release))
    assert told["roles"] == [{"name": "boss", "label": {"en": "Boss", "zh-CN": "主管"}}]
    objects = {obj["name"]: obj for obj in told["objects"]}
    site = objects["site"]
    assert (site["label"]["zh-CN"], site["plural"]["en"], site["description"]["en"], site["title"]) == (
        "场地", "Sites", "Where work is done.", "name",
    )  # fmt: skip
    zone = next(f for f in site["fields"] if f["name"] == "zone")
    assert (zone["label"], zone["help"]) == (
        {"en": "Zone", "zh-CN": "分区"},
        {"en": "A quarter of the town", "zh-CN": "城区"},
    )
    sets = {s["name"]: s for s in told["value_sets"]}
    assert sets["kinds"]["label"] == {"en": "Kinds", "zh-CN": "类型"}
    assert [(o["name"], o["active"]) for o in sets["kinds"]["options"]] == [
        ("small", True),
        ("large", True),
        ("old", False),
    ]
    assert sets["kinds"]["options"][0]["label"]["en"] == "Small"
    assert sets["job.shape"]["options"][1] == {"name": "flat", "label": {"en": "Flat", "zh-CN": "平"}, "active": False}
    process = next(p for p in told["processes"] if p["name"] == "job_life")
    assert (process["label"]["en"], process["object"], process["field"]) == ("Life of a job", "job", "stage")
    draft = process["stages"][0]
    assert (draft["label"]["en"], draft["guidance"]["en"]) == ("Draft", "Find out what is needed.")


async def test_labels_stand_in_messages(yard: Yard) -> None:
    """The label of a field and of a stage, in the messages of a refusal."""
    job = await yard.create("job", name="n")
    refused = await yard.refused(yard.update("job", job, stage="dropped"))
    assert "Memo" in refused.faults[0].detail
    assert "Dropped" in refused.faults[0].detail


async def test_indexes_are_built_over_live_rows(yard: Yard) -> None:
    """`indexed` fields, an object's `indexes` and every lookup."""
    rows = await yard.sql(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = $1 AND tablename = 'job'", yard.release.schema
    )
    found = [row["indexdef"].split("USING btree ")[1] for row in rows]
    for columns in ("(code)", "(kind, due, id)", "(site, id)", "(who, id)", "(owner, id)", "(site, name)"):
        assert f"{columns} WHERE (deleted_at IS NULL)" in found
