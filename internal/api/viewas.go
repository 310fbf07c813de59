package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
)

// viewAsHeader says whom a caller is shown a tenant as: "user:<id>" or "role:<id>".
const viewAsHeader = "Jetadmin-View-As"

func viewAsParam() *huma.Param {
	return &huma.Param{
		Name:        viewAsHeader,
		In:          "header",
		Description: "Shows what both the caller and somebody else see: `user:<id>` is a member, `role:<id>` whoever has that role alone. It needs member.impersonate on the member, or role.read on the role.",
		Schema:      &huma.Schema{Type: huma.TypeString, Pattern: "^(user|role):.+$"},
	}
}

// viewable reports whether a caller can be shown the reply of the operation as somebody
// else: it only reads, and asks for no right to change something.
func (op Operation) viewable() bool {
	return op.Access == InTenant && rbac.Reads(op.Permission) && (op.Method == http.MethodGet || op.Reads)
}

// mayView refuses a request that names somebody to be viewed where nobody can be: it
// would do something else than its sender thinks.
func (op Operation) mayView(h http.Header) error {
	switch {
	case len(h.Values(viewAsHeader)) == 0 || op.viewable():
		return nil
	case op.Access != InTenant:
		return problem.New(problem.Invalid, "view_as_outside_tenant", "only what is in a tenant is seen as somebody else sees it").
			Fix("leave the header " + viewAsHeader + " out")
	}
	return problem.New(problem.Forbidden, "view_as_reads_only", "who views as somebody else only reads").
		Fix("leave the header " + viewAsHeader + " out")
}

// viewing is who makes a request, viewing whom its header names.
func (a *API) viewing(ctx context.Context, h http.Header, who *auth.Principal) (*auth.Principal, error) {
	named := h.Values(viewAsHeader)
	if len(named) == 0 {
		return who, nil
	}
	kind, subject, _ := strings.Cut(named[0], ":")
	of := rbac.Subject{Kind: rbac.SubjectKind(kind), ID: subject}
	if len(named) > 1 || subject == "" || !slices.Contains([]rbac.SubjectKind{rbac.SubjectUser, rbac.SubjectRole}, of.Kind) {
		return nil, problem.New(problem.Invalid, "view_as_invalid", "the header "+viewAsHeader+" names nobody that could be viewed").
			Fix("send one of user:<id of a member> and role:<id of a role>")
	}
	ctx, err := a.cfg.RBAC.ViewAs(auth.NewContext(ctx, who), of)
	if err != nil {
		return nil, err
	}
	return auth.FromContext(ctx), nil
}
