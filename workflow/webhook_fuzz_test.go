package workflow

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/secret"
)

// A signature that is read is one that could have been written, and nothing but
// the right secret makes it good.
func FuzzSignature(f *testing.F) {
	mac := hex.EncodeToString(sign(secret.NewText("jws_key"), "1767225600", []byte("body")))
	for _, seed := range []string{
		"t=1767225600,v1=" + mac, "t=1767225600, v1=" + mac + ",v1=" + mac, "t=,v1=", "t=-1,v1=00", "v1=" + mac, "t=1", "=", ",", "t=1,t=2",
		"t=99999999999,v1=" + mac, "t=1767225600,v2=x,v1=" + strings.ToUpper(mac), strings.Repeat("v1="+mac+",", 20),
	} {
		f.Add(seed, "body")
	}
	right, wrong := secret.NewText("jws_key"), secret.NewText("jws_other")
	f.Fuzz(func(t *testing.T, header, body string) {
		sig, ok := parseSignature(header)
		if !ok {
			return
		}
		if sig.at.Unix() < 0 || len(sig.macs) == 0 || len(sig.macs) > maxSignatures || !strings.Contains(header, "t="+sig.time) {
			t.Fatalf("%q: %+v", header, sig)
		}
		good := sig.verified([]secret.Text{right}, []byte(body)) != ""
		if want := hex.EncodeToString(sign(right, sig.time, []byte(body))); good != strings.Contains(strings.ToLower(header), "v1="+want) {
			t.Fatalf("%q of %q: good = %v", header, body, good)
		}
		if sig.verified(nil, []byte(body)) != "" || sig.verified([]secret.Text{wrong}, []byte(body)) != "" && !strings.Contains(header, hex.EncodeToString(sign(wrong, sig.time, []byte(body)))) {
			t.Fatalf("%q of %q is good without the secret", header, body)
		}
	})
}
