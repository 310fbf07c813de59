DROP TABLE ?schema.jet_query_version;
