-- The last number of each gapless auto number, by what is counted apart. Writers of the same one wait for each other.
CREATE TABLE :"schema"._counter (
    object uuid NOT NULL,
    field uuid NOT NULL,
    per text NOT NULL,
    period text NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (object, field, per, period)
);
