-- Imports: the file lies in the store of files, what became of its rows stands here.
CREATE TABLE :"schema"._import (
    id uuid PRIMARY KEY,
    object text NOT NULL,
    mapping json NOT NULL,
    file uuid NOT NULL,
    dry_run boolean NOT NULL,
    -- queued, running, done, failed, cancelled, undoing, undone
    state text NOT NULL,
    -- The last line of the file that is done; committed with the rows of its batch.
    cursor bigint NOT NULL DEFAULT 0,
    rows bigint,
    created bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    undone bigint NOT NULL DEFAULT 0,
    kept bigint NOT NULL DEFAULT 0,
    -- Attempts since something was done that ended in an unexpected error.
    failures integer NOT NULL DEFAULT 0,
    error json,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    -- Whether the command line began it, or its undoing, with all rights.
    operator boolean NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    undone_by uuid
);
CREATE INDEX _import_created_by ON :"schema"._import (created_by, id);
CREATE INDEX _import_file ON :"schema"._import (file);

CREATE TABLE :"schema"._import_row (
    import uuid NOT NULL,
    line bigint NOT NULL,
    -- created, updated, rejected; what is undone becomes undone, or kept where that is not possible
    outcome text NOT NULL,
    record uuid,
    -- The version that the record had by this row; the one before is one less.
    version bigint,
    faults json,
    PRIMARY KEY (import, line)
);
