-- Which record another one was merged into, so that what still names it is shown the way.
CREATE TABLE :"schema"._merge (
    object text NOT NULL,
    record uuid NOT NULL,
    master uuid NOT NULL,
    at timestamptz NOT NULL,
    actor uuid NOT NULL,
    PRIMARY KEY (object, record)
);
