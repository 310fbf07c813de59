package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
)

// resetRoutes are there when the host sends links.
func (a *API) resetRoutes(tag string) {
	register(a, Operation{
		ID: "forgotPassword", Method: http.MethodPost, Path: "/auth/password/forgot", Access: Public, Tag: tag, Status: http.StatusAccepted,
		Summary:     "Ask for a link to a new password",
		Description: "The answer is the same whether or not there is an account.",
		Example:     map[string]any{"email": "ada@example.com"},
	}, a.forgotPassword)
	register(a, Operation{
		ID: "resetPassword", Method: http.MethodPost, Path: "/auth/password/reset", Access: Public, Tag: tag,
		Summary:     "Set a new password with the token of a link, and end every session",
		Description: "The token is good once, and for an hour.",
		Example:     map[string]any{"token": "jar_…", "password": "correct horse battery staple"},
	}, a.resetPassword)
}

type forgotInput struct {
	Body struct {
		Email string `json:"email" maxLength:"1000"`
	} `nameHint:"ForgottenPassword"`
}

func (a *API) forgotPassword(ctx context.Context, in *forgotInput) (*struct{}, error) {
	return nil, a.cfg.Auth.ForgotPassword(ctx, in.Body.Email, clientOf(ctx).address)
}

type resetInput struct {
	Body struct {
		Token    string `json:"token" maxLength:"200"`
		Password string `json:"password" maxLength:"4000"`
	} `nameHint:"PasswordReset"`
}

func (a *API) resetPassword(ctx context.Context, in *resetInput) (*struct{}, error) {
	return nil, a.cfg.Auth.ResetPassword(ctx, auth.NewPassword{
		Token: in.Body.Token, Password: in.Body.Password, Address: clientOf(ctx).address,
	})
}
