DROP TABLE ?schema.jet_query;
DROP TABLE ?schema.jet_datasource;
