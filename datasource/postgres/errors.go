package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// SQLSTATEs with an answer of their own.
const (
	readOnlyTransaction = "25006"
	indeterminateType   = "42P18"
	queryCanceled       = "57014"
	invalidCatalog      = "3D000"
)

var errNoRows = errors.New("the statement gives no rows back")

// queryError tells a refused statement from a broken connection.
func queryError(err error, bound template.Bound) error {
	if errors.Is(err, errNoRows) {
		return datasource.NotWriting("only a statement that gives rows back can run in a query that is not marked as writing", "", err)
	}
	if _, ok := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); ok {
		return refused("one row is larger than the limit", "", -1, err)
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || operator(e.Code) {
		return connectError(err)
	}
	if e.Code == readOnlyTransaction {
		return datasource.NotWriting("the query writes, but is not marked as writing", e.Code, err)
	}
	s := &datasource.StatementError{Code: e.Code, Message: oneLine(e.Message), Position: position(e, bound), Cause: err}
	if e.Code == indeterminateType {
		s.Remedy = "say the type of the parameter where it stands alone, as in {{ since }}::date, or put it into an optional block"
	}
	return s
}

// operator reports whether a code speaks of the server, not of the statement.
func operator(code string) bool {
	return code != queryCanceled && (strings.HasPrefix(code, "57P") || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "58") || strings.HasPrefix(code, "08"))
}

func refused(message, code string, position int, cause error) error {
	return &datasource.StatementError{Code: code, Message: message, Position: position, Cause: cause}
}

// position turns the server's position, in characters from 1, into an offset in
// the author's text.
func position(e *pgconn.PgError, bound template.Bound) int {
	if e.Position < 1 {
		return -1
	}
	at := 0
	for range e.Position - 1 {
		_, size := utf8.DecodeRuneInString(bound.Text[at:])
		at += size
	}
	return bound.Source(at)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// connectError says in one line why there is no connection. The driver's own
// text names user and database; it is private.
func connectError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return e
	}
	message, remedy := "the connection to the database failed", "test the connection of the datasource"
	if c, ok := cause(err); ok {
		message, remedy = c.message, c.remedy
	}
	return problem.New(problem.Upstream, "connect_failed", message).Fix(remedy).Because(err)
}

// reason is one of a fixed set of answers. Whether a port is closed or filtered
// is not among them: a tenant could map the network with it.
type reason struct{ step, message, remedy string }

func cause(err error) (reason, bool) {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case strings.HasPrefix(e.Code, "28"):
			return reason{stepAuthenticate, "the server refused the user or password", "check user, password, and that the server lets this user in from here"}, true
		case e.Code == invalidCatalog:
			return reason{stepAuthenticate, "the database does not exist", "check the name of the database"}, true
		case strings.HasPrefix(e.Code, "53"):
			return reason{stepAuthenticate, "the server has no room for another connection", "try again later, or raise max_connections of the server"}, true
		}
		return reason{stepAuthenticate, "the server refused the connection", "look into the log of the database server"}, true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return reason{stepResolve, "the host name does not resolve", "check the host name"}, true
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	if certificate || unknown {
		return reason{stepTLS, "the certificate of the server is not trusted", "use sslmode require, or a certificate of a known authority for this host name"}, true
	}
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		return reason{stepTLS, "the server does not speak TLS", "check host and port, and that it is a PostgreSQL server"}, true
	}
	if strings.Contains(err.Error(), "server refused TLS connection") { // the driver has no typed error for it
		return reason{stepTLS, "the server does not offer encryption", "turn TLS on in the server, or set sslmode to disable if the network is safe"}, true
	}
	_, network := errors.AsType[*net.OpError](err)
	if network || errors.Is(err, context.DeadlineExceeded) {
		return reason{stepConnect, "the server cannot be reached", "check host, port and firewall"}, true
	}
	return reason{}, false
}
