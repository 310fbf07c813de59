package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// Refused is the other side's refusal of a statement, or ours; the message is
// public.
func Refused(message, code string) error {
	return &datasource.StatementError{Code: code, Message: message, Position: -1}
}

// statusText is the status as it is told: "404 Not Found".
func statusText(status int) string {
	text := strconv.Itoa(status)
	if words := http.StatusText(status); words != "" {
		text += " " + words
	}
	return text
}

// connectError says why there was no answer. The text of an url.Error holds the
// URL and may hold a key with it, so only what is below it is kept as the cause.
func connectError(err error) error {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return withRemedy(e)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return problem.New(problem.Upstream, "connect_failed", noConnection(err)).Fix("check the base URL of the datasource").Because(err)
}

// noConnection is one of a fixed set of reasons (T77).
func noConnection(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name does not resolve"
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	if certificate || plain || unknown {
		return "the API cannot be reached over TLS"
	}
	return "the API cannot be reached"
}

// brokenError says why an answer that had begun did not end.
func brokenError(err error) error {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return withRemedy(e)
	}
	return problem.New(problem.Upstream, "answer_broken", "the answer of the API broke off, or cannot be read").
		Fix("try again; if it stays so, ask for less, or ask those who run the API").Because(err)
}

// withRemedy says what to do about the limits of internal/egress, which does not
// know what the request was for.
func withRemedy(e *problem.Error) error {
	if e.Remedy != "" {
		return e
	}
	switch e.Code {
	case "response_too_large":
		return e.Fix("ask for less: with a filter, fewer fields, or a page of the list")
	case "too_many_redirects", "redirect_refused":
		return e.Fix("make the address that it leads to the base URL of the datasource")
	}
	return e
}

// carriedOut says of an error about an answer that the request itself succeeded.
func carriedOut(err error) error {
	const but = "the request was carried out, but "
	if refusal, ok := errors.AsType[*datasource.StatementError](err); ok {
		return Refused(but+refusal.Message, refusal.Code)
	}
	e := problem.Of(err)
	return problem.New(e.Kind, e.Code, but+e.Message).
		Fix("do not repeat it before you know what it changed; then see to it that the answer can be read").Because(err)
}

func notJSON(cause error) error {
	return problem.New(problem.Upstream, "answer_not_json", "the answer is not valid JSON").
		Fix("ask for a path that answers in JSON, or set the header Accept").Because(cause)
}

// busy is the answer of an API that wants fewer requests.
func busy(reply *http.Response) error {
	e := problem.New(problem.Upstream, "api_busy", "the API answered "+statusText(reply.StatusCode)).Fix("try again later, or less often")
	e.RetryAfter = retryAfter(reply.Header.Get("Retry-After"), time.Now())
	return e
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3), up to a day; 0 =
// neither, or past.
func retryAfter(text string, now time.Time) time.Duration {
	const day = 24 * time.Hour
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(day/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), day)
}

// CredentialsRefused is what a connection test tells when the API wants others.
func CredentialsRefused() error {
	return problem.New(problem.Upstream, "credentials_refused", "the API refused the credentials").Fix("check the authentication of the datasource")
}
