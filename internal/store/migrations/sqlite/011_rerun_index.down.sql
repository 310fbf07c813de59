DROP INDEX ?schema.jet_run_rerun;
