DROP TABLE ?schema.jet_run_output;
DROP TABLE ?schema.jet_run_node;
DROP TABLE ?schema.jet_run_data;
DROP TABLE ?schema.jet_run;
DROP TABLE ?schema.jet_worker;
DROP TABLE ?schema.jet_workflow_version;
DROP TABLE ?schema.jet_workflow;
