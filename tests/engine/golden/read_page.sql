WITH page AS
(SELECT t.id AS id, t.name AS name, t.due AS _k0, t.id AS _k1
FROM t_yard.job AS t
WHERE t.deleted_at IS NULL AND t.cost > $1::BIGINT AND t.kind = $2::VARCHAR ORDER BY t.due DESC, t.id DESC
 LIMIT 50 + 1)
 SELECT (SELECT coalesce(CAST(json_agg(r) AS TEXT), '[]') AS coalesce_1
FROM (SELECT page.id AS id, page.name AS name
FROM page ORDER BY page._k0 DESC, page._k1 DESC
 LIMIT 50) AS r) AS anon_1, (SELECT CAST(json_build_object('ends', json_agg(json_build_array(CAST(e._k0 AS TEXT), CAST(e._k1 AS TEXT))), 'count', NULL) AS TEXT) AS json_build_object_1
FROM (SELECT page._k0 AS _k0, page._k1 AS _k1
FROM page ORDER BY page._k0 DESC, page._k1 DESC
 LIMIT 2 OFFSET 50 - 1) AS e) AS anon_2
