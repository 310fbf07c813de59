CREATE TABLE ?schema.jet_workflow (
    id                uuid PRIMARY KEY,
    tenant_id         uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    name              text NOT NULL,
    description       text NOT NULL,
    draft             text NOT NULL,
    published_version integer  NOT NULL,
    created_by        text NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    deleted_at        timestamptz,
    version           integer  NOT NULL
);
CREATE UNIQUE INDEX jet_workflow_name ON ?schema.jet_workflow (tenant_id, name) WHERE deleted_at IS NULL;
CREATE INDEX jet_workflow_tenant ON ?schema.jet_workflow (tenant_id, id);

CREATE TABLE ?schema.jet_workflow_version (
    tenant_id    uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    workflow_id  uuid NOT NULL REFERENCES ?schema.jet_workflow (id),
    number       integer  NOT NULL,
    graph        text NOT NULL,
    grants       text NOT NULL,
    published_by text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, workflow_id, number)
);

CREATE TABLE ?schema.jet_worker (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    started_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE ?schema.jet_run (
    id               uuid PRIMARY KEY,
    tenant_id        uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    workflow_id      uuid NOT NULL,
    workflow_version integer  NOT NULL,
    status           text NOT NULL,
    trigger          text NOT NULL,
    idempotency_key  text,
    started_by       text NOT NULL,
    on_behalf_of     text NOT NULL,
    open_nodes       integer  NOT NULL,
    waiting_nodes    integer  NOT NULL,
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,
    finished_at      timestamptz,
    FOREIGN KEY (tenant_id, workflow_id, workflow_version) REFERENCES ?schema.jet_workflow_version (tenant_id, workflow_id, number)
);
CREATE INDEX jet_run_tenant ON ?schema.jet_run (tenant_id, id);
CREATE INDEX jet_run_workflow ON ?schema.jet_run (tenant_id, workflow_id, id);
CREATE INDEX jet_run_status ON ?schema.jet_run (tenant_id, status, id);
CREATE UNIQUE INDEX jet_run_idempotency ON ?schema.jet_run (tenant_id, workflow_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE ?schema.jet_run_data (
    run_id    uuid PRIMARY KEY REFERENCES ?schema.jet_run (id) ON DELETE CASCADE,
    tenant_id uuid NOT NULL,
    input     text NOT NULL,
    output    text,
    error     text
);

CREATE TABLE ?schema.jet_run_node (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL,
    run_id        uuid NOT NULL REFERENCES ?schema.jet_run (id) ON DELETE CASCADE,
    key           text NOT NULL,
    status        text NOT NULL,
    edges_decided integer  NOT NULL,
    edges_taken   integer  NOT NULL,
    attempt       integer  NOT NULL,
    losses        integer  NOT NULL,
    token         uuid,
    worker_id     uuid,
    ready_at      timestamptz,
    wake_at       timestamptz,
    dispatched_at timestamptz,
    started_at    timestamptz,
    finished_at   timestamptz
);
CREATE UNIQUE INDEX jet_run_node_key ON ?schema.jet_run_node (run_id, key);
CREATE INDEX jet_run_node_ready ON ?schema.jet_run_node (ready_at) WHERE status = 'ready';
CREATE INDEX jet_run_node_wake ON ?schema.jet_run_node (wake_at) WHERE status = 'waiting';
CREATE INDEX jet_run_node_worker ON ?schema.jet_run_node (worker_id) WHERE status = 'running';

CREATE TABLE ?schema.jet_run_output (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    run_id      uuid NOT NULL REFERENCES ?schema.jet_run (id) ON DELETE CASCADE,
    node_id     uuid NOT NULL,
    key         text NOT NULL,
    attempt     integer  NOT NULL,
    status      text NOT NULL,
    port        text NOT NULL,
    output      text,
    error       text,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX jet_run_output_attempt ON ?schema.jet_run_output (node_id, attempt);
CREATE INDEX jet_run_output_run ON ?schema.jet_run_output (run_id, key);
