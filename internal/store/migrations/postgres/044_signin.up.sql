ALTER TABLE ?schema.jet_session ADD COLUMN claims text;

CREATE TABLE ?schema.jet_signin (
    state_hash   bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,
    provider     text NOT NULL,
    next         text NOT NULL,
    sealed       text NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX jet_signin_expiry ON ?schema.jet_signin (expires_at);
