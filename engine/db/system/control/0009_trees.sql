-- Whether the way up from a row, by its column `via`, comes back to it.
CREATE FUNCTION fieldwright.comes_back(rows regclass, via name, start uuid) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    found boolean;
BEGIN
    EXECUTE format(
        'WITH RECURSIVE up AS ('
        '  SELECT %1$I AS id FROM %2$s WHERE id = $1 '
        '  UNION SELECT t.%1$I FROM up JOIN %2$s t ON t.id = up.id'
        ') SELECT EXISTS (SELECT FROM up WHERE id = $1)', via, rows
    ) INTO found USING start;
    RETURN found;
END
$$;
