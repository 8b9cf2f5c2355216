CREATE TABLE fieldwright.tenant (
    name text PRIMARY KEY,
    schema text NOT NULL UNIQUE,
    role text,
    created_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'active'
);

CREATE TABLE fieldwright.setting (
    key text PRIMARY KEY,
    value text NOT NULL
);

-- The gate of a writing statement: true lets it go on, any violation undoes the whole statement.
-- VOLATILE, so that the planner neither folds nor skips the call.
CREATE FUNCTION fieldwright.refuse_if(violations jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF violations IS NULL OR violations IN ('[]'::jsonb, 'null'::jsonb) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'violations' USING ERRCODE = 'FW001', DETAIL = violations::text;
END
$$;

GRANT USAGE ON SCHEMA fieldwright TO PUBLIC;
GRANT EXECUTE ON FUNCTION fieldwright.refuse_if(jsonb) TO PUBLIC;
