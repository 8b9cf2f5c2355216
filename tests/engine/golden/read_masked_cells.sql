WITH page AS
(SELECT t.id AS id, t.owner AS owner, t.who AS who, t.cost AS cost, t.qty AS qty, t.site AS site, t.id AS _k0
FROM t_yard.job AS t
WHERE t.deleted_at IS NULL ORDER BY t.id ASC
 LIMIT 50 + 1)
 SELECT (SELECT coalesce(CAST(json_agg(r) AS TEXT), '[]') AS coalesce_1
FROM (SELECT page.id AS id, CASE WHEN ((page.owner = $1::UUID OR page.who = $1::UUID) IS NULL) THEN NULL WHEN (page.owner = $1::UUID OR page.who = $1::UUID) THEN page.cost ELSE CAST(NULL AS NUMERIC) END AS cost, CASE WHEN ((page.owner = $1::UUID OR page.who = $1::UUID) IS NULL) THEN NULL WHEN (page.owner = $1::UUID OR page.who = $1::UUID) THEN round(CASE WHEN ((page.owner = $1::UUID OR page.who = $1::UUID) IS NULL) THEN NULL WHEN (page.owner = $1::UUID OR page.who = $1::UUID) THEN page.cost ELSE CAST(NULL AS NUMERIC) END * CAST(page.qty AS NUMERIC), 2) ELSE CAST(NULL AS NUMERIC) END AS total, site_1.zone AS "site.zone"
FROM page LEFT OUTER JOIN t_yard.site AS site_1 ON site_1.id = page.site AND site_1.deleted_at IS NULL ORDER BY page._k0 ASC
 LIMIT 50) AS r) AS anon_1, (SELECT CAST(json_build_object('ends', json_agg(json_build_array(CAST(e._k0 AS TEXT))), 'count', NULL) AS TEXT) AS json_build_object_1
FROM (SELECT page._k0 AS _k0
FROM page ORDER BY page._k0 ASC
 LIMIT 2 OFFSET 50 - 1) AS e) AS anon_2
