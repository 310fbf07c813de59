DROP TABLE ?schema.jet_run_response;
DROP TABLE ?schema.jet_event;
DROP TABLE ?schema.jet_wait_assignee;
DROP TABLE ?schema.jet_wait;
