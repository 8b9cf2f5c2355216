WITH grouped AS
(SELECT t.kind AS kind, coalesce(sum(anon_2.a0), 0) AS parts
FROM t_yard.job AS t LEFT OUTER JOIN LATERAL (SELECT coalesce(sum(part_1.price), 0) AS a0
FROM t_yard.part AS part_1
WHERE part_1.job = t.id AND part_1.deleted_at IS NULL AND (NOT part_1.bad)) AS anon_2 ON true
WHERE t.deleted_at IS NULL AND (t.owner = $1::UUID OR t.who = $1::UUID) AND t.cost > $2::BIGINT GROUP BY 1)
 SELECT (SELECT coalesce(CAST(json_agg(r) AS TEXT), '[]') AS coalesce_1
FROM (SELECT grouped.kind AS kind, grouped.parts AS parts
FROM grouped ORDER BY CASE WHEN (grouped.kind = 'small') THEN 0 WHEN (grouped.kind = 'large') THEN 1 WHEN (grouped.kind = 'old') THEN 2 END ASC NULLS LAST
 LIMIT $3::BIGINT) AS r) AS anon_1, CAST(NULL AS TEXT) AS anon_3
