CREATE TABLE ?schema.jet_wait (
    id             TEXT PRIMARY KEY NOT NULL,
    tenant_id      TEXT NOT NULL,
    run_id         TEXT NOT NULL REFERENCES jet_run (id) ON DELETE CASCADE,
    workflow_id    TEXT NOT NULL,
    node_id        TEXT NOT NULL,
    key            TEXT NOT NULL,
    attempt        INTEGER  NOT NULL,
    type           TEXT NOT NULL,
    state          TEXT NOT NULL,
    title          TEXT NOT NULL,
    message        TEXT NOT NULL,
    form           TEXT,
    assignees      TEXT NOT NULL,
    barred         TEXT NOT NULL,
    event_name     TEXT NOT NULL,
    event_key      TEXT NOT NULL,
    event_id       TEXT,
    expired_output TEXT NOT NULL,
    created_at     TIMESTAMP NOT NULL,
    deadline       TIMESTAMP NOT NULL,
    closed_at      TIMESTAMP,
    answered_by    TEXT NOT NULL,
    answer         TEXT
);
CREATE UNIQUE INDEX ?schema.jet_wait_node ON jet_wait (node_id, attempt);
CREATE INDEX ?schema.jet_wait_run ON jet_wait (run_id);
CREATE INDEX ?schema.jet_wait_open ON jet_wait (tenant_id, id) WHERE closed_at IS NULL;
CREATE INDEX ?schema.jet_wait_event ON jet_wait (tenant_id, event_name, event_key) WHERE event_name <> '' AND closed_at IS NULL;
CREATE INDEX ?schema.jet_wait_owed ON jet_wait (id) WHERE state = 'new' OR state = 'met';

CREATE TABLE ?schema.jet_wait_assignee (
    tenant_id TEXT NOT NULL,
    wait_id   TEXT NOT NULL REFERENCES jet_wait (id) ON DELETE CASCADE,
    assignee  TEXT NOT NULL,
    PRIMARY KEY (wait_id, assignee)
);

CREATE TABLE ?schema.jet_event (
    id          TEXT PRIMARY KEY NOT NULL,
    tenant_id   TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    event_id    TEXT NOT NULL,
    name        TEXT NOT NULL,
    key         TEXT NOT NULL,
    data        TEXT NOT NULL,
    sent_by     TEXT NOT NULL,
    state       TEXT NOT NULL,
    received_at TIMESTAMP NOT NULL,
    expires_at  TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_event_once ON jet_event (tenant_id, event_id);
CREATE INDEX ?schema.jet_event_kept ON jet_event (tenant_id, name, key, id) WHERE state <> 'used';
CREATE INDEX ?schema.jet_event_owed ON jet_event (id) WHERE state = 'new';
CREATE INDEX ?schema.jet_event_expiry ON jet_event (expires_at);

CREATE TABLE ?schema.jet_run_response (
    run_id     TEXT PRIMARY KEY NOT NULL REFERENCES jet_run (id) ON DELETE CASCADE,
    tenant_id  TEXT NOT NULL,
    status     INTEGER  NOT NULL,
    headers    TEXT NOT NULL,
    body       BLOB NOT NULL,
    created_at TIMESTAMP NOT NULL
);
