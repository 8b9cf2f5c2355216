CREATE TABLE :"schema"._release (
    number bigint PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid,
    hash text NOT NULL,
    language integer NOT NULL,
    -- json, not jsonb: the order of keys is the order of fields and stages.
    data json NOT NULL,
    identity json NOT NULL,
    note text,
    current boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX _release_current ON :"schema"._release (current) WHERE current;

CREATE TABLE :"schema"._login (
    user_id uuid PRIMARY KEY,
    login text NOT NULL,
    password_hash text,
    roles text[] NOT NULL DEFAULT '{}',
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    epoch bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX _login_login ON :"schema"._login (lower(login));

CREATE TABLE :"schema"._session (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX _session_user ON :"schema"._session (user_id);
CREATE INDEX _session_expires ON :"schema"._session (expires_at);

CREATE TABLE :"schema"._token (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    user_id uuid NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX _token_user ON :"schema"._token (user_id);

CREATE TABLE :"schema"._history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object text NOT NULL,
    record uuid NOT NULL,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    actor uuid NOT NULL,
    kind text NOT NULL,
    door text NOT NULL,
    request_id text NOT NULL,
    changes jsonb NOT NULL
);
CREATE INDEX _history_record ON :"schema"._history (object, record, version);

CREATE TABLE :"schema"._stage_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object text NOT NULL,
    record uuid NOT NULL,
    field text NOT NULL,
    stage text NOT NULL,
    previous text,
    entered_at timestamptz NOT NULL,
    left_at timestamptz,
    actor uuid NOT NULL,
    reason text,
    door text NOT NULL
);
CREATE INDEX _stage_history_record ON :"schema"._stage_history (object, record, field, entered_at);
-- Not unique: the statement that moves a record closes the old row and adds the new one in no certain order.
CREATE INDEX _stage_history_open ON :"schema"._stage_history (record, field) WHERE left_at IS NULL;

CREATE TABLE :"schema"._event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- A later number may become visible first: readers take only rows with xid < pg_snapshot_xmin(...).
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    object text NOT NULL,
    record uuid NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL,
    actor uuid NOT NULL,
    at timestamptz NOT NULL,
    depth integer NOT NULL DEFAULT 0
);

CREATE TABLE :"schema"._idempotency (
    principal uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status integer,
    body text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (principal, key)
);
CREATE INDEX _idempotency_created ON :"schema"._idempotency (created_at);

CREATE TABLE :"schema"._run (
    id uuid PRIMARY KEY,
    event bigint,
    workflow text NOT NULL,
    object text,
    record uuid,
    -- queued, waiting (for its next attempt), done, failed
    state text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    next_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    error text,
    log jsonb NOT NULL DEFAULT '[]',
    -- Whose rights the actions had; NULL for all rights.
    roles text[],
    release bigint NOT NULL,
    UNIQUE (event, workflow)
);
CREATE INDEX _run_next ON :"schema"._run (next_at) WHERE finished_at IS NULL;
CREATE INDEX _run_record ON :"schema"._run (object, record);
