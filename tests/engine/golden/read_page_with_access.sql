WITH page AS
(SELECT t.id AS id, t.site AS site, t.id AS _k0
FROM t_yard.job AS t LEFT OUTER JOIN t_yard.site AS site_2 ON site_2.id = t.site AND site_2.deleted_at IS NULL AND site_2.open
WHERE t.deleted_at IS NULL AND (t.owner = $1::UUID OR t.who = $1::UUID) AND site_2.zone = $2::VARCHAR ORDER BY t.id ASC
 LIMIT 50 + 1)
 SELECT (SELECT coalesce(CAST(json_agg(r) AS TEXT), '[]') AS coalesce_1
FROM (SELECT page.id AS id, site_1.name AS "site.name", anon_2.a0 AS priced
FROM page LEFT OUTER JOIN t_yard.site AS site_1 ON site_1.id = page.site AND site_1.deleted_at IS NULL AND site_1.open LEFT OUTER JOIN LATERAL (SELECT coalesce(sum(part_1.price), 0) AS a0
FROM t_yard.part AS part_1
WHERE part_1.job = page.id AND part_1.deleted_at IS NULL AND (NOT part_1.bad)) AS anon_2 ON true ORDER BY page._k0 ASC
 LIMIT 50) AS r) AS anon_1, (SELECT CAST(json_build_object('ends', json_agg(json_build_array(CAST(e._k0 AS TEXT))), 'count', (SELECT count(*) AS count_1
FROM t_yard.job AS t LEFT OUTER JOIN t_yard.site AS site_2 ON site_2.id = t.site AND site_2.deleted_at IS NULL AND site_2.open
WHERE t.deleted_at IS NULL AND (t.owner = $1::UUID OR t.who = $1::UUID) AND site_2.zone = $2::VARCHAR)) AS TEXT) AS json_build_object_1
FROM (SELECT page._k0 AS _k0
FROM page ORDER BY page._k0 ASC
 LIMIT 2 OFFSET 50 - 1) AS e) AS anon_3
