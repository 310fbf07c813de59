DROP INDEX ?schema.jet_run_node_owed;
