package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// queryError tells a refused command from a broken connection.
func queryError(err error) error {
	if errors.Is(err, errTooLarge) {
		return refused("the answer is larger than the limit: ask for a part of it, with GETRANGE, LRANGE, HSCAN, SSCAN, ZRANGE … LIMIT or XRANGE … COUNT", "", err)
	}
	e, ok := errors.AsType[redis.Error](err)
	if !ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return connectError(err)
	}
	code, message, _ := strings.Cut(oneLine(e.Error()), " ")
	switch {
	case slices.Contains(connection(), code):
		return connectError(err)
	case code == "MOVED" || code == "ASK" || code == "CROSSSLOT" || code == "CLUSTERDOWN":
		return refused("the server is part of a cluster, which this connector does not speak to", code, err)
	case code == "NOPERM":
		return refused("the user of the datasource may not run this command on these keys", code, err)
	case code == "READONLY":
		return refused("the server is a replica and only reads", code, err)
	case strings.HasPrefix(message, "unknown command"), strings.HasPrefix(message, "unknown subcommand"):
		return refused("the server does not know this command", code, err) // its own text repeats the arguments
	case strings.ToUpper(code) != code:
		code, message = "", code+" "+message
	}
	return refused(message, code, err)
}

// connection are the codes that speak of the connection, not of the command.
func connection() []string {
	return []string{"NOAUTH", "WRONGPASS", "LOADING", "MASTERDOWN", "DENIED", "NOPROTO"}
}

func refused(message, code string, cause error) error {
	return &datasource.StatementError{Code: code, Message: message, Position: -1, Cause: cause}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// connectError says in one line why there is no connection.
func connectError(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := cause(err); ok {
		return problem.New(problem.Upstream, "connect_failed", r.message).Fix(r.remedy).Because(err)
	}
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return e.Because(err)
	}
	return problem.New(problem.Upstream, "connect_failed", "the connection to the server failed").Fix("test the connection of the datasource").Because(err)
}

// reason is one of a fixed set of answers. Whether a port is closed or filtered
// is not among them: a tenant could map the network with it.
type reason struct{ step, message, remedy string }

func cause(err error) (reason, bool) {
	if e, ok := errors.AsType[redis.Error](err); ok {
		return refusedLogin(e.Error()), true
	}
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Code == "egress_refused" {
		return reason{}, false // says it all itself
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return reason{stepResolve, "the host name does not resolve", "check the host name"}, true
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	if certificate || authority || name {
		return reason{stepTLS, "the certificate of the server is not trusted", "use sslmode require, or give the certificate authority that signed it for this host name"}, true
	}
	if errors.Is(err, errHandshake) {
		return reason{stepTLS, errHandshake.Message, errHandshake.Remedy}, true
	}
	if errors.Is(err, errProtocol) || errors.Is(err, errTooLarge) {
		return reason{stepAuthenticate, "the server does not keep to the protocol of Redis", "check host and port"}, true
	}
	_, network := errors.AsType[*net.OpError](err)
	if network || errors.Is(err, context.DeadlineExceeded) {
		return reason{stepConnect, "the server cannot be reached", "check host, port and firewall"}, true
	}
	return reason{}, false
}

func refusedLogin(message string) reason {
	code, rest, _ := strings.Cut(message, " ")
	switch {
	case code == "LOADING" || code == "MASTERDOWN":
		return reason{stepPing, "the server is not ready", "try again shortly"}
	case code == "NOAUTH" || code == "WRONGPASS" || strings.Contains(rest, "AUTH"):
		return reason{stepAuthenticate, "the server refused the user or password", "check user and password"}
	case strings.Contains(rest, "DB index"):
		return reason{stepAuthenticate, "the server has no database of this number", "check the number of the database"}
	case code == "MOVED" || code == "ASK" || code == "CLUSTERDOWN":
		return reason{stepPing, "the server is part of a cluster, which this connector does not speak to", "use a single server"}
	case code == "DENIED":
		return reason{stepAuthenticate, "the server takes no connections from other machines", "turn its protected mode off, and set a password"}
	}
	return reason{stepAuthenticate, "the server refused the connection", "look into the log of the server, and check the rights of the user"}
}
