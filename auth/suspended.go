package auth

import "github.com/jetadmin/jetadmin/problem"

// TenantSuspended is the answer to everybody who would do something in a tenant
// that is suspended.
func TenantSuspended() error {
	return problem.New(problem.Forbidden, "tenant_suspended", "the workspace is suspended").
		Fix("ask whoever runs the server")
}
