// Package jetadmin is a control plane for internal tools that a Go program
// embeds: multi-tenant sign-in, roles, datasources, saved queries, durable
// workflows, live events and an audit log, behind one http.Handler.
//
//	app, err := jetadmin.New(jetadmin.Config{BasePath: "/admin"})
//	if err != nil { … }
//	if err := app.Start(ctx); err != nil { … }
//	defer app.Stop(context.Background())
//	mux.Handle("/admin/", app)
//
// With nothing set, an App keeps its data in a SQLite file and runs workflows in
// the process. With [Config.DB] on PostgreSQL and [Config.Redis], any number of
// processes share the work. No code changes between the two.
//
// # What a host can do from Go
//
// Everything that HTTP can. Each part is a service: [App.Auth], [App.Tenants],
// [App.Roles], [App.Datasources], [App.Workflows], [App.Audit], [App.Events].
// Every call is made by somebody: put an [auth.Principal] into its context, a
// member's ([auth.Service.Principal]) or a part of the host's own
// ([auth.ServicePrincipal]).
//
// # What the library does not do
//
// It opens no listener, traps no signal, never exits the process, writes nothing
// to standard output, and registers nothing globally: two Apps in one process
// share nothing.
package jetadmin
