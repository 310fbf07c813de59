package jetadmin

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/file"
	"github.com/jetadmin/jetadmin/datasource/graphql"
	"github.com/jetadmin/jetadmin/datasource/postgres"
	"github.com/jetadmin/jetadmin/datasource/redis"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/datasource/service"
	"github.com/jetadmin/jetadmin/datasource/sqlite"
	"github.com/jetadmin/jetadmin/internal/api"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/ratelimit"
	"github.com/jetadmin/jetadmin/internal/requestid"
	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/throttle"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/upload"
	"github.com/jetadmin/jetadmin/workflow"
	"github.com/jetadmin/jetadmin/workflow/node"
)

// build makes every part and hands it what it needs of the others, from the
// leaves up. It is the only place that knows all of them.
func (a *App) build() (err error) {
	cfg := a.cfg
	if err := a.openDB(); err != nil {
		return err
	}
	if a.keys, err = keyring(cfg, a.db); err != nil {
		return err
	}
	var limiter throttle.Limiter // none: each process counts its own
	if cfg.Redis != nil {
		limiter = ratelimit.New(cfg.Redis, cfg.RedisPrefix, cfg.Logger)
	}
	a.exports = throttle.New(throttle.Config{
		Name: "export", Rate: throttle.Rate{Burst: exportBurst, Pause: exportPause}, Code: "too_many_exports", What: "exports", Shared: limiter,
	})
	pages := page.NewSigner(a.keys.Derive("page cursors"))
	outbound := cfg.Egress.policy()

	gone := func(tenantID string) bool { return a.tenants.Gone(tenantID) }
	a.audit, err = audit.New(audit.Config{
		Actor: actor, Address: address, Authorize: a.authorizeAudit, DB: a.db, First: "tenant.create", Gone: gone, Limiter: limiter, Logger: cfg.Logger, Pages: pages,
		Recheck: a.mayHaveRecord, RequestID: requestid.FromContext, Retention: cfg.AuditRetention, Sinks: cfg.AuditSinks,
		Undenied: func(ctx context.Context, kindColumn, idColumn string) (func(*bun.SelectQuery) *bun.SelectQuery, error) {
			return a.roles.Undenied(ctx, kindColumn, idColumn)
		},
	})
	if err != nil {
		return err
	}
	a.roles, err = rbac.New(rbac.Config{Audit: a.record, DB: a.db, Denied: a.audit.Deny, Gone: gone, Pages: pages, ParentOf: a.workflowOf})
	if err != nil {
		return err
	}
	a.tenants, err = tenancy.New(tenancy.Config{
		Accounts: accounts{a}, Audit: a.record, Authorize: a.roles.Authorize, DB: a.db, Denied: a.audit.Deny, Hooks: cfg.Hooks.Tenancy, Pages: pages, Roles: a.roles,
		Erase:   func(ctx context.Context, tenantID string) error { return a.files.Erase(ctx, tenantID) },
		Forget:  func(ctx context.Context, topics []string) error { return a.events.Forget(ctx, topics) },
		Leave:   func(tenantID string) { a.datasources.Leave(tenantID) },
		Limiter: limiter, Limits: cfg.limits(),
		Logger: cfg.Logger, Refused: a.roles.Refused, Visible: a.roles.Visible,
	})
	if err != nil {
		return err
	}
	if err := a.buildSignIn(pages, outbound, limiter); err != nil {
		return err
	}
	if err := a.buildEvents(); err != nil {
		return err
	}
	a.files, err = upload.New(upload.Config{
		Audit: a.record, Authorize: a.roles.Authorize, Blobs: cfg.Blobs, DB: a.db, Logger: cfg.Logger,
		MaxFile: cfg.MaxFile, Limit: a.limitOfFiles, Own: a.roles.Own, Pages: pages, UsedBy: a.usersOfFile, Visible: a.roles.Visible,
	})
	if err != nil {
		return err
	}
	services, err := service.Builtins()
	if err != nil {
		return err
	}
	if a.scripts, err = sandbox.New(sandbox.Config{}); err != nil {
		return err
	}
	builtin := []datasource.Connector{
		file.CSV(a.openFile),
		file.Excel(a.openFile),
		graphql.Connector(),
		postgres.Connector(postgres.Config{Fenced: a.db.Relations}),
		redis.Connector(redis.Config{Mark: a.redisMark}),
		rest.Connector(),
		sqlite.Connector(sqlite.Config{Root: filepath.Join(cfg.DataDir, "files")}),
	}
	a.datasources, err = datasource.New(datasource.Config{
		Admit: a.admit, Audit: a.record, Authorize: a.roles.Authorize, CacheBytes: cfg.Queries.CacheBytes, Connectors: slices.Concat(builtin, services, cfg.Connectors),
		DB: a.db, Egress: outbound, FileExists: a.files.Exists, Gone: a.tenants.Gone, HistoryRetention: cfg.Queries.HistoryRetention, Hooks: cfg.Hooks.Datasource, Keys: a.keys, Limiter: limiter, Logger: cfg.Logger,
		MaxOpen: cfg.Queries.MaxOpen, MaxRows: a.tenants.MaxRows, MaxStatements: cfg.Queries.MaxStatements, OnlyOwns: a.roles.OnlyOwns, Own: a.roles.Own, Pages: pages,
		Publish: a.publish, Refused: a.roles.Refused, Revalidate: a.auth.Revalidate, Roles: a.roles.Lookup, Scripts: a.scripts, UsedBy: a.usersOfQuery, Visible: a.roles.Visible,
	})
	if err != nil {
		return fmt.Errorf("jetadmin.Config.Connectors: %w", err)
	}
	if err := a.buildWorkflows(pages, outbound, limiter); err != nil {
		return err
	}
	a.handler, err = api.New(api.Config{
		AllowedOrigins: cfg.AllowedOrigins, Audit: a.audit, Auth: a.auth, BasePath: cfg.BasePath, Datasources: a.datasources,
		DB: a.db, ExportTenant: a.exportLines, Files: a.files, Hub: a.events, Keys: a.keys, Logger: cfg.Logger, PublicURL: cfg.PublicURL, RBAC: a.roles, Ready: a.ready, SocketIO: http.HandlerFunc(a.events.ServeSocketIO), Tenancy: a.tenants,
		TrustedProxies: cfg.TrustedProxies, Version: Version, Workflows: a.workflows,
	})
	return err
}

func (a *App) openDB() (err error) {
	pool := a.cfg.DB
	if pool == nil {
		if pool, err = store.OpenSQLite(context.Background(), filepath.Join(a.cfg.DataDir, "jetadmin.db")); err != nil {
			return fmt.Errorf("jetadmin.Config.DataDir: %w", err)
		}
		a.owned = pool
	}
	if a.db, err = store.New(pool, a.cfg.Dialect, a.cfg.Schema); err != nil {
		return fmt.Errorf("jetadmin.Config.Schema: %w", err)
	}
	return nil
}

func (a *App) buildSignIn(pages *page.Signer, outbound egress.Policy, limiter throttle.Limiter) (err error) {
	var callback func(provider string) string // none: no log-in in the browser
	if a.cfg.PublicURL != "" {
		callback = func(provider string) string { return a.cfg.PublicURL + a.cfg.BasePath + api.SignInPath(provider) }
	}
	a.auth, err = auth.New(auth.Config{
		Audit: a.record, Authenticators: a.cfg.Authenticators, Authorize: a.roles.Authorize, CallbackURL: callback, DB: a.db, Denied: a.audit.Deny,
		HTTP: outbound.Client(), Hooks: a.cfg.Hooks.Auth, Keys: a.keys, Limiter: limiter, Logger: a.cfg.Logger, MaxKeyDays: a.maxKeyDays, Members: a.tenants, Pages: pages,
		ResetURL: a.cfg.ResetURL, SessionIdle: a.cfg.SessionIdle, SessionMax: a.cfg.SessionMax,
	})
	if err != nil {
		return fmt.Errorf("jetadmin.Config: %w", err) // of fields that have the same names there
	}
	return nil
}

func (a *App) buildEvents() (err error) {
	var bus realtime.Bus = realtime.NewMemoryBus()
	if a.cfg.Redis != nil {
		shared := realtime.NewRedisBus(a.cfg.Redis, a.cfg.RedisPrefix)
		shared.Logger = a.cfg.Logger
		bus = shared
	}
	a.events, err = realtime.New(realtime.Config{
		AllowedOrigins: a.cfg.AllowedOrigins, Authenticate: a.auth.Authenticate, AuthenticateToken: a.auth.AuthenticateToken,
		Authorize: a.authorizeTopic, Bus: bus, Hooks: a.cfg.Hooks.Realtime,
		Inputs: map[string]func(context.Context, realtime.Input) (any, error){"run": a.receiveAnswer, "tenant": a.receiveWidget},
		Logger: a.cfg.Logger, OnDemand: []string{"run", "workflow", "datasource"}, Presence: []string{"run", "tenant"}, Revalidate: a.auth.Revalidate,
		Samples: map[string]func(context.Context, realtime.Topic) (realtime.Event, error){"monitor": a.sampleMonitor},
		Views:   map[string]func(context.Context, realtime.Topic) (realtime.View, error){"widget": a.viewLink},
	})
	if err != nil {
		return fmt.Errorf("jetadmin.Config.AllowedOrigins: %w", err)
	}
	return nil
}

func (a *App) buildWorkflows(pages *page.Signer, outbound egress.Policy, limiter throttle.Limiter) error {
	builtin, err := node.Builtins(node.Config{
		CheckParams: a.datasources.CheckParams,
		Client:      outbound.Client(),
		RunQuery: func(ctx context.Context, queryID string, params map[string]any) (any, error) {
			return a.datasources.RunQuery(ctx, queryID, params)
		},
		Scripts: a.scripts,
	})
	if err != nil {
		return err
	}
	var queue workflow.Queue // none: the process is alone
	if a.cfg.Redis != nil {
		queue = workflow.NewAsynqQueue(a.cfg.Redis, a.cfg.RedisPrefix, a.cfg.Logger)
	}
	a.workflows, err = workflow.New(workflow.Config{
		Admit: a.admit, Assignees: a.assignees, Audit: a.record, Authorize: a.roles.Authorize, BasePath: a.cfg.BasePath, CheckReference: a.checkReference, DB: a.db,
		Denied: a.audit.Deny, Gone: a.tenants.Gone, Hooks: a.cfg.Hooks.Workflow, Keys: a.keys, Limiter: limiter, Logger: a.cfg.Logger, MeterProvider: a.cfg.MeterProvider,
		Nodes: append(builtin, a.cfg.Nodes...), Own: a.roles.Own, Pages: pages, Past: a.past, Publish: a.publish, Queue: queue, Refused: a.roles.Refused, Retention: a.cfg.RunRetention, RoomForRuns: a.tenants.RoomForRuns,
		Slots: a.cfg.Workers, TracerProvider: a.cfg.TracerProvider, Visible: a.roles.Visible, Watched: a.events.Wanted,
		Zone: a.zone,
	})
	if err != nil {
		return fmt.Errorf("jetadmin.Config.Nodes: %w", err)
	}
	return nil
}

// accounts are for tenants, which are made before them.
type accounts struct{ app *App }

func (a accounts) Admit(ctx context.Context, address string) error {
	return a.app.auth.Admit(ctx, address)
}

func (a accounts) DraftUser(ctx context.Context, in auth.NewUser) (func(ctx context.Context, tx bun.IDB) (auth.User, error), error) {
	return a.app.auth.DraftUser(ctx, in)
}

func (a accounts) LeaveTenant(ctx context.Context, tx bun.IDB, tenantID, userID string) error {
	return a.app.auth.LeaveTenant(ctx, tx, tenantID, userID)
}

func (a accounts) Revalidate(ctx context.Context, p *auth.Principal) (*auth.Principal, error) {
	return a.app.auth.Revalidate(ctx, p)
}

// workflowOf is what a run is a part of; rules about the one are about the other.
func (a *App) workflowOf(ctx context.Context, tenantID, runID string) (string, error) {
	return a.workflows.WorkflowOf(ctx, tenantID, runID)
}

// admit asks whether one more of something may come into a tenant.
func (a *App) admit(ctx context.Context, tx bun.IDB, tenantID, resource string) error {
	return a.tenants.Admit(ctx, tx, tenantID, tenancy.Resource(resource))
}

// limitOfFiles is how many bytes the files of a tenant may have.
func (a *App) limitOfFiles(ctx context.Context, tx bun.IDB, tenantID string) (int64, error) {
	limits, err := a.tenants.LimitsIn(ctx, tx, tenantID)
	return limits.FileBytes, err
}

// maxKeyDays is within how many days an API key of a tenant must expire.
func (a *App) maxKeyDays(ctx context.Context, db bun.IDB, tenantID string) (int, error) {
	settings, err := a.tenants.SettingsIn(ctx, db, tenantID)
	return settings.APIKeyMaxDays, err
}

// zone is the time zone of a tenant's schedules that name none.
func (a *App) zone(ctx context.Context, tenantID string) (string, error) {
	settings, err := a.tenants.SettingsIn(ctx, a.db.DB, tenantID)
	return settings.TimeZone, err
}

// exportLines is [App.ExportTenant] for who only writes the lines down.
func (a *App) exportLines(ctx context.Context, each func(line any) error) error {
	return a.ExportTenant(ctx, func(line ExportLine) error { return each(line) })
}

// past reads the history of a topic.
func (a *App) past(ctx context.Context, topic string, since int64) (workflow.RunEvents, error) {
	past, err := a.events.Past(ctx, topic, since)
	events := workflow.RunEvents{Items: make([]workflow.PastEvent, len(past.Events)), Last: past.Last, Gap: past.Gap}
	for i, e := range past.Events {
		events.Items[i] = workflow.PastEvent(e)
	}
	return events, err
}

// checkReference says whether what a workflow's node uses is there.
func (a *App) checkReference(ctx context.Context, g auth.Grant) error {
	if g.Permission == auth.QueryExecute {
		return a.datasources.CheckQuery(ctx, g.ObjectID)
	}
	return problem.Missing(g.Permission.Resource())
}

// openFile gives the content of an uploaded file to a connector.
func (a *App) openFile(ctx context.Context, tenantID, fileID string) (file.Content, error) {
	return a.files.Open(ctx, tenantID, fileID)
}

// usersOfFile names the datasources that would break without a file.
func (a *App) usersOfFile(ctx context.Context, fileID string) ([]string, error) {
	return a.datasources.UsingFile(ctx, fileID)
}

// usersOfQuery names the workflows that would break without a query.
func (a *App) usersOfQuery(ctx context.Context, queryID string) ([]string, error) {
	return a.workflows.Using(ctx, auth.Grant{Permission: auth.QueryExecute, ObjectID: queryID})
}

// assignees looks up whom a workflow's node names: roles of the tenant, and its
// members.
func (a *App) assignees(ctx context.Context, named workflow.Assignees) (workflow.Assignees, error) {
	found := workflow.Assignees{Users: named.Users}
	who := auth.FromContext(ctx)
	if who == nil {
		return found, problem.New(problem.Unauthenticated, "sign_in_required", "this needs a signed-in caller")
	}
	var f problem.Faults
	var err error
	if found.Roles, err = a.roles.Lookup(ctx, a.db.DB, named.Roles); err != nil {
		if !problem.Is(err, problem.Invalid) {
			return found, err
		}
		f.Merge("", err)
	}
	for i, userID := range named.Users {
		_, err := a.tenants.RolesOf(ctx, who.TenantID, userID)
		if err != nil && !problem.Is(err, problem.NotFound) {
			return found, err
		}
		f.Check(err == nil, fmt.Sprintf("users.%d", i), "is not a member of this tenant")
	}
	return found, f.Err("assignee_unknown", "somebody who may answer does not exist")
}

// sampleMonitor makes what watchers of a tenant's engine get every second.
func (a *App) sampleMonitor(ctx context.Context, t realtime.Topic) (realtime.Event, error) {
	watcher := auth.ServicePrincipal(t.ID, "monitor", auth.Grant{Permission: auth.MonitorRead})
	stats, err := a.workflows.Monitor(auth.NewContext(ctx, watcher))
	return realtime.Event{Type: workflow.EventMonitor, Key: "stats", Data: stats}, err
}

// authorizeTopic says who may watch what: a tenant its members and the keys that may
// read it, its engine whoever may see that, anything else whoever may read it, a workflow with its runs.
func (a *App) authorizeTopic(ctx context.Context, who *auth.Principal, t realtime.Topic) (*auth.Principal, error) {
	switch t.Kind {
	case "tenant":
		inTenant, err := a.auth.Enter(ctx, who, t.ID)
		if err != nil || inTenant.Kind != auth.KindAPIKey {
			return inTenant, err
		}
		return a.roles.Authorize(auth.NewContext(ctx, inTenant), auth.TenantRead, "")
	case "monitor":
		inTenant, err := a.auth.Enter(ctx, who, t.ID)
		if err != nil {
			return nil, err
		}
		return a.roles.Authorize(auth.NewContext(ctx, inTenant), auth.MonitorRead, "")
	case "run":
		return a.authorizeReader(ctx, who, t, a.workflows.TenantOf, auth.RunRead)
	case "workflow":
		return a.authorizeReader(ctx, who, t, a.workflows.TenantOfWorkflow, auth.WorkflowRead, auth.RunRead)
	case "datasource":
		return a.authorizeReader(ctx, who, t, a.datasources.TenantOf, auth.DatasourceRead)
	case "widget":
		return a.authorizeLink(ctx, who, t)
	}
	return nil, problem.Missing("topic")
}

// authorizeReader lets whoever may read an object watch it. One of another tenant is
// missing, like one that is not there.
func (a *App) authorizeReader(ctx context.Context, who *auth.Principal, t realtime.Topic, tenantOf func(context.Context, string) (string, error), rights ...auth.Permission) (*auth.Principal, error) {
	inTenant, err := a.enterTopic(ctx, who, t, tenantOf)
	if err != nil {
		return nil, err
	}
	ctx = auth.NewContext(ctx, inTenant)
	for _, right := range rights {
		if inTenant, err = a.roles.Authorize(ctx, right, t.ID); err != nil {
			return nil, err
		}
	}
	return inTenant, nil
}

// authorizeLink lets who made a widget's link watch it, while he may read its run.
func (a *App) authorizeLink(ctx context.Context, who *auth.Principal, t realtime.Topic) (*auth.Principal, error) {
	inTenant, err := a.enterTopic(ctx, who, t, a.workflows.TenantOfLink)
	if err != nil {
		return nil, err
	}
	_, err = a.workflows.LinkedRun(auth.NewContext(ctx, inTenant), t.ID)
	return inTenant, err
}

// enterTopic is the caller in the tenant of a topic, which is missing for who is not in
// it.
func (a *App) enterTopic(ctx context.Context, who *auth.Principal, t realtime.Topic, tenantOf func(context.Context, string) (string, error)) (*auth.Principal, error) {
	tenantID, err := tenantOf(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	inTenant, err := a.auth.Enter(ctx, who, tenantID)
	if problem.Is(err, problem.NotFound) {
		err = problem.Missing(t.Kind).Because(err)
	}
	return inTenant, err
}

// publish hands news to the hub. News is lost, and logged, when it cannot be
// carried: whoever watches learns of the gap by its number.
func (a *App) publish(ctx context.Context, topic, kind string, data any) {
	event := realtime.Event{Topic: topic, Type: kind, Data: data}
	if state, ok := data.(interface{ EventKey() string }); ok {
		event.Key = state.EventKey()
	}
	if err := a.events.Emit(ctx, event); err != nil {
		a.cfg.Logger.Warn("jetadmin: publish an event", "topic", topic, "type", kind, "error", err)
	}
}

// resources are the objects whose changes are told to the members of their tenant.
var resources = map[string]bool{
	"apikey": true, "datasource": true, "file": true, "invitation": true, "member": true, "query": true, "role": true,
	"schedule": true, "tenant": true, "webhook": true, "workflow": true,
}

// untold are the actions on resources that members of the tenant are not told of.
var untold = []string{"tenant.create", "member.impersonate", "role.impersonate"}

// watched are those that have a topic of their own too.
var watched = map[string]bool{"datasource": true, "workflow": true}

// record writes a change down, forgets who made what is deleted by it, and when it is
// committed tells who watches the tenant, or the object, that there is one, no more
// than its kind and the id of the object. Nobody watches a tenant that is only made, and
// whom somebody looks at as has not changed. Who views as somebody else changes nothing,
// whatever right it took him as far as this.
func (a *App) record(ctx context.Context, db bun.IDB, e audit.Entry) error {
	if who := auth.FromContext(ctx); who != nil {
		if err := who.MayChange(); err != nil {
			return err
		}
	}
	if err := a.audit.Record(ctx, db, e); err != nil {
		return err
	}
	if rbac.Owned(e.ObjectType) && e.Action == e.ObjectType+".delete" {
		if err := a.roles.Disown(ctx, db, e.TenantID, e.ObjectID); err != nil {
			return err
		}
	}
	if e.TenantID != "" && e.ObjectID != "" && resources[e.ObjectType] && !slices.Contains(untold, e.Action) {
		store.AfterCommit(ctx, func() {
			a.publish(ctx, "tenant:"+e.TenantID, eventOf(e), changed{e.ObjectID})
			if watched[e.ObjectType] {
				a.publish(ctx, e.ObjectType+":"+e.ObjectID, eventOf(e), changed{e.ObjectID})
			}
		})
	}
	return nil
}

// changed is what an event tells of a change: what to read again.
type changed struct {
	ID string `json:"id"`
}

// eventOf is the kind of event for a change: "query.updated" for whatever changes
// a query that was there and still is.
func eventOf(e audit.Entry) string {
	_, verb, _ := strings.Cut(e.Action, ".")
	switch verb {
	case "create", "delete":
		return e.ObjectType + "." + verb + "d"
	case "publish", "accept":
		return e.ObjectType + "." + verb + "ed"
	}
	return e.ObjectType + ".updated"
}

// mayStill asks again for the right of a caller for whom something takes long, and
// returns him as he is now.
func (a *App) mayStill(ctx context.Context, p auth.Permission) (context.Context, error) {
	who, err := a.auth.Revalidate(ctx, auth.FromContext(ctx))
	if err != nil {
		return nil, err
	}
	ctx = auth.NewContext(ctx, who)
	_, err = a.roles.Authorize(ctx, p, "")
	return ctx, err
}

func (a *App) mayHaveRecord(ctx context.Context) error {
	_, err := a.mayStill(ctx, auth.AuditList)
	return err
}

func (a *App) authorizeAudit(ctx context.Context) (string, error) {
	who, err := a.roles.Authorize(ctx, auth.AuditList, "")
	if err != nil {
		return "", err
	}
	return who.TenantID, nil
}

// actor names the caller for the record of changes.
func actor(ctx context.Context) audit.Actor {
	who := auth.FromContext(ctx)
	if who == nil {
		return audit.Actor{Name: "anonymous"}
	}
	onBehalf := ""
	if who.Kind != auth.KindUser {
		onBehalf = who.UserID
	}
	return audit.Actor{Name: who.Actor(), OnBehalfOf: onBehalf, Viewing: who.Viewing()}
}

// address names where a call comes from, for the record of what was denied.
func address(ctx context.Context) string {
	if from := auth.AddressFrom(ctx); from.IsValid() {
		return from.String()
	}
	return ""
}

// ready is whether requests can be served: started, and the database answers.
func (a *App) ready(ctx context.Context) error {
	if !a.started.Load() {
		return problem.New(problem.Unavailable, "not_started", "the App is not started")
	}
	return a.db.PingContext(ctx)
}
