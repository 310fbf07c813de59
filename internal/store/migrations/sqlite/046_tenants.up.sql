ALTER TABLE ?schema.jet_tenant ADD COLUMN suspended_at TIMESTAMP;

CREATE TABLE ?schema.jet_invitation (
    id         TEXT PRIMARY KEY NOT NULL,
    tenant_id  TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    email      TEXT NOT NULL,
    role_ids   TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    inviter    TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_invitation_token ON jet_invitation (token_hash);
CREATE UNIQUE INDEX ?schema.jet_invitation_email ON jet_invitation (tenant_id, email);
CREATE INDEX ?schema.jet_invitation_tenant ON jet_invitation (tenant_id, id);
