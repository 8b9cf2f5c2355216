GRANT USAGE ON SCHEMA :"schema" TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"schema" TO :"role";
ALTER DEFAULT PRIVILEGES IN SCHEMA :"schema" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"role";
ALTER DEFAULT PRIVILEGES IN SCHEMA :"schema" GRANT USAGE ON SEQUENCES TO :"role";
-- What happened is not to be rewritten, and what is published is switched by the owner alone.
REVOKE UPDATE, DELETE ON :"schema"._history FROM :"role";
REVOKE INSERT, UPDATE, DELETE ON :"schema"._release FROM :"role";
REVOKE UPDATE, DELETE ON :"schema"._assignment_run, :"schema"._assignment_log FROM :"role";
