package workflow

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

// A signature reads "t=1767225600,v1=5257a8…": t is the time of signing in
// seconds since 1970, v1 the HMAC-SHA256, in hex, of t, a dot and the body as
// they were sent. There may be several v1, of several secrets; other fields are
// for later versions and are passed over.

const (
	maxSignature  = 1024 // bytes of the header
	maxSignatures = 8    // v1 in it
)

// signature is a parsed header.
type signature struct {
	time string // as it was signed
	at   time.Time
	macs [][]byte
}

// parseSignature reads the header of a delivery; ok is false for anything but a
// well-formed one.
func parseSignature(header string) (sig signature, ok bool) {
	if len(header) > maxSignature {
		return signature{}, false
	}
	for field := range strings.SplitSeq(header, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(field), "=")
		if !found {
			return signature{}, false
		}
		switch name {
		case "t":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil || sig.time != "" || len(value) > 11 || value != strconv.FormatInt(seconds, 10) || seconds < 0 {
				return signature{}, false
			}
			sig.time, sig.at = value, time.Unix(seconds, 0)
		case "v1":
			mac, err := hex.DecodeString(value)
			if err != nil || len(mac) != sha256.Size || len(sig.macs) == maxSignatures {
				return signature{}, false
			}
			sig.macs = append(sig.macs, mac)
		}
	}
	return sig, sig.time != "" && len(sig.macs) > 0
}

// sign is the v1 of a signature.
func sign(key secret.Text, time string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	h.Write([]byte(time))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}

// verified is the digest of a signature that one of the secrets made; "" when none
// did. It compares every one with every other, so that the time it takes tells
// nothing about which is right.
func (sig signature) verified(secrets []secret.Text, body []byte) string {
	digest := ""
	for _, key := range secrets {
		want := sign(key, sig.time, body)
		for _, mac := range sig.macs {
			if hmac.Equal(mac, want) {
				digest = hex.EncodeToString(want)
			}
		}
	}
	return digest
}

// same compares a secret that was sent with those that are right, in a time that
// depends on neither.
func same(sent string, secrets []secret.Text) bool {
	given := sha256.Sum256([]byte(sent))
	equal := 0
	for _, key := range secrets {
		right := sha256.Sum256([]byte(key.Reveal()))
		equal |= subtle.ConstantTimeCompare(given[:], right[:])
	}
	return equal == 1
}

// errUnproven is the one answer to a delivery whose proof is missing, malformed or
// wrong.
func errUnproven() error {
	return problem.New(problem.Unauthenticated, "delivery_unproven", "the delivery does not prove where it comes from")
}

// prove checks the proof of a delivery. The digest, if any, is of what was signed:
// seeing it again is a replay.
func (r *webhookRow) prove(d Delivery, set webhookSettings, secrets []secret.Text, now time.Time) (digest string, err error) {
	switch r.Mode {
	case WebhookPublic:
		return "", nil
	case WebhookSecret:
		if sent := d.Header.Values(set.SecretHeader); len(sent) != 1 || !same(sent[0], secrets) {
			return "", errUnproven()
		}
		return "", nil
	}
	sent := d.Header.Values(SignatureHeader)
	if len(sent) != 1 {
		return "", errUnproven()
	}
	sig, ok := parseSignature(sent[0])
	if !ok {
		return "", errUnproven()
	}
	if digest = sig.verified(secrets, d.Body); digest == "" {
		return "", errUnproven()
	}
	// Only who knows the secret comes here, and may know what is wrong.
	if age := now.Sub(sig.at); age.Abs() > time.Duration(set.ReplayWindow) {
		return "", problem.New(problem.Unauthenticated, "delivery_late", "the time in the signature is too far from ours").
			Fix("sign with the present time, in seconds since 1970, and set the clock")
	}
	return digest, nil
}
