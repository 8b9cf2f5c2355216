WITH page AS
(SELECT t.id AS id, coalesce(anon_3.a0, (SELECT coalesce(sum(part_1.price), 0) AS coalesce_2
FROM t_yard.part AS part_1
WHERE false)) AS _k0, t.id AS _k1
FROM t_yard.job AS t LEFT OUTER JOIN (SELECT coalesce(sum(part_1.price), 0) AS a0, part_1.job AS via
FROM t_yard.part AS part_1
WHERE part_1.deleted_at IS NULL GROUP BY part_1.job) AS anon_3 ON anon_3.via = t.id
WHERE t.deleted_at IS NULL AND coalesce(anon_3.a0, (SELECT coalesce(sum(part_1.price), 0) AS coalesce_2
FROM t_yard.part AS part_1
WHERE false)) > $1::BIGINT ORDER BY coalesce(anon_3.a0, (SELECT coalesce(sum(part_1.price), 0) AS coalesce_2
FROM t_yard.part AS part_1
WHERE false)) DESC, t.id DESC
 LIMIT 50 + 1)
 SELECT (SELECT coalesce(CAST(json_agg(r) AS TEXT), '[]') AS coalesce_1
FROM (SELECT page.id AS id, anon_2.a0 AS priced
FROM page LEFT OUTER JOIN LATERAL (SELECT coalesce(sum(part_2.price), 0) AS a0
FROM t_yard.part AS part_2
WHERE part_2.job = page.id AND part_2.deleted_at IS NULL) AS anon_2 ON true ORDER BY page._k0 DESC, page._k1 DESC
 LIMIT 50) AS r) AS anon_1, (SELECT CAST(json_build_object('ends', json_agg(json_build_array(CAST(e._k0 AS TEXT), CAST(e._k1 AS TEXT))), 'count', NULL) AS TEXT) AS json_build_object_1
FROM (SELECT page._k0 AS _k0, page._k1 AS _k1
FROM page ORDER BY page._k0 DESC, page._k1 DESC
 LIMIT 2 OFFSET 50 - 1) AS e) AS anon_4
