DROP TABLE ?schema.jet_audit_head;
DROP TABLE ?schema.jet_audit;
