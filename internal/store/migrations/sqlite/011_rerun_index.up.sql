CREATE INDEX ?schema.jet_run_rerun ON jet_run (rerun_of) WHERE rerun_of IS NOT NULL;
