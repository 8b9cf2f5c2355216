-- What was uploaded. The bytes lie in the store of files under their hash; a row is one upload of them. A file belongs
-- to its uploader until a write puts it into a field; from then on to that field of that record.
CREATE TABLE :"schema"._file (
    id uuid PRIMARY KEY,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    type text NOT NULL,
    name text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}',
    uploaded_by uuid NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    -- The table and the column, which a rename does not change.
    object text,
    field text,
    record uuid,
    touched_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX _file_sha256 ON :"schema"._file (sha256);
CREATE INDEX _file_touched ON :"schema"._file (touched_at);
