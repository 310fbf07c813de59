package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// The marks with which tokens begin, so that a reader, a log filter or a secret
// scanner can tell what they are.
const (
	sessionMark = "jas_"
	keyMark     = "jak_"
	setupMark   = "jau_"
	resetMark   = "jar_"
	inviteMark  = "jai_"
)

// credentialInvalid is the code of every credential that is not good.
const credentialInvalid = "credential_invalid"

// The parts of a token, in characters of base32. An API key reads
//
//	jak_ <prefix> <secret> <checksum>
//
// without the spaces; other tokens have no prefix. The secret is 260 random
// bits. The checksum tells a mistyped or cut-off token from a wrong one without
// asking the database; it is no protection.
const (
	prefixSize   = 12
	secretSize   = 52
	checksumSize = 7
)

var errTokenMalformed = errors.New("the token is malformed")

// newToken makes a token without a prefix.
func newToken(mark string) string { return withChecksum(mark + rand.Text() + rand.Text()) }

// newKeyToken makes an API key and the prefix by which it is found.
func newKeyToken() (token, prefix string) {
	prefix = rand.Text()[:prefixSize]
	return newKeySecret(prefix), prefix
}

// newKeySecret makes another API key with a prefix.
func newKeySecret(prefix string) string {
	return withChecksum(keyMark + prefix + rand.Text() + rand.Text())
}

// NewInvitationToken makes the token of an invitation, and the hash by which it is
// found.
func NewInvitationToken() (token string, hash []byte) {
	token = newToken(inviteMark)
	return token, hashToken(token)
}

// InvitationHash is the hash of the token of an invitation; ok is false for what
// cannot be one.
func InvitationHash(token string) (hash []byte, ok bool) {
	return hashToken(token), checkToken(token, inviteMark)
}

func checkToken(token, mark string) bool {
	body, ok := strings.CutPrefix(token, mark)
	return ok && len(body) == secretSize+checksumSize && isBase32(body) && hasChecksum(token)
}

// keyPrefix reads the prefix of a well-formed API key.
func keyPrefix(token string) (string, bool) {
	body, ok := strings.CutPrefix(token, keyMark)
	if !ok || len(body) != prefixSize+secretSize+checksumSize || !isBase32(body) || !hasChecksum(token) {
		return "", false
	}
	return body[:prefixSize], true
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

func withChecksum(s string) string {
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(s)))
	return s + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum)
}

func hasChecksum(token string) bool { return withChecksum(token[:len(token)-checksumSize]) == token }

func isBase32(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '2' || r > '7') })
}

// refuse is the one answer to every credential that is not good, whatever the
// reason: that stays in the log.
func refuse(reason error) error {
	return problem.New(problem.Unauthenticated, credentialInvalid, "the credential is not valid").Because(reason)
}
