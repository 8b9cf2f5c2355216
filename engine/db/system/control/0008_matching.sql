-- Texts compared for duplicates. A text's trigrams are those of pg_trgm, which takes the similarity of texts as the
-- share of trigrams that they have in common (https://www.postgresql.org/docs/current/pgtrgm.html); here they are of
-- characters, whatever the locale of the database.

-- What is left of a folded text without spaces and punctuation; NULL where nothing is.
CREATE FUNCTION fieldwright.match_text(folded text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT nullif(pg_catalog.regexp_replace(
        folded,
        '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF\u2000-\u206F\u3000-\u3004\u3008-\u3020\u3030\u30FB\uFE10-\uFE1F\uFE30-\uFE4F]+',
        '', 'g'
    ), '')
$$;

-- The digits of a telephone number; a leading 00 is the + of others.
CREATE FUNCTION fieldwright.match_phone(number text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT nullif(pg_catalog.regexp_replace(pg_catalog.regexp_replace(number, '[^0-9]+', '', 'g'), '^00', ''), '')
$$;

-- The different trigrams of a text with two spaces before and one behind it, in the order of their first places.
CREATE FUNCTION fieldwright.trigrams(word text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT array_agg(gram ORDER BY place) FROM (
        SELECT substr('  ' || word || ' ', n, 3) AS gram, min(n) AS place
        FROM generate_series(1, char_length(word) + 1) AS n GROUP BY 1
    ) AS grams
$$;

-- The share of common trigrams among all that two texts have, 0 to 1.
CREATE FUNCTION fieldwright.similarity(one text[], other text[]) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT common::numeric / (cardinality(one) + cardinality(other) - common)
    FROM (SELECT count(*) AS common FROM unnest(one) AS gram WHERE gram = ANY (other)) AS counted
$$;

-- The first, and the last, trigrams of a text that are so many that no text of which `at_least` that share is common
-- can be without all of them.
CREATE FUNCTION fieldwright.first_telling(grams text[], at_least numeric) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT grams[1:cardinality(grams) - ceil(cardinality(grams) * at_least)::integer + 1]
$$;

CREATE FUNCTION fieldwright.last_telling(grams text[], at_least numeric) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT grams[ceil(cardinality(grams) * at_least)::integer:]
$$;
