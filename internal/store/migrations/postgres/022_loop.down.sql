DROP TABLE ?schema.jet_run_item;
DROP TABLE ?schema.jet_run_loop;
DROP INDEX ?schema.jet_run_child_unhappy;
ALTER TABLE ?schema.jet_run DROP COLUMN iteration;
ALTER TABLE ?schema.jet_run DROP COLUMN enclosing;
