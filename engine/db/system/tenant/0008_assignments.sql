-- One row for each object: whoever assigns its records holds it, so that two at once give nobody too much.
CREATE TABLE :"schema"._assignment (
    object text PRIMARY KEY,
    -- {assignment: {entry: {"turn", "next": {user: when his turn comes}}}}
    turns jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE :"schema"._assignment_run (
    id uuid PRIMARY KEY,
    assignment text NOT NULL,
    object text NOT NULL,
    at timestamptz NOT NULL,
    actor uuid NOT NULL,
    door text NOT NULL,
    request_id text NOT NULL,
    -- The turns before it, and by entry who was considered and why some got nothing.
    turns jsonb NOT NULL,
    considered jsonb NOT NULL
);

CREATE TABLE :"schema"._assignment_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run uuid NOT NULL,
    assignment text NOT NULL,
    object text NOT NULL,
    record uuid NOT NULL,
    at timestamptz NOT NULL,
    -- What decided, whom it chose, and the place among those that it gave; NULL where nobody was found.
    entry text,
    chosen uuid,
    -- Who had it before.
    former uuid,
    place bigint,
    -- The entries before it that fitted and had nobody free.
    missed text[] NOT NULL,
    -- The faults for which the record was not changed.
    refused jsonb
);
CREATE INDEX _assignment_log_record ON :"schema"._assignment_log (object, record, id);
CREATE INDEX _assignment_log_day ON :"schema"._assignment_log (assignment, at) INCLUDE (chosen)
    WHERE chosen IS NOT NULL AND refused IS NULL;
