package workflow

import (
	"time"

	"github.com/uptrace/bun"
)

// One model for each table, see internal/store/migrations.

type workflowRow struct {
	bun.BaseModel `bun:"table:?schema.jet_workflow,alias:w"`

	ID               string `bun:",pk"`
	TenantID         string
	Name             string
	Description      string
	Draft            string
	PublishedVersion int
	CreatedBy        string
	CreatedAt        time.Time
	UpdatedAt        time.Time
	DeletedAt        *time.Time
	Version          int
}

type versionRow struct {
	bun.BaseModel `bun:"table:?schema.jet_workflow_version,alias:v"`

	TenantID    string `bun:",pk"`
	WorkflowID  string `bun:",pk"`
	Number      int    `bun:",pk"`
	Graph       string
	Grants      string
	Pins        *string // results of nodes, of the graph of a test run
	PublishedBy string
	PublishedAt time.Time
}

type runRow struct {
	bun.BaseModel `bun:"table:?schema.jet_run,alias:r"`

	ID              string `bun:",pk"`
	TenantID        string
	WorkflowID      string
	WorkflowVersion int
	Status          RunStatus
	Trigger         Trigger
	IdempotencyKey  *string
	StartedBy       string
	OnBehalfOf      string
	OpenNodes       int // ready, running or waiting
	WaitingNodes    int // of these, the waiting ones
	CreatedAt       time.Time
	StartedAt       *time.Time
	FinishedAt      *time.Time
	Priority        int        // see Priority.rank
	DeadlineAt      *time.Time // when the run times out
	LookAt          *time.Time // when to see whether its time, or that of a node, is over
	OnFailure       *string    // the workflow that is still to be started should this run fail
	HandlerTries    int        `bun:",scanonly"` // how often its start has failed
	HandlerAt       *time.Time `bun:",scanonly"` // when it is tried again
	RerunOf         *string
	SlotKey         *string // what it competes for under its workflow's concurrency limit; nil = nothing
	Held            bool    // it waits for room there, and nothing of it is ready
	Test            bool
	DraftOf         *string // the workflow that the graph of a test run is a draft of
	FailureDepth    int     // how many failures led to this run, each the handler of the one before
	Trace           *string // in which its spans are, as a traceparent; nil = none
	ParentRunID     *string // the run with the node that began this one
	ParentNodeID    *string
	ParentKey       string  // of that node
	ParentAttempt   int     // at that node
	ItemIndex       int     // among the runs that the attempt has begun
	Depth           int     // how many runs are above this one
	Detached        bool    // the node does not wait for this run
	Enclosing       *string // of the run of an item: the runs around it, see [runRow.around]
	Iteration       string  // and which items of their loops it is for, as "3" or "3.17"
}

type runDataRow struct {
	bun.BaseModel `bun:"table:?schema.jet_run_data,alias:d"`

	RunID    string `bun:",pk"`
	TenantID string
	Input    string
	Output   *string
	Error    *string
}

type nodeRow struct {
	bun.BaseModel `bun:"table:?schema.jet_run_node,alias:n"`

	ID           string `bun:",pk"`
	TenantID     string
	RunID        string
	Key          string
	Priority     int // of the run
	Status       NodeStatus
	EdgesDecided int
	EdgesTaken   int
	Attempt      int
	Losses       int
	Token        *string
	WorkerID     *string
	ReadyAt      *time.Time
	WakeAt       *time.Time
	StartedAt    *time.Time
	FinishedAt   *time.Time
}

type outputRow struct {
	bun.BaseModel `bun:"table:?schema.jet_run_output,alias:o"`

	ID         string `bun:",pk"`
	TenantID   string
	RunID      string
	NodeID     string
	Key        string
	Attempt    int
	Status     NodeStatus
	Port       string
	Output     *string
	Error      *string
	StartedAt  time.Time
	FinishedAt time.Time
}

type logRow struct {
	bun.BaseModel `bun:"table:?schema.jet_run_log,alias:l"`

	TenantID   string
	RunID      string `bun:",pk"`
	ID         string `bun:",pk"`
	Key        string
	Attempt    int
	Seq        int
	Level      LogLevel
	Message    string
	Attributes *string
	Size       int // of message and attributes, in bytes
	Truncated  bool
	At         time.Time
}
