-- What formulas need of texts beyond PostgreSQL's own functions. They depend on nothing but their arguments;
-- array_to_string is only called with texts, for which it is immutable.

-- The parts with the separator between them: blank ones left out where `blank` is NULL, else written as `blank`.
CREATE OR REPLACE FUNCTION fieldwright.text_join(parts text[], separator text, blank text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT array_to_string(parts, separator, blank) $$;

-- The nth occurrence of `old` replaced, the text as it is where there are not so many.
CREATE OR REPLACE FUNCTION fieldwright.text_replace(value text, old text, new text, nth integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
AS $$
    SELECT CASE WHEN nth BETWEEN 1 AND cardinality(parts) - 1
                THEN array_to_string(parts[:nth], old) || new || array_to_string(parts[nth + 1:], old)
                ELSE value END
    FROM (SELECT string_to_array(value, old) AS parts) AS split
$$;

-- Percent-encoded as RFC 3986 says: every byte of the UTF-8 form but those of letters, digits and - . _ ~
CREATE OR REPLACE FUNCTION fieldwright.text_url(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
AS $$
    SELECT string_agg(
        CASE WHEN part COLLATE "C" ~ '^[A-Za-z0-9._~-]$' THEN part
             ELSE regexp_replace(
                 upper(encode(decode(replace(part, '\', '\\'), 'escape'), 'hex')), '(..)', '%\1', 'g') END,
        '' ORDER BY place)
    FROM unnest(string_to_array(value, NULL)) WITH ORDINALITY AS parts (part, place)
$$;
