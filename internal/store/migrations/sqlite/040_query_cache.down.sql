ALTER TABLE ?schema.jet_query DROP COLUMN cache_ttl_ms;
