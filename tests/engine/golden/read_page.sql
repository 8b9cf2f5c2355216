WITH page AS
(SELECT t.id AS id, t.name AS name, t.due AS _k0, t.id AS _k1
FROM t_yard.job AS t
WHERE t.deleted_at IS NULL AND t.cost > $1::BIGINT AND t.kind = $2::VARCHAR ORDER BY t.due DESC, t.id DESC
 LIMIT $3::BIGINT + 1)
 SELECT (SELECT coalesce(CAST(json_agg(r) AS TEXT), '[]') AS coalesce_1
FROM (SELECT page.id AS id, page.name AS name
FROM page ORDER BY page._k0 DESC, page._k1 DESC
 LIMIT $3::BIGINT) AS r) AS anon_1, CAST(json_build_object('last', CASE WHEN ((SELECT count(*) AS count_1
FROM page) > $3::BIGINT) THEN (SELECT json_build_array(CAST(page._k0 AS TEXT), CAST(page._k1 AS TEXT)) AS json_build_array_1
FROM page ORDER BY page._k0 DESC, page._k1 DESC
 LIMIT 1 OFFSET $3::BIGINT - 1) END, 'count', NULL) AS TEXT) AS json_build_object_1
