CREATE TABLE ?schema.jet_keyring (
    id     integer PRIMARY KEY,
    sealed text NOT NULL
);

CREATE TABLE ?schema.jet_user (
    id            uuid PRIMARY KEY,
    issuer        text NOT NULL,
    subject       text NOT NULL,
    email         text NOT NULL,
    name          text NOT NULL,
    password_hash text,
    disabled      boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    version       integer  NOT NULL
);
CREATE UNIQUE INDEX jet_user_identity ON ?schema.jet_user (issuer, subject);

CREATE TABLE ?schema.jet_session (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES ?schema.jet_user (id) ON DELETE CASCADE,
    token_hash   bytea NOT NULL,
    user_agent   text NOT NULL,
    address      text NOT NULL,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX jet_session_token ON ?schema.jet_session (token_hash);
CREATE INDEX jet_session_user ON ?schema.jet_session (user_id);
CREATE INDEX jet_session_expiry ON ?schema.jet_session (expires_at);

CREATE TABLE ?schema.jet_setup (
    id         integer PRIMARY KEY,
    token_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);

CREATE TABLE ?schema.jet_tenant (
    id             uuid PRIMARY KEY,
    name           text NOT NULL,
    created_by     uuid NOT NULL REFERENCES ?schema.jet_user (id),
    policy_version bigint  NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    version        integer  NOT NULL
);

CREATE TABLE ?schema.jet_member (
    tenant_id  uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES ?schema.jet_user (id),
    created_at timestamptz NOT NULL,
    version    integer  NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX jet_member_user ON ?schema.jet_member (user_id);

CREATE TABLE ?schema.jet_role (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    name        text NOT NULL,
    description text NOT NULL,
    builtin     text NOT NULL,
    permissions text NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    version     integer  NOT NULL
);
CREATE UNIQUE INDEX jet_role_name ON ?schema.jet_role (tenant_id, name);

CREATE TABLE ?schema.jet_member_role (
    tenant_id uuid NOT NULL,
    user_id   uuid NOT NULL,
    role_id   uuid NOT NULL REFERENCES ?schema.jet_role (id),
    PRIMARY KEY (tenant_id, user_id, role_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES ?schema.jet_member (tenant_id, user_id) ON DELETE CASCADE
);
CREATE INDEX jet_member_role_role ON ?schema.jet_member_role (role_id);

CREATE TABLE ?schema.jet_api_key (
    id           uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    user_id      uuid NOT NULL REFERENCES ?schema.jet_user (id),
    name         text NOT NULL,
    prefix       text NOT NULL,
    secret_hash  bytea NOT NULL,
    scopes       text NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE UNIQUE INDEX jet_api_key_prefix ON ?schema.jet_api_key (prefix);
CREATE INDEX jet_api_key_tenant ON ?schema.jet_api_key (tenant_id, id);
