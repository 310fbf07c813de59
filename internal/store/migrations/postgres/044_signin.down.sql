DROP TABLE ?schema.jet_signin;
ALTER TABLE ?schema.jet_session DROP COLUMN claims;
