ALTER TABLE ?schema.jet_query ADD COLUMN cache_ttl_ms integer NOT NULL DEFAULT 0;
