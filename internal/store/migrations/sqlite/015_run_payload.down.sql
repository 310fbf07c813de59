DROP TABLE ?schema.jet_run_payload;
