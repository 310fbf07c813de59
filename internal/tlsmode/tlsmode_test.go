package tlsmode_test

import (
	"crypto/tls"
	"testing"

	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/internal/tlsmode"
)

func TestModes(t *testing.T) {
	t.Parallel()
	_, _, ca := testdb.Certificate(t, "127.0.0.1")
	if tlsmode.Config(tlsmode.Disable, "db", "") != nil {
		t.Error("disable encrypts")
	}
	for _, mode := range []string{tlsmode.Require, "", "unknown"} {
		if cfg := tlsmode.Config(mode, "db", ca); cfg == nil || !cfg.InsecureSkipVerify || cfg.MinVersion != tls.VersionTLS12 {
			t.Errorf("%q is %+v", mode, cfg)
		}
	}
	full := tlsmode.Config(tlsmode.VerifyFull, "db", ca)
	if full.InsecureSkipVerify || full.ServerName != "db" || full.RootCAs == nil {
		t.Errorf("verify-full is %+v", full)
	}
	if cfg := tlsmode.Config(tlsmode.VerifyFull, "db", "no certificate"); cfg.RootCAs == nil {
		t.Error("a CA that is none falls back to the system's")
	}
	for text, want := range map[string]bool{ca: true, "\n" + ca + ca: true, "": false, "x": false, "/etc/ssl/cert.pem": false} {
		if tlsmode.IsCA(text) != want {
			t.Errorf("%.30q is a CA: %v", text, !want)
		}
	}
}
