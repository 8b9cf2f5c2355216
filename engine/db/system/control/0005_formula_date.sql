-- Lists of holidays that are only known when a row is read, as the sorted numbers that `width_bucket` searches. A day's
-- number counts the days from Monday to Friday up to it, from the week before 0001-01-01 on.

-- The numbers of the dates that fall on Monday to Friday, each once.
CREATE OR REPLACE FUNCTION fieldwright.days_off(dates date[]) RETURNS integer[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT ARRAY(
        SELECT DISTINCT 5 * (place / 7) + mod(place, 7) + 1
        FROM unnest(dates) AS days (one), LATERAL (SELECT one - DATE '0001-01-01' + 7 AS place) AS numbered
        WHERE mod(place, 7) < 5 ORDER BY 1)
$$;

-- How many working days lie before each of the days off.
CREATE OR REPLACE FUNCTION fieldwright.days_passed(off integer[]) RETURNS integer[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
AS $$
    SELECT ARRAY(SELECT (number - place)::integer FROM unnest(off) WITH ORDINALITY AS days (number, place) ORDER BY place)
$$;
