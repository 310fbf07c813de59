DROP TABLE ?schema.jet_duty;
DROP TABLE ?schema.jet_run_settings;
DROP INDEX ?schema.jet_run_draft;
ALTER TABLE ?schema.jet_run DROP COLUMN draft_of;
