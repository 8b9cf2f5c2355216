-- What COMBIN stands for: the number of combinations of k out of n whole numbers; NULL where there is none, 10^100 where
-- there are that many or more. Each step of the product is a whole number, and at least doubles it until it is there.
CREATE OR REPLACE FUNCTION fieldwright.combinations(n numeric, k numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    found numeric := 1;
    least_k numeric := least(k, n - k);
    i numeric := 1;
BEGIN
    IF n < 0 OR k < 0 OR k > n THEN
        RETURN NULL;
    END IF;
    WHILE i <= least_k LOOP
        found := div(found * (n - least_k + i), i);
        IF found >= 1E+100 THEN
            RETURN 1E+100;
        END IF;
        i := i + 1;
    END LOOP;
    RETURN found;
END
$$;

GRANT EXECUTE ON FUNCTION fieldwright.combinations(numeric, numeric) TO PUBLIC;
