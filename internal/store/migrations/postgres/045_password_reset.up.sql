CREATE TABLE ?schema.jet_password_reset (
    user_id    uuid PRIMARY KEY REFERENCES ?schema.jet_user (id) ON DELETE CASCADE,
    token_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX jet_password_reset_token ON ?schema.jet_password_reset (token_hash);
