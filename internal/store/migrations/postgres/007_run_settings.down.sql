DROP INDEX ?schema.jet_run_on_failure;
DROP INDEX ?schema.jet_run_look;
ALTER TABLE ?schema.jet_run DROP COLUMN failure_depth;
ALTER TABLE ?schema.jet_run DROP COLUMN on_failure;
ALTER TABLE ?schema.jet_run DROP COLUMN look_at;
ALTER TABLE ?schema.jet_run DROP COLUMN deadline_at;
ALTER TABLE ?schema.jet_run DROP COLUMN priority;
