ALTER TABLE :"schema"._stage_history ADD COLUMN process text, ADD COLUMN process_version bigint;
