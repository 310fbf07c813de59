CREATE TABLE ?schema.jet_keyring (
    id     INTEGER PRIMARY KEY NOT NULL,
    sealed TEXT NOT NULL
);

CREATE TABLE ?schema.jet_user (
    id            TEXT PRIMARY KEY NOT NULL,
    issuer        TEXT NOT NULL,
    subject       TEXT NOT NULL,
    email         TEXT NOT NULL,
    name          TEXT NOT NULL,
    password_hash TEXT,
    disabled      BOOLEAN NOT NULL DEFAULT 0,
    created_at    TIMESTAMP NOT NULL,
    updated_at    TIMESTAMP NOT NULL,
    version       INTEGER  NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_user_identity ON jet_user (issuer, subject);

CREATE TABLE ?schema.jet_session (
    id           TEXT PRIMARY KEY NOT NULL,
    user_id      TEXT NOT NULL REFERENCES jet_user (id) ON DELETE CASCADE,
    token_hash   BLOB NOT NULL,
    user_agent   TEXT NOT NULL,
    address      TEXT NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    last_seen_at TIMESTAMP NOT NULL,
    expires_at   TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_session_token ON jet_session (token_hash);
CREATE INDEX ?schema.jet_session_user ON jet_session (user_id);
CREATE INDEX ?schema.jet_session_expiry ON jet_session (expires_at);

CREATE TABLE ?schema.jet_setup (
    id         INTEGER PRIMARY KEY NOT NULL,
    token_hash BLOB NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at    TIMESTAMP
);

CREATE TABLE ?schema.jet_tenant (
    id             TEXT PRIMARY KEY NOT NULL,
    name           TEXT NOT NULL,
    created_by     TEXT NOT NULL REFERENCES jet_user (id),
    policy_version INTEGER  NOT NULL,
    created_at     TIMESTAMP NOT NULL,
    updated_at     TIMESTAMP NOT NULL,
    version        INTEGER  NOT NULL
);

CREATE TABLE ?schema.jet_member (
    tenant_id  TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES jet_user (id),
    created_at TIMESTAMP NOT NULL,
    version    INTEGER  NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX ?schema.jet_member_user ON jet_member (user_id);

CREATE TABLE ?schema.jet_role (
    id          TEXT PRIMARY KEY NOT NULL,
    tenant_id   TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    builtin     TEXT NOT NULL,
    permissions TEXT NOT NULL,
    created_at  TIMESTAMP NOT NULL,
    updated_at  TIMESTAMP NOT NULL,
    version     INTEGER  NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_role_name ON jet_role (tenant_id, name);

CREATE TABLE ?schema.jet_member_role (
    tenant_id TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    role_id   TEXT NOT NULL REFERENCES jet_role (id),
    PRIMARY KEY (tenant_id, user_id, role_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES jet_member (tenant_id, user_id) ON DELETE CASCADE
);
CREATE INDEX ?schema.jet_member_role_role ON jet_member_role (role_id);

CREATE TABLE ?schema.jet_api_key (
    id           TEXT PRIMARY KEY NOT NULL,
    tenant_id    TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    user_id      TEXT NOT NULL REFERENCES jet_user (id),
    name         TEXT NOT NULL,
    prefix       TEXT NOT NULL,
    secret_hash  BLOB NOT NULL,
    scopes       TEXT NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    expires_at   TIMESTAMP,
    last_used_at TIMESTAMP,
    revoked_at   TIMESTAMP
);
CREATE UNIQUE INDEX ?schema.jet_api_key_prefix ON jet_api_key (prefix);
CREATE INDEX ?schema.jet_api_key_tenant ON jet_api_key (tenant_id, id);
