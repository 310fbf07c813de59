package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// Numbers of the server with an answer of their own.
const (
	readOnlyTransaction  = 1792
	statementTimeMariaDB = 1969
	statementTimeMySQL   = 3024
	interrupted          = 1317
	shuttingDown         = 1053
	connectionKilled     = 1927
)

// error tells a refused statement from a broken connection.
func (s *session) error(err error) error {
	if ctx := s.ctx.Err(); ctx != nil {
		return connectError(errors.Join(ctx, err))
	}
	err = s.link.socket.why(err)
	switch {
	case errors.Is(err, errTooLarge):
		return refused("one row, or the list of its columns, is larger than the limit", "", err)
	case errors.Is(err, errNoQuery):
		return datasource.NotWriting("only SELECT, TABLE, VALUES, WITH, SHOW and EXPLAIN of these can run in a query that is not marked as writing", "", err)
	case errors.Is(err, errInputs):
		return refused("the server does not read a {{ name }} as a parameter: it stands in a literal or comment for this server", "", err)
	}
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return connectError(err)
	}
	code := strconv.Itoa(int(e.Number))
	switch e.Number {
	case readOnlyTransaction:
		return datasource.NotWriting("the query writes, but is not marked as writing", code, err)
	case statementTimeMariaDB, statementTimeMySQL, interrupted:
		return refused("the server ended the statement before it was done", code, err)
	case notPreparable:
		return refused("the server does not run this kind of statement with parameters beside it", code, err)
	case shuttingDown, connectionKilled:
		return connectError(err)
	}
	return refused(oneLine(e.Message), code, err)
}

func refused(message, code string, cause error) error {
	return &datasource.StatementError{Code: code, Message: message, Position: -1, Cause: cause}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// connectError says in one line why there is no connection. The server's own text
// names user and address; it is private.
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

// answers are the reasons that the server gives by number.
var answers = []struct {
	numbers []uint16
	reason
}{
	{[]uint16{1045, 1698, 1251, 1275, 2061}, reason{stepAuthenticate, "the server refused the user or password", "check user, password, and that the server lets this user in from here"}},
	{[]uint16{1044, 1049}, reason{stepAuthenticate, "the database does not exist, or the user may not use it", "check the name of the database and the rights of the user"}},
	{[]uint16{1040, 1203, 1226}, reason{stepAuthenticate, "the server has no room for another connection", "try again later, or raise max_connections of the server"}},
	{[]uint16{1129, 1130}, reason{stepAuthenticate, "the server does not let this address in", "allow the address of this server in the database server"}},
	{[]uint16{3159, 4151}, reason{stepTLS, "the server demands encryption", "set sslmode to require or verify-full"}},
	{[]uint16{1298}, reason{stepAuthenticate, "the server does not know the time zone", "use an offset like +02:00, or load the time zone tables into the server"}},
}

func cause(err error) (reason, bool) {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		for _, a := range answers {
			if slices.Contains(a.numbers, e.Number) {
				return a.reason, true
			}
		}
		return reason{stepAuthenticate, "the server refused the connection", "look into the log of the database server"}, true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return reason{stepResolve, "the host name does not resolve", "check the host name"}, true
	}
	if untrusted(err) {
		return reason{stepTLS, "the certificate of the server is not trusted", "use sslmode require, or give the certificate authority that signed it for this host name"}, true
	}
	switch {
	case errors.Is(err, errProtocol), errors.Is(err, errPanic), errors.Is(err, mysql.ErrMalformPkt), errors.Is(err, mysql.ErrOldProtocol):
		return reason{stepAuthenticate, "the server does not keep to the protocol of MySQL", "check host and port"}, true
	case errors.Is(err, mysql.ErrNoTLS):
		return reason{stepTLS, "the server does not offer encryption", "turn TLS on in the server, or set sslmode to disable if the network is safe"}, true
	case errors.Is(err, mysql.ErrCleartextPassword), errors.Is(err, mysql.ErrOldPassword), errors.Is(err, mysql.ErrUnknownPlugin):
		return reason{stepAuthenticate, "the server asks for a way to authenticate that is not safe or not known", "give the user a password with caching_sha2_password, ed25519 or mysql_native_password"}, true
	}
	_, network := errors.AsType[*net.OpError](err)
	if network || errors.Is(err, context.DeadlineExceeded) {
		return reason{stepConnect, "the server cannot be reached", "check host, port and firewall"}, true
	}
	return reason{}, false
}

func untrusted(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	return certificate || authority || name
}
