DROP TABLE ?schema.jet_owner;
DROP TABLE ?schema.jet_grant;
