// Package tlsmode is what a connection's encryption can be, for connectors whose
// libraries take a tls.Config.
package tlsmode

import (
	"crypto/tls"
	"crypto/x509"
)

// The modes, named as PostgreSQL names them.
const (
	Disable    = "disable"
	Require    = "require"     // encrypted, the server's certificate is not checked
	VerifyFull = "verify-full" // encrypted, certificate and host name checked
)

// Modes lists them from the weakest to the strongest.
func Modes() []string { return []string{Disable, Require, VerifyFull} }

// Config is the configuration of a mode for a host, nil for Disable. ca holds
// certificates in PEM form that are trusted instead of the system's; "" = the
// system's.
func Config(mode, host, ca string) *tls.Config {
	switch mode {
	case Disable:
		return nil
	case VerifyFull:
		cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
		if ca != "" {
			cfg.RootCAs, _ = pool(ca)
		}
		return cfg
	}
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} // what "require" means everywhere
}

// IsCA reports whether ca holds at least one certificate in PEM form.
func IsCA(ca string) bool {
	_, ok := pool(ca)
	return ok
}

func pool(ca string) (*x509.CertPool, bool) {
	p := x509.NewCertPool()
	return p, p.AppendCertsFromPEM([]byte(ca)) // an empty pool trusts nobody
}
