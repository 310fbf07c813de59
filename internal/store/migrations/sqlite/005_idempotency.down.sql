DROP TABLE ?schema.jet_idempotency;
