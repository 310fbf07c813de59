CREATE TABLE ?schema.jet_password_reset (
    user_id    TEXT PRIMARY KEY NOT NULL REFERENCES jet_user (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_password_reset_token ON jet_password_reset (token_hash);
