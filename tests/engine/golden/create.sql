WITH raw AS MATERIALIZED
(SELECT anon_1._ord AS _ord, anon_1.id AS id, anon_1._version AS _version, anon_1._reason AS _reason, anon_1._absent AS _absent, anon_1.owner AS owner, anon_1.name AS name, anon_1.code AS code, anon_1.site AS site, CAST(NULL AS TEXT) AS kind, CAST(NULL AS TEXT) AS shape, CAST(NULL AS TEXT[]) AS tags, CAST(NULL AS BIGINT) AS qty, CAST(NULL AS NUMERIC) AS weight, CAST(NULL AS NUMERIC) AS exact, CAST(NULL AS NUMERIC) AS ratio, CAST(NULL AS NUMERIC) AS cost, CAST(NULL AS NUMERIC) AS secret, CAST(NULL AS DATE) AS due, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS at, CAST(NULL AS BOOLEAN) AS urgent, CAST(NULL AS TEXT) AS mail, CAST(NULL AS TEXT) AS phone, CAST(NULL AS TEXT) AS link, CAST(NULL AS TEXT) AS memo, CAST(NULL AS UUID) AS who, CAST(NULL AS TEXT) AS why, CAST(NULL AS TEXT) AS stage
FROM json_to_recordset($3::JSON) AS anon_1(_ord INTEGER, id UUID, _version BIGINT, _reason TEXT, _absent TEXT[], owner UUID, name TEXT, code TEXT, site UUID)
 LIMIT 1),
"new" AS MATERIALIZED
(SELECT raw._ord AS _ord, raw._reason AS _reason, raw.id AS id, 1 AS version, coalesce(raw.owner, $1::UUID) AS owner, $2::TIMESTAMP WITH TIME ZONE AS created_at, $1::UUID AS created_by, $2::TIMESTAMP WITH TIME ZONE AS modified_at, $1::UUID AS modified_by, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS deleted_at, CAST(NULL AS UUID) AS deleted_batch, raw.name AS name, raw.code AS code, raw.site AS site, CAST(CAST('small' AS TEXT) AS TEXT) AS kind, raw.shape AS shape, raw.tags AS tags, raw.qty AS qty, raw.weight AS weight, raw.exact AS exact, raw.ratio AS ratio, raw.cost AS cost, raw.secret AS secret, raw.due AS due, raw.at AS at, coalesce(raw.urgent, CAST(false AS BOOLEAN)) AS urgent, raw.mail AS mail, raw.phone AS phone, raw.link AS link, raw.memo AS memo, raw.who AS who, raw.why AS why, CAST(CAST('draft' AS TEXT) AS TEXT) AS stage, $2::TIMESTAMP WITH TIME ZONE AS stage__entered_at
FROM raw),
judged AS
(SELECT "new"._ord AS _ord, array_remove(CAST(ARRAY[CASE WHEN NOT coalesce("new".owner = $1::UUID AND ("new".cost IS NULL OR "new".cost <= 500), false) THEN 0 END, CASE WHEN (("new".name IS NOT NULL) IS NOT true) THEN 1 END, CASE WHEN ("new".qty > 500) THEN CASE WHEN (("new".why IS NOT NULL) IS NOT true) THEN 2 END END, CASE WHEN (("old".name IS NULL) IS NOT true) THEN 3 END, CASE WHEN (("new".site IS NULL OR site_1.open OR "new".memo = CAST('closed' AS TEXT)) IS NOT true) THEN 4 END, CASE WHEN ((("new".memo IS DISTINCT FROM CAST('divide' AS TEXT)) IS NOT true AND "new".qty = 0 AND "new".cost IS NOT NULL) IS true) THEN 10005 ELSE CASE WHEN ((("new".memo IS DISTINCT FROM CAST('divide' AS TEXT) OR round(round(("new".cost * 1.0000000000000000000000000000000000000000) / CAST(nullif(CAST("new".qty AS NUMERIC), 0) AS NUMERIC), 18), 12) > 1) AND (("new".memo IS DISTINCT FROM CAST('divide' AS TEXT)) IS NOT true AND "new".qty = 0 AND "new".cost IS NOT NULL) IS NOT true) IS NOT true) THEN 5 END END, CASE WHEN (("new".stage IN (CAST('draft' AS TEXT), CAST('planned' AS TEXT))) IS NOT true) THEN 6 END, CASE WHEN ("new".stage IN (CAST('planned' AS TEXT))) THEN CASE WHEN (("new".due IS NOT NULL) IS NOT true) THEN 7 END END, CASE WHEN ("new".stage IN (CAST('planned' AS TEXT))) THEN CASE WHEN (("new".cost > 0) IS NOT true) THEN 8 END END, CASE WHEN ("new".stage IN (CAST('dropped' AS TEXT))) THEN CASE WHEN (("new".memo IS NOT NULL) IS NOT true) THEN 9 END END, CASE WHEN ("new".site IS NOT NULL AND NOT (EXISTS (SELECT 1 AS anon_2
FROM t_yard.site AS site_2
WHERE site_2.id = "new".site AND site_2.deleted_at IS NULL AND site_2.open))) THEN 20000 END, CASE WHEN (EXISTS (SELECT 1 AS anon_3
FROM t_yard.job AS job_1
WHERE "new".code = job_1.code AND job_1.id != "new".id AND job_1.deleted_at IS NULL)) THEN 30000 END, CASE WHEN (EXISTS (SELECT 1 AS anon_4
FROM t_yard.job AS job_2
WHERE "new".site = job_2.site AND "new".name = job_2.name AND job_2.id != "new".id AND job_2.deleted_at IS NULL)) THEN 30001 END] AS INTEGER[]), NULL) AS broken
FROM "new" JOIN (SELECT CAST(NULL AS UUID) AS id, CAST(NULL AS BIGINT) AS version, CAST(NULL AS UUID) AS owner, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS created_at, CAST(NULL AS UUID) AS created_by, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS modified_at, CAST(NULL AS UUID) AS modified_by, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS deleted_at, CAST(NULL AS UUID) AS deleted_batch, CAST(NULL AS TEXT) AS name, CAST(NULL AS TEXT) AS code, CAST(NULL AS UUID) AS site, CAST(NULL AS TEXT) AS kind, CAST(NULL AS TEXT) AS shape, CAST(NULL AS TEXT[]) AS tags, CAST(NULL AS BIGINT) AS qty, CAST(NULL AS NUMERIC) AS weight, CAST(NULL AS NUMERIC) AS exact, CAST(NULL AS NUMERIC) AS ratio, CAST(NULL AS NUMERIC) AS cost, CAST(NULL AS NUMERIC) AS secret, CAST(NULL AS DATE) AS due, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS at, CAST(NULL AS BOOLEAN) AS urgent, CAST(NULL AS TEXT) AS mail, CAST(NULL AS TEXT) AS phone, CAST(NULL AS TEXT) AS link, CAST(NULL AS TEXT) AS memo, CAST(NULL AS UUID) AS who, CAST(NULL AS TEXT) AS why, CAST(NULL AS TEXT) AS stage, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS stage__entered_at) AS "old" ON true LEFT OUTER JOIN t_yard.site AS site_1 ON site_1.id = "new".site AND site_1.deleted_at IS NULL),
gate AS MATERIALIZED
(SELECT fieldwright.refuse_if((SELECT jsonb_agg(jsonb_build_array(judged._ord, judged.broken)) AS jsonb_agg_1
FROM judged
WHERE cardinality(judged.broken) > 0)) AS open),
written AS
(INSERT INTO t_yard.job (id, version, owner, created_at, created_by, modified_at, modified_by, deleted_at, deleted_batch, name, code, site, kind, shape, tags, qty, weight, exact, ratio, cost, secret, due, at, urgent, mail, phone, link, memo, who, why, stage, stage__entered_at) SELECT "new".id AS id, "new".version AS version, "new".owner AS owner, "new".created_at AS created_at, "new".created_by AS created_by, "new".modified_at AS modified_at, "new".modified_by AS modified_by, "new".deleted_at AS deleted_at, "new".deleted_batch AS deleted_batch, "new".name AS name, "new".code AS code, "new".site AS site, "new".kind AS kind, "new".shape AS shape, "new".tags AS tags, "new".qty AS qty, "new".weight AS weight, "new".exact AS exact, "new".ratio AS ratio, "new".cost AS cost, "new".secret AS secret, "new".due AS due, "new".at AS at, "new".urgent AS urgent, "new".mail AS mail, "new".phone AS phone, "new".link AS link, "new".memo AS memo, "new".who AS who, "new".why AS why, "new".stage AS stage, "new".stage__entered_at AS stage__entered_at
FROM "new" JOIN gate ON true
WHERE gate.open),
history AS
(INSERT INTO t_yard._history (object, record, version, kind, at, actor, door, request_id, changes) SELECT 'job' AS anon_5, "new".id AS id, "new".version AS version, 'created' AS anon_6, $2::TIMESTAMP WITH TIME ZONE AS anon_7, $1::UUID AS anon_8, $4::VARCHAR AS anon_9, $5::VARCHAR AS anon_10, jsonb_strip_nulls(jsonb_build_object('name', "new".name, 'code', "new".code, 'site', "new".site, 'kind', "new".kind, 'shape', "new".shape, 'tags', "new".tags, 'qty', "new".qty, 'weight', "new".weight, 'exact', "new".exact, 'ratio', "new".ratio, 'cost', "new".cost, 'secret', "new".secret, 'due', "new".due, 'at', "new".at, 'urgent', "new".urgent, 'mail', "new".mail, 'phone', "new".phone, 'link', "new".link, 'memo', "new".memo, 'who', "new".who, 'why', "new".why, 'stage', "new".stage, 'owner', "new".owner)) AS jsonb_strip_nulls_1
FROM "new" JOIN gate ON true
WHERE gate.open),
entered AS
(INSERT INTO t_yard._stage_history (object, record, field, stage, previous, entered_at, actor, reason, door) SELECT 'job' AS anon_11, "new".id AS id, 'stage' AS anon_12, "new".stage AS stage, CAST(NULL AS TEXT) AS anon_13, "new".stage__entered_at AS stage__entered_at, $1::UUID AS anon_14, "new"._reason AS _reason, $4::VARCHAR AS anon_15
FROM "new" JOIN gate ON true
WHERE gate.open AND "new".stage IS DISTINCT FROM CAST(NULL AS TEXT)),
events AS
(INSERT INTO t_yard._event (object, record, version, kind, at, actor, depth) SELECT 'job' AS anon_16, "new".id AS id, "new".version AS version, 'created' AS anon_17, $2::TIMESTAMP WITH TIME ZONE AS anon_18, $1::UUID AS anon_19, $6::INTEGER AS anon_20
FROM "new" JOIN gate ON true
WHERE gate.open)
 SELECT (SELECT CAST(row_to_json(r) AS TEXT) AS row_to_json_1
FROM (SELECT "new".id AS id, "new".name AS name, "new".stage AS stage
FROM "new"
WHERE "new".owner = $1::UUID OR "new".who = $1::UUID) AS r) AS anon_21, CAST(NULL AS TEXT) AS anon_13
FROM gate
WHERE gate.open
