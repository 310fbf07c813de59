package jetadmin

import "github.com/jetadmin/jetadmin/internal/api"

// Operations lists the routes of an App, for tests that call each of them.
func (a *App) Operations() []api.Operation { return a.handler.Operations() }
