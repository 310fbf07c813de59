CREATE TABLE ?schema.jet_workflow (
    id                TEXT PRIMARY KEY NOT NULL,
    tenant_id         TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    name              TEXT NOT NULL,
    description       TEXT NOT NULL,
    draft             TEXT NOT NULL,
    published_version INTEGER  NOT NULL,
    created_by        TEXT NOT NULL,
    created_at        TIMESTAMP NOT NULL,
    updated_at        TIMESTAMP NOT NULL,
    deleted_at        TIMESTAMP,
    version           INTEGER  NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_workflow_name ON jet_workflow (tenant_id, name) WHERE deleted_at IS NULL;
CREATE INDEX ?schema.jet_workflow_tenant ON jet_workflow (tenant_id, id);

CREATE TABLE ?schema.jet_workflow_version (
    tenant_id    TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    workflow_id  TEXT NOT NULL REFERENCES jet_workflow (id),
    number       INTEGER  NOT NULL,
    graph        TEXT NOT NULL,
    grants       TEXT NOT NULL,
    published_by TEXT NOT NULL,
    published_at TIMESTAMP NOT NULL,
    PRIMARY KEY (tenant_id, workflow_id, number)
);

CREATE TABLE ?schema.jet_worker (
    id         TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    started_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);

CREATE TABLE ?schema.jet_run (
    id               TEXT PRIMARY KEY NOT NULL,
    tenant_id        TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    workflow_id      TEXT NOT NULL,
    workflow_version INTEGER  NOT NULL,
    status           TEXT NOT NULL,
    trigger          TEXT NOT NULL,
    idempotency_key  TEXT,
    started_by       TEXT NOT NULL,
    on_behalf_of     TEXT NOT NULL,
    open_nodes       INTEGER  NOT NULL,
    waiting_nodes    INTEGER  NOT NULL,
    created_at       TIMESTAMP NOT NULL,
    started_at       TIMESTAMP,
    finished_at      TIMESTAMP,
    FOREIGN KEY (tenant_id, workflow_id, workflow_version) REFERENCES jet_workflow_version (tenant_id, workflow_id, number)
);
CREATE INDEX ?schema.jet_run_tenant ON jet_run (tenant_id, id);
CREATE INDEX ?schema.jet_run_workflow ON jet_run (tenant_id, workflow_id, id);
CREATE INDEX ?schema.jet_run_status ON jet_run (tenant_id, status, id);
CREATE UNIQUE INDEX ?schema.jet_run_idempotency ON jet_run (tenant_id, workflow_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE ?schema.jet_run_data (
    run_id    TEXT PRIMARY KEY REFERENCES jet_run (id) ON DELETE CASCADE,
    tenant_id TEXT NOT NULL,
    input     TEXT NOT NULL,
    output    TEXT,
    error     TEXT
);

CREATE TABLE ?schema.jet_run_node (
    id            TEXT PRIMARY KEY NOT NULL,
    tenant_id     TEXT NOT NULL,
    run_id        TEXT NOT NULL REFERENCES jet_run (id) ON DELETE CASCADE,
    key           TEXT NOT NULL,
    status        TEXT NOT NULL,
    edges_decided INTEGER  NOT NULL,
    edges_taken   INTEGER  NOT NULL,
    attempt       INTEGER  NOT NULL,
    losses        INTEGER  NOT NULL,
    token         TEXT,
    worker_id     TEXT,
    ready_at      TIMESTAMP,
    wake_at       TIMESTAMP,
    dispatched_at TIMESTAMP,
    started_at    TIMESTAMP,
    finished_at   TIMESTAMP
);
CREATE UNIQUE INDEX ?schema.jet_run_node_key ON jet_run_node (run_id, key);
CREATE INDEX ?schema.jet_run_node_ready ON jet_run_node (ready_at) WHERE status = 'ready';
CREATE INDEX ?schema.jet_run_node_wake ON jet_run_node (wake_at) WHERE status = 'waiting';
CREATE INDEX ?schema.jet_run_node_worker ON jet_run_node (worker_id) WHERE status = 'running';

CREATE TABLE ?schema.jet_run_output (
    id          TEXT PRIMARY KEY NOT NULL,
    tenant_id   TEXT NOT NULL,
    run_id      TEXT NOT NULL REFERENCES jet_run (id) ON DELETE CASCADE,
    node_id     TEXT NOT NULL,
    key         TEXT NOT NULL,
    attempt     INTEGER  NOT NULL,
    status      TEXT NOT NULL,
    port        TEXT NOT NULL,
    output      TEXT,
    error       TEXT,
    started_at  TIMESTAMP NOT NULL,
    finished_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_run_output_attempt ON jet_run_output (node_id, attempt);
CREATE INDEX ?schema.jet_run_output_run ON jet_run_output (run_id, key);
