ALTER TABLE ?schema.jet_tenant ADD COLUMN suspended_at timestamptz;

CREATE TABLE ?schema.jet_invitation (
    id         uuid PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    email      text NOT NULL,
    role_ids   text NOT NULL,
    token_hash bytea NOT NULL,
    inviter    text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX jet_invitation_token ON ?schema.jet_invitation (token_hash);
CREATE UNIQUE INDEX jet_invitation_email ON ?schema.jet_invitation (tenant_id, email);
CREATE INDEX jet_invitation_tenant ON ?schema.jet_invitation (tenant_id, id);
