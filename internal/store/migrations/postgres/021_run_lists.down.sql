DROP INDEX ?schema.jet_run_end;
DROP INDEX ?schema.jet_run_test;
