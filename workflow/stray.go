package workflow

import (
	"context"
	"time"

	"github.com/jetadmin/jetadmin/auth"
)

// compareEvery is how often a process that has been at a node for as long asks
// whether the node is still wanted: the run may have been cancelled by another.
const compareEvery = time.Second

// compare holds what this process runs against what the database says it runs.
// An attempt that the database does not know is cancelled. A node that nobody
// here runs has strayed (the answer to a claim was lost on its way, its run
// could not be read) and is handed back: the lease is alive, so no other process
// would ever take it.
func (e *engine) compare(ctx context.Context) {
	var strayed time.Time // when strays were last looked for
	for sleep(ctx, compareEvery) {
		running := e.inFlight.olderThan(compareEvery)
		if len(running) == 0 && time.Since(strayed) < e.s.cfg.Lease/5 {
			continue
		}
		var rows []nodeRow
		err := e.s.cfg.DB.NewRaw(`SELECT * FROM ?schema.jet_run_node /* across tenants: what this process runs */
			WHERE worker_id = ? AND status = 'running'`, e.workerID).Scan(ctx, &rows)
		if err != nil {
			continue // leases decide while the database is away
		}
		strayed = time.Now()
		e.cancelUnknown(running, rows)
		for i := range rows {
			// Held or not is asked after the row was read: a token is held before its
			// row can be seen.
			if !e.inFlight.holds(*rows[i].Token) {
				e.handBack(ctx, &rows[i])
			}
		}
	}
}

func (e *engine) cancelUnknown(running []string, rows []nodeRow) {
	known := make(map[string]bool, len(rows))
	for i := range rows {
		known[*rows[i].Token] = true
	}
	for _, token := range running {
		if !known[token] {
			e.inFlight.cancel(token, errRunEnded)
		}
	}
}

// handBackPause keeps a node that cannot be run here from being tried without end
// in no time.
const handBackPause = time.Second

// handBack makes a node ready again that this process claimed and will not run,
// without counting an attempt. When that fails too, the node has strayed.
func (e *engine) handBack(ctx context.Context, n *nodeRow) {
	if n.Losses >= maxLosses {
		e.failLost(ctx, *n)
		return
	}
	db := e.s.cfg.DB
	ctx = auth.NewContext(ctx, auth.ServicePrincipal(n.TenantID, "run"))
	_, err := db.NewRaw(`UPDATE ?schema.jet_run_node SET status = 'ready', attempt = attempt - 1, token = NULL, worker_id = NULL,
			wake_at = `+db.Dialect.After()+` WHERE id = ? AND tenant_id = ? AND status = 'running' AND token = ?`,
		handBackPause.Milliseconds(), n.ID, n.TenantID, *n.Token).Exec(ctx)
	if err != nil {
		e.s.cfg.Logger.Warn("workflow engine: hand back a node", "run", n.RunID, "node", n.Key, "error", err)
	}
}
