package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/clock"
)

// eventRow is one event as it is stored, and everything that its hash covers.
type eventRow struct {
	bun.BaseModel `bun:"table:?schema.jet_audit,alias:a"`

	TenantID   string    `bun:"tenant_id"`
	Seq        int64     `bun:"seq"`
	Time       time.Time `bun:"time"`
	Actor      string    `bun:"actor"`
	OnBehalfOf string    `bun:"on_behalf_of"`
	Action     string    `bun:"action"`
	ObjectType string    `bun:"object_type"`
	ObjectID   string    `bun:"object_id"`
	RequestID  string    `bun:"request_id"`
	Detail     string    `bun:"detail"`
	Previous   []byte    `bun:"previous"`
	Hash       []byte    `bun:"hash"`
}

// headRow has the ends of a tenant's chain: the number and hash of its last event,
// and those of the last one that retention dropped.
type headRow struct {
	bun.BaseModel `bun:"table:?schema.jet_audit_head,alias:h"`

	TenantID string `bun:"tenant_id"`
	Seq      int64  `bun:"seq"`
	Hash     []byte `bun:"hash"`

	DroppedSeq  int64  `bun:"dropped_seq"`
	DroppedHash []byte `bun:"dropped_hash"`
}

// chainFormat opens the hashed text. Another layout of the fields gets another
// name, so that one event never has two readings.
const chainFormat = "jetadmin audit 1"

// origin is the hash before the first event of a chain.
func origin() []byte { return make([]byte, sha256.Size) }

// digest is the hash of an event: SHA-256 over chainFormat, the previous hash
// and the fields in the order of the table. Each is preceded by its length in
// bytes as a big-endian uint64, so that no two events have the same text. Numbers
// are decimal; the time is in microseconds since 1970, which is what both
// databases keep; the detail is the stored text.
func (e *eventRow) digest() []byte {
	h := sha256.New()
	field(h, chainFormat)
	field(h, string(e.Previous))
	field(h, e.TenantID)
	field(h, strconv.FormatInt(e.Seq, 10))
	field(h, strconv.FormatInt(clock.Round(e.Time).UnixMicro(), 10))
	field(h, e.Actor)
	field(h, e.OnBehalfOf)
	field(h, e.Action)
	field(h, e.ObjectType)
	field(h, e.ObjectID)
	field(h, e.RequestID)
	field(h, e.Detail)
	return h.Sum(nil)
}

func field(h hash.Hash, s string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(s)))
	h.Write(length[:])
	h.Write([]byte(s))
}

// storable is s as both databases can keep it. A name that somebody chose to be
// unstorable must neither fail the change nor come back with another hash.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
