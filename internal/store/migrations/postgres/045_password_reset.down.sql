DROP TABLE ?schema.jet_password_reset;
