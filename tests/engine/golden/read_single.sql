SELECT CAST(row_to_json(r) AS TEXT) AS row_to_json_1, CAST(t.version AS TEXT) AS version
FROM t_yard.job AS t LEFT OUTER JOIN t_yard.site AS site_1 ON site_1.id = t.site AND site_1.deleted_at IS NULL JOIN LATERAL (SELECT t.id AS id, t.name AS name, round(t.cost * CAST(t.qty AS NUMERIC), 2) AS total, site_1.name AS "site.name") AS r ON true
WHERE t.deleted_at IS NULL AND t.id = $1::UUID
