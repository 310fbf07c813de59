DROP TABLE ?schema.jet_execution;
