-- Working time by a calendar. Microseconds are counted, minutes and days are numbered, from Monday 0001-01-01 on.
--
-- The week: minutes of the week at which work begins (`opens`) and ends (`closes`), the minutes worked `before` each,
-- and in all (`total`). Days that differ from it, sorted: their numbers (`days`), whose hours they have (`hours`: 1 is
-- Monday, 0 is none), and the minutes worked since the beginning when they are over (`reached`).
-- Changes of the clock during work, sorted: their instants (`shifts`, seconds since 1970), by how many minutes the
-- hours of the clock are ahead of the time that passed (`ahead`), the minutes worked until then (`done`), and by how
-- many minutes the clock was put back (`back`).

-- a / b, rounded down.
CREATE OR REPLACE FUNCTION fieldwright.floor_over(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT (a - mod(mod(a, b) + b, b)) / b $$;

-- Microseconds of work until a moment, in weeks without exceptions.
CREATE OR REPLACE FUNCTION fieldwright.work_in_weeks(
    moment bigint, opens integer[], closes integer[], before integer[], total integer
) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    minute CONSTANT bigint := 60000000;
    week bigint := fieldwright.floor_over(moment, 10080 * minute);
    rest bigint := moment - week * 10080 * minute;
    n integer := width_bucket((rest / minute)::integer, opens);
BEGIN
    IF n = 0 THEN
        RETURN week * total * minute;
    END IF;
    RETURN (week * total + before[n] - opens[n]) * minute + least(rest, closes[n] * minute);
END
$$;

-- Microseconds of work until a moment.
CREATE OR REPLACE FUNCTION fieldwright.worked_until(
    moment timestamptz, zone text, opens integer[], closes integer[], before integer[], total integer,
    days integer[], hours integer[], reached bigint[], shifts bigint[], ahead integer[]
) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    minute CONSTANT bigint := 60000000;
    local bigint := ((extract(epoch FROM pg_catalog.timezone(zone, moment)) + 62135596800) * 1000000)::bigint;
    day integer := fieldwright.floor_over(local, 1440 * minute)::integer;
    n integer := width_bucket(day, days);
    ends bigint;
    found bigint;
BEGIN
    IF n = 0 THEN
        found := fieldwright.work_in_weeks(local, opens, closes, before, total);
    ELSIF days[n] < day THEN
        ends := (days[n] + 1) * 1440 * minute;
        found := reached[n] * minute + fieldwright.work_in_weeks(local, opens, closes, before, total)
            - fieldwright.work_in_weeks(ends, opens, closes, before, total);
    ELSE
        found := reached[n] * minute;
        IF hours[n] > 0 THEN
            -- As on the day of the week whose hours it has, counted back from its end.
            ends := hours[n] * 1440 * minute;
            found := found + fieldwright.work_in_weeks(ends + local - (day + 1) * 1440 * minute, opens, closes, before, total)
                - fieldwright.work_in_weeks(ends, opens, closes, before, total);
        END IF;
    END IF;
    IF cardinality(shifts) > 0 THEN
        n := width_bucket(floor(extract(epoch FROM moment))::bigint, shifts);
        found := found - coalesce(ahead[n], 0) * minute;
    END IF;
    RETURN found;
END
$$;

-- The moment at which so many microseconds of work are done: the first one, or the `late` one, after the time without
-- work that follows. NULL outside of the years 1 to 9999.
CREATE OR REPLACE FUNCTION fieldwright.work_done(
    work numeric, late boolean, zone text, opens integer[], closes integer[], before integer[], total integer,
    days integer[], hours integer[], reached bigint[],
    shifts bigint[], ahead integer[], done bigint[], back integer[]
) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    minute CONSTANT bigint := 60000000;
    step CONSTANT integer := CASE WHEN late THEN 0 ELSE 1 END;
    wanted bigint;
    shift integer;
    n integer;
    ends bigint;
    inside bigint;
    week bigint;
    place integer;
    local bigint;
    found timestamptz;
BEGIN
    IF abs(work) > 4.0e17 OR abs(work) / total > 600000.0 * minute THEN
        RETURN NULL;
    END IF;
    wanted := work::bigint;
    shift := width_bucket(fieldwright.floor_over(wanted - step, minute), done);
    wanted := wanted + coalesce(ahead[shift], 0) * minute;
    n := width_bucket(fieldwright.floor_over(wanted - step, minute), reached);
    IF n < cardinality(days) AND hours[n + 1] > 0 THEN
        ends := hours[n + 1] * 1440 * minute;
        inside := wanted - reached[n + 1] * minute + fieldwright.work_in_weeks(ends, opens, closes, before, total);
        IF inside - step < fieldwright.work_in_weeks(ends - 1440 * minute, opens, closes, before, total) THEN
            ends := NULL;
        END IF;
    END IF;
    IF ends IS NULL THEN
        inside := wanted;
        IF n > 0 THEN
            inside := inside - reached[n] * minute
                + fieldwright.work_in_weeks((days[n] + 1) * 1440 * minute, opens, closes, before, total);
        END IF;
    END IF;
    week := fieldwright.floor_over(inside - step, total * minute);
    inside := inside - week * total * minute;
    place := width_bucket(((inside - step) / minute)::integer, before);
    local := (week * 10080 + opens[place] - before[place]) * minute + inside;
    IF ends IS NOT NULL THEN
        local := local - ends + (days[n + 1] + 1) * 1440 * minute;
    END IF;
    IF local < -1440 * minute OR local > 315537984000000000 THEN
        RETURN NULL;
    END IF;
    found := pg_catalog.timezone(zone, timestamp '0001-01-01' + (local / 1000000) * interval '1 second'
        + mod(local, 1000000) * interval '1 microsecond');
    IF shift < cardinality(shifts) AND back[shift + 1] > 0 AND extract(epoch FROM found) >= shifts[shift + 1] THEN
        -- The first of two times that the clock shows alike.
        found := found - back[shift + 1] * interval '1 minute';
    END IF;
    IF found < timestamptz '0001-01-01 00:00:00+00' OR found > timestamptz '9999-12-31 23:59:59.999999+00' THEN
        RETURN NULL;
    END IF;
    RETURN found;
END
$$;
