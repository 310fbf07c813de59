-- object_id is that of any object of the tenant, or all zeros for all of a kind. It
-- refers to no table: what is not there any more gives nothing.
CREATE TABLE ?schema.jet_grant (
    id         TEXT PRIMARY KEY NOT NULL,
    tenant_id  TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    role_id    TEXT REFERENCES jet_role (id) ON DELETE CASCADE,
    user_id    TEXT,
    permission TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    effect     TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    FOREIGN KEY (tenant_id, user_id) REFERENCES jet_member (tenant_id, user_id) ON DELETE CASCADE,
    CHECK ((role_id IS NULL) <> (user_id IS NULL)),
    CHECK (effect IN ('allow', 'deny'))
);
CREATE UNIQUE INDEX ?schema.jet_grant_role ON jet_grant (role_id, permission, object_id);
CREATE UNIQUE INDEX ?schema.jet_grant_user ON jet_grant (tenant_id, user_id, permission, object_id);
CREATE INDEX ?schema.jet_grant_list ON jet_grant (tenant_id, role_id, id);

-- Who made an object, for as long as he is a member.
CREATE TABLE ?schema.jet_owner (
    tenant_id TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    object_id TEXT NOT NULL,
    resource  TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    PRIMARY KEY (tenant_id, object_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES jet_member (tenant_id, user_id) ON DELETE CASCADE
);
CREATE INDEX ?schema.jet_owner_user ON jet_owner (tenant_id, user_id, resource);
