WITH raw AS MATERIALIZED
(SELECT anon_1._ord AS _ord, anon_1.id AS id, anon_1._version AS _version, anon_1._reason AS _reason, anon_1._absent AS _absent, anon_1.owner AS owner, anon_1.qty AS qty, anon_1.stage AS stage, CAST(NULL AS TEXT) AS name, CAST(NULL AS TEXT) AS code, CAST(NULL AS UUID) AS site, CAST(NULL AS TEXT) AS kind, CAST(NULL AS TEXT) AS shape, CAST(NULL AS TEXT[]) AS tags, CAST(NULL AS NUMERIC) AS weight, CAST(NULL AS NUMERIC) AS exact, CAST(NULL AS NUMERIC) AS ratio, CAST(NULL AS NUMERIC) AS cost, CAST(NULL AS NUMERIC) AS secret, CAST(NULL AS DATE) AS due, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS at, CAST(NULL AS BOOLEAN) AS urgent, CAST(NULL AS TEXT) AS mail, CAST(NULL AS TEXT) AS phone, CAST(NULL AS TEXT) AS link, CAST(NULL AS TEXT) AS memo, CAST(NULL AS UUID) AS who, CAST(NULL AS TEXT) AS why
FROM json_to_record($3::JSON) AS anon_1(_ord INTEGER, id UUID, _version BIGINT, _reason TEXT, _absent TEXT[], owner UUID, qty BIGINT, stage TEXT)),
"old" AS MATERIALIZED
(SELECT raw._ord AS _ord, t.id AS id, t.version AS version, t.owner AS owner, t.created_at AS created_at, t.created_by AS created_by, t.modified_at AS modified_at, t.modified_by AS modified_by, t.deleted_at AS deleted_at, t.deleted_batch AS deleted_batch, t.name AS name, t.code AS code, t.site AS site, t.kind AS kind, t.shape AS shape, t.tags AS tags, t.qty AS qty, t.weight AS weight, t.exact AS exact, t.ratio AS ratio, t.cost AS cost, t.secret AS secret, t.due AS due, t.at AS at, t.urgent AS urgent, t.mail AS mail, t.phone AS phone, t.link AS link, t.memo AS memo, t.who AS who, t.why AS why, t.stage AS stage, t.stage__entered_at AS stage__entered_at
FROM t_yard.job AS t JOIN raw ON raw.id = t.id
WHERE t.deleted_at IS NULL AND t.owner = $2::UUID FOR UPDATE OF t),
"new" AS MATERIALIZED
(SELECT raw._ord AS _ord, raw._reason AS _reason, raw._version AS _version, "old".id AS id, "old".version + 1 AS version, coalesce(raw.owner, "old".owner) AS owner, "old".created_at AS created_at, "old".created_by AS created_by, $1::TIMESTAMP WITH TIME ZONE AS modified_at, $2::UUID AS modified_by, "old".deleted_at AS deleted_at, "old".deleted_batch AS deleted_batch, "old".name AS name, "old".code AS code, "old".site AS site, "old".kind AS kind, "old".shape AS shape, "old".tags AS tags, raw.qty AS qty, "old".weight AS weight, "old".exact AS exact, "old".ratio AS ratio, "old".cost AS cost, "old".secret AS secret, "old".due AS due, "old".at AS at, "old".urgent AS urgent, "old".mail AS mail, "old".phone AS phone, "old".link AS link, "old".memo AS memo, "old".who AS who, "old".why AS why, raw.stage AS stage, "old".qty AS _old_qty, "old".stage AS _old_stage, "old".stage__entered_at AS _old_stage__entered_at, "old".version AS _old_version, "old".owner AS _old_owner, "old".modified_at AS _old_modified_at, "old".modified_by AS _old_modified_by, "old".deleted_at AS _old_deleted_at, "old".deleted_batch AS _old_deleted_batch, CASE WHEN (raw.stage IS DISTINCT FROM "old".stage) THEN $1::TIMESTAMP WITH TIME ZONE ELSE "old".stage__entered_at END AS stage__entered_at
FROM "old" JOIN raw ON "old"._ord = raw._ord),
judged AS
(SELECT "new"._ord AS _ord, array_remove(CAST(ARRAY[CASE WHEN NOT coalesce("new".owner = $2::UUID, false) THEN 0 END, CASE WHEN ("new".qty > 500) THEN CASE WHEN (("new".why IS NOT NULL) IS NOT true) THEN 1 END END, CASE WHEN (("new".stage IS NOT NULL) IS NOT true) THEN 2 END, CASE WHEN (("new"._old_qty IS NULL OR "new".qty >= "new"._old_qty OR "new".memo = CAST('less' AS TEXT)) IS NOT true) THEN 3 END, CASE WHEN (("new".site IS NULL OR site_1.open OR "new".memo = CAST('closed' AS TEXT)) IS NOT true) THEN 4 END, CASE WHEN (("new".cost IS NULL OR anon_2.a0 <= "new".cost) IS NOT true) THEN 5 END, CASE WHEN ((("new".memo IS DISTINCT FROM CAST('divide' AS TEXT) OR round(round(("new".cost * 1.0000000000000000000000000000000000000000) / CAST(nullif(CAST("new".qty AS NUMERIC), 0) AS NUMERIC), 18), 12) > 1) AND (("new".memo IS DISTINCT FROM CAST('divide' AS TEXT)) IS NOT true AND "new".qty = 0 AND "new".cost IS NOT NULL) IS NOT true) IS NOT true) THEN CASE CASE WHEN (("new".memo IS DISTINCT FROM CAST('divide' AS TEXT)) IS NOT true) THEN CASE WHEN ("new".qty = 0 AND "new".cost IS NOT NULL) THEN 'DIV0' ELSE NULL END ELSE NULL END WHEN 'DIV0' THEN 50006 WHEN 'NUM' THEN 60006 WHEN 'VALUE' THEN 70006 WHEN 'DATE' THEN 80006 WHEN 'REF' THEN 90006 WHEN 'OVERFLOW' THEN 100006 WHEN 'LIMIT' THEN 110006 WHEN 'CUSTOM' THEN 120006 ELSE 6 END END, CASE WHEN ("new"._old_stage IN (CAST('dropped' AS TEXT)) AND CAST('planned' AS TEXT) != "new"._old_stage) THEN CASE WHEN (false IS NOT true) THEN 7 END END, CASE WHEN ("new"._old_stage IN (CAST('void' AS TEXT)) AND CAST('planned' AS TEXT) != "new"._old_stage) THEN CASE WHEN (false IS NOT true) THEN 8 END END, CASE WHEN ("new"._old_stage IN (CAST('done' AS TEXT))) THEN CASE WHEN (false IS NOT true) THEN 9 END END, CASE WHEN ("new"._old_stage IN (CAST('draft' AS TEXT))) THEN CASE WHEN (("new".qty > 0) IS NOT true) THEN 10 END END, CASE WHEN (("new".due IS NOT NULL) IS NOT true) THEN 11 END, CASE WHEN (CAST('planned' AS TEXT) != "new"._old_stage) THEN CASE WHEN (("new".cost > 0) IS NOT true) THEN 12 END END, CASE WHEN ("new"._version != "new"._old_version) THEN -2 END] AS INTEGER[]), NULL) AS broken
FROM "new" LEFT OUTER JOIN t_yard.site AS site_1 ON site_1.id = "new".site AND site_1.deleted_at IS NULL LEFT OUTER JOIN LATERAL (SELECT coalesce(sum(part_1.price), 0) AS a0
FROM t_yard.part AS part_1
WHERE part_1.job = "new".id AND part_1.deleted_at IS NULL) AS anon_2 ON true UNION ALL SELECT raw._ord AS _ord, CAST(ARRAY[-1] AS INTEGER[]) AS anon_3
FROM raw
WHERE NOT (EXISTS (SELECT *
FROM "new"
WHERE "new"._ord = raw._ord))),
gate AS MATERIALIZED
(SELECT fieldwright.refuse_if((SELECT jsonb_agg(jsonb_build_array(judged._ord, judged.broken)) AS jsonb_agg_1
FROM judged
WHERE cardinality(judged.broken) > 0)) AS open),
written AS
(UPDATE t_yard.job SET version="new".version, owner="new".owner, modified_at="new".modified_at, modified_by="new".modified_by, deleted_at="new".deleted_at, deleted_batch="new".deleted_batch, qty="new".qty, stage="new".stage, stage__entered_at="new".stage__entered_at FROM "new", gate WHERE t_yard.job.id = "new".id AND gate.open),
history AS
(INSERT INTO t_yard._history (object, record, version, kind, at, actor, door, request_id, changes) SELECT 'job' AS anon_4, "new".id AS id, "new".version AS version, 'changed' AS anon_5, $1::TIMESTAMP WITH TIME ZONE AS anon_6, $2::UUID AS anon_7, $4::VARCHAR AS anon_8, $5::VARCHAR AS anon_9, jsonb_strip_nulls(jsonb_build_object('qty', CASE WHEN ("new".qty IS DISTINCT FROM "new"._old_qty) THEN jsonb_build_array("new"._old_qty, "new".qty) END, 'stage', CASE WHEN ("new".stage IS DISTINCT FROM "new"._old_stage) THEN jsonb_build_array("new"._old_stage, "new".stage) END, 'owner', CASE WHEN ("new".owner IS DISTINCT FROM "new"._old_owner) THEN jsonb_build_array("new"._old_owner, "new".owner) END)) AS jsonb_strip_nulls_1
FROM "new" JOIN gate ON true
WHERE gate.open),
entered AS
(INSERT INTO t_yard._stage_history (object, record, field, process, process_version, stage, previous, entered_at, actor, reason, door) SELECT 'job' AS anon_10, "new".id AS id, 'stage' AS anon_11, 'job_life' AS anon_12, 1 AS anon_13, "new".stage AS stage, "new"._old_stage AS _old_stage, "new".stage__entered_at AS stage__entered_at, $2::UUID AS anon_14, "new"._reason AS _reason, $4::VARCHAR AS anon_15
FROM "new" JOIN gate ON true
WHERE gate.open AND "new".stage IS DISTINCT FROM "new"._old_stage),
left_stage AS
(UPDATE t_yard._stage_history SET left_at="new".stage__entered_at FROM "new", gate WHERE t_yard._stage_history.object = 'job' AND t_yard._stage_history.record = "new".id AND t_yard._stage_history.field = 'stage' AND t_yard._stage_history.left_at IS NULL AND "new".stage IS DISTINCT FROM "new"._old_stage AND gate.open),
events AS
(INSERT INTO t_yard._event (object, record, version, kind, at, actor, depth) SELECT 'job' AS anon_16, "new".id AS id, "new".version AS version, 'changed' AS anon_17, $1::TIMESTAMP WITH TIME ZONE AS anon_18, $2::UUID AS anon_19, $6::INTEGER AS anon_20
FROM "new" JOIN gate ON true
WHERE gate.open)
 SELECT (SELECT CAST(row_to_json(r) AS TEXT) AS row_to_json_1
FROM (SELECT "new".id AS id, "new".name AS name, "new".stage AS stage
FROM "new"
WHERE "new".owner = $2::UUID OR "new".who = $2::UUID) AS r) AS anon_21, CAST(json_build_array(json_build_array("new".id, "new".version)) AS TEXT) AS json_build_array_1
FROM gate LEFT OUTER JOIN "new" ON true
WHERE gate.open
