-- A run that no event causes is one of its workflow, record and due moment.
ALTER TABLE :"schema"._run ADD COLUMN due timestamptz;
CREATE UNIQUE INDEX _run_due ON :"schema"._run (workflow, record, due) NULLS NOT DISTINCT WHERE due IS NOT NULL;

CREATE TABLE :"schema"._timer (
    workflow text PRIMARY KEY,
    -- All moments until then have their runs.
    watermark timestamptz NOT NULL,
    -- The end of a sweep that goes on in pages, and the last record that it has done.
    until timestamptz,
    after uuid
);
