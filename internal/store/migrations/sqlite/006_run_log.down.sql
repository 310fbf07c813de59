DROP TABLE ?schema.jet_run_log;
