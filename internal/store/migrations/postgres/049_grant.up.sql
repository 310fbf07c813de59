-- object_id is that of any object of the tenant, or all zeros for all of a kind. It
-- refers to no table: what is not there any more gives nothing.
CREATE TABLE ?schema.jet_grant (
    id         uuid PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    role_id    uuid REFERENCES ?schema.jet_role (id) ON DELETE CASCADE,
    user_id    uuid,
    permission text NOT NULL,
    object_id  uuid NOT NULL,
    effect     text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    FOREIGN KEY (tenant_id, user_id) REFERENCES ?schema.jet_member (tenant_id, user_id) ON DELETE CASCADE,
    CHECK ((role_id IS NULL) <> (user_id IS NULL)),
    CHECK (effect IN ('allow', 'deny'))
);
CREATE UNIQUE INDEX jet_grant_role ON ?schema.jet_grant (role_id, permission, object_id);
CREATE UNIQUE INDEX jet_grant_user ON ?schema.jet_grant (tenant_id, user_id, permission, object_id);
CREATE INDEX jet_grant_list ON ?schema.jet_grant (tenant_id, role_id, id);

-- Who made an object, for as long as he is a member.
CREATE TABLE ?schema.jet_owner (
    tenant_id uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    object_id uuid NOT NULL,
    resource  text NOT NULL,
    user_id   uuid NOT NULL,
    PRIMARY KEY (tenant_id, object_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES ?schema.jet_member (tenant_id, user_id) ON DELETE CASCADE
);
CREATE INDEX jet_owner_user ON ?schema.jet_owner (tenant_id, user_id, resource);
