ALTER TABLE ?schema.jet_session ADD COLUMN claims TEXT;

CREATE TABLE ?schema.jet_signin (
    state_hash   BLOB PRIMARY KEY NOT NULL,
    browser_hash BLOB NOT NULL,
    provider     TEXT NOT NULL,
    next         TEXT NOT NULL,
    sealed       TEXT NOT NULL,
    expires_at   TIMESTAMP NOT NULL
);
CREATE INDEX ?schema.jet_signin_expiry ON jet_signin (expires_at);
