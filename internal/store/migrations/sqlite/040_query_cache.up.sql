ALTER TABLE ?schema.jet_query ADD COLUMN cache_ttl_ms INTEGER NOT NULL DEFAULT 0;
