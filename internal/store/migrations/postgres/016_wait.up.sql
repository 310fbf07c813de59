CREATE TABLE ?schema.jet_wait (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL,
    run_id         uuid NOT NULL REFERENCES ?schema.jet_run (id) ON DELETE CASCADE,
    workflow_id    uuid NOT NULL,
    node_id        uuid NOT NULL,
    key            text NOT NULL,
    attempt        integer  NOT NULL,
    type           text NOT NULL,
    state          text NOT NULL,
    title          text NOT NULL,
    message        text NOT NULL,
    form           text,
    assignees      text NOT NULL,
    barred         text NOT NULL,
    event_name     text NOT NULL,
    event_key      text NOT NULL,
    event_id       uuid,
    expired_output text NOT NULL,
    created_at     timestamptz NOT NULL,
    deadline       timestamptz NOT NULL,
    closed_at      timestamptz,
    answered_by    text NOT NULL,
    answer         text
);
CREATE UNIQUE INDEX jet_wait_node ON ?schema.jet_wait (node_id, attempt);
CREATE INDEX jet_wait_run ON ?schema.jet_wait (run_id);
CREATE INDEX jet_wait_open ON ?schema.jet_wait (tenant_id, id) WHERE closed_at IS NULL;
CREATE INDEX jet_wait_event ON ?schema.jet_wait (tenant_id, event_name, event_key) WHERE event_name <> '' AND closed_at IS NULL;
CREATE INDEX jet_wait_owed ON ?schema.jet_wait (id) WHERE state = 'new' OR state = 'met';

CREATE TABLE ?schema.jet_wait_assignee (
    tenant_id uuid NOT NULL,
    wait_id   uuid NOT NULL REFERENCES ?schema.jet_wait (id) ON DELETE CASCADE,
    assignee  text NOT NULL,
    PRIMARY KEY (wait_id, assignee)
);

CREATE TABLE ?schema.jet_event (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    event_id    text NOT NULL,
    name        text NOT NULL,
    key         text NOT NULL,
    data        text NOT NULL,
    sent_by     text NOT NULL,
    state       text NOT NULL,
    received_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX jet_event_once ON ?schema.jet_event (tenant_id, event_id);
CREATE INDEX jet_event_kept ON ?schema.jet_event (tenant_id, name, key, id) WHERE state <> 'used';
CREATE INDEX jet_event_owed ON ?schema.jet_event (id) WHERE state = 'new';
CREATE INDEX jet_event_expiry ON ?schema.jet_event (expires_at);

CREATE TABLE ?schema.jet_run_response (
    run_id     uuid PRIMARY KEY REFERENCES ?schema.jet_run (id) ON DELETE CASCADE,
    tenant_id  uuid NOT NULL,
    status     integer  NOT NULL,
    headers    text NOT NULL,
    body       bytea NOT NULL,
    created_at timestamptz NOT NULL
);
