-- What NPV stands for: the sum of the amounts, the i-th of them divided by (1 + rate)^i; blank ones take no period. NULL
-- where the rate is blank or -1, 10^100 where the sum is that large or larger.
CREATE OR REPLACE FUNCTION fieldwright.present_value(amounts numeric[], rate numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    growth numeric := 1 + rate;
    known numeric[] := coalesce(array_remove(amounts, NULL), '{}');
    places integer;
    worth numeric := 0;
BEGIN
    IF rate IS NULL OR growth = 0 THEN
        RETURN NULL;
    END IF;
    -- 100 places, and those that a division by less than 1 at each period would take.
    places := least(100 - cardinality(known) * least(log(abs(growth)), 0), 1000);
    FOR i IN REVERSE cardinality(known)..1 LOOP
        worth := (known[i] + round(worth, places)) / growth;
        -- No amount brings it back.
        IF abs(worth) >= 1E+140 THEN
            RETURN 1E+100;
        END IF;
    END LOOP;
    RETURN CASE WHEN abs(worth) < 1E+100 THEN round(worth, 18) ELSE 1E+100 END;
END
$$;

GRANT EXECUTE ON FUNCTION fieldwright.present_value(numeric[], numeric) TO PUBLIC;
