ALTER TABLE ?schema.jet_query DROP COLUMN rules;
