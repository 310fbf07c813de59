CREATE INDEX jet_run_rerun ON ?schema.jet_run (rerun_of) WHERE rerun_of IS NOT NULL;
