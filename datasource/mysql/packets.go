package mysql

import (
	"encoding/binary"
	"errors"
)

const (
	maxColumns    = 4096 // of one list, for MySQL and MariaDB alike
	wholePacket   = 1<<24 - 1
	prefixLength  = 32 // bytes of a packet that tell what it is
	moreResults   = 0x0008
	deprecateEOF  = 1 << 24
	isMySQL       = 1 // a server without it may have MariaDB's own flags
	cacheMetadata = 1 << 4

	commandQuit    = 0x01
	commandQuery   = 0x03
	commandExecute = 0x17
	commandSend    = 0x18
	commandClose   = 0x19

	answerOK    = 0x00
	answerFile  = 0xfb
	answerEnd   = 0xfe
	answerError = 0xff
)

// phase is what the driver takes the next packet for.
type phase int

const (
	plain   phase = iota // something whose size is in the packet
	head                 // of a result: how many columns it has
	columns              // of a result
	results              // its rows
)

// packets follows those of a server as the driver reads them. The driver
// makes room for as many columns as a server announces, and joins packets without
// an end; neither can be caught when it is too much. So both are refused here,
// before the driver sees them.
type packets struct {
	silentEnd bool // lists of columns end without a packet
	cached    bool // the columns of a prepared statement may be left out
	ahead     byte // by how much the server counts packets further than the driver
	largest   int64

	phase   phase
	binary  bool // rows of a prepared statement
	again   bool // not the first result of a command
	columns uint64

	header [4]byte
	got    int   // of header
	rest   int   // bytes to come of the packet
	size   int64 // of the packet and those that it continues
	joined bool  // it continues one
	prefix []byte
}

// introduce reads what the driver agreed to from its login.
func (a *packets) introduce(login []byte) {
	flags := binary.LittleEndian.Uint32(login[4:])
	a.silentEnd = flags&deprecateEOF != 0
	a.cached = flags&isMySQL == 0 && binary.LittleEndian.Uint32(login[4+28:])&cacheMetadata != 0
}

// command says what the driver asked for.
func (a *packets) command(code byte) {
	switch code {
	case commandQuery, commandExecute:
		a.phase, a.binary, a.again = head, code == commandExecute, false
	case commandSend, commandClose, commandQuit: // have no answer
	default:
		a.phase = plain
	}
}

// read judges what is about to be given to the driver, and numbers packets as it
// expects them. What is good comes before the packet that is refused.
func (a *packets) read(b []byte) (good int, err error) {
	all := len(b)
	for len(b) > 0 {
		n := 0
		if a.got < len(a.header) {
			n = copy(a.header[a.got:], b)
			if at := 3 - a.got; at < n {
				b[at] -= a.ahead
			}
			if a.got += n; a.got < len(a.header) {
				return all, nil
			}
			if err := a.announce(); err != nil {
				return good, err
			}
			b = b[n:]
		}
		n = min(len(b), a.rest)
		a.prefix = append(a.prefix, b[:min(n, prefixLength-len(a.prefix))]...)
		a.rest -= n
		b = b[n:]
		if a.rest == 0 {
			if err := a.end(); err != nil {
				return good, err
			}
			good = all - len(b)
		}
	}
	return all, nil
}

func (a *packets) length() int {
	return int(a.header[0]) | int(a.header[1])<<8 | int(a.header[2])<<16
}

// announce reads the header of a packet.
func (a *packets) announce() error {
	a.rest = a.length()
	a.size += int64(a.rest)
	switch {
	case a.rest == 0 && !a.joined:
		return errProtocol
	case a.size > a.largest:
		return errTooLarge
	}
	return nil
}

// end is that of a packet; a whole one is continued by the next.
func (a *packets) end() error {
	a.got = 0
	if a.joined = a.length() == wholePacket; a.joined {
		return nil
	}
	err := a.packet(a.prefix, a.size)
	a.prefix, a.size = a.prefix[:0], 0
	return err
}

func (a *packets) packet(p []byte, size int64) error {
	switch a.phase {
	case head:
		return a.head(p)
	case columns:
		return a.column(p, size)
	case results:
		return a.row(p, size)
	}
	return nil
}

// head is the first packet of a result.
func (a *packets) head(p []byte) error {
	first := !a.again
	a.phase, a.again = plain, true
	switch p[0] {
	case answerOK:
		return a.settle(p)
	case answerError:
		return nil
	case answerFile:
		return errProtocol
	}
	n, rest, ok := lengthEncoded(p)
	if !ok || n == 0 || n > maxColumns || a.cached && len(rest) == 0 {
		return errProtocol
	}
	if a.cached && a.binary && first && rest[0] != 1 {
		n = 0 // the columns are those of the statement
	}
	if !a.silentEnd {
		n++
	}
	a.columns, a.phase = n, columns
	if n == 0 {
		a.phase = results
	}
	return nil
}

// column is a description, or the end of their list; neither reads as a large
// number.
func (a *packets) column(p []byte, size int64) error {
	last := a.columns == 1 && !a.silentEnd
	if p[0] >= answerFile && (!last || size > 8) {
		return errProtocol
	}
	if a.columns--; a.columns == 0 {
		a.phase = results
	}
	return nil
}

func (a *packets) row(p []byte, size int64) error {
	switch {
	case p[0] == answerError:
		a.phase = plain
	case p[0] == answerEnd && size <= wholePacket:
		return a.settle(p)
	case a.binary && p[0] != answerOK:
		return errProtocol
	}
	return nil
}

// settle reads from the end of a result whether another follows.
func (a *packets) settle(p []byte) error {
	status, ok := p[1:], true
	if p[0] == answerEnd && !a.silentEnd {
		status = p[min(3, len(p)):]
	} else {
		for range 2 {
			if _, status, ok = lengthEncoded(status); !ok {
				return errProtocol
			}
		}
	}
	if len(status) < 2 {
		return errProtocol
	}
	if a.phase = plain; binary.LittleEndian.Uint16(status)&moreResults != 0 {
		a.phase = head
	}
	return nil
}

// lengthEncoded reads a number and what is behind it.
func lengthEncoded(p []byte) (n uint64, rest []byte, ok bool) {
	if len(p) == 0 {
		return 0, nil, false
	}
	var number [8]byte
	size := map[byte]int{0xfc: 2, 0xfd: 3, 0xfe: 8}[p[0]]
	switch {
	case p[0] == 0xfb:
		return 0, p[1:], true
	case size == 0:
		return uint64(p[0]), p[1:], true
	case len(p) <= size:
		return 0, nil, false
	}
	copy(number[:], p[1:1+size])
	return binary.LittleEndian.Uint64(number[:]), p[1+size:], true
}

var errProtocol = errors.New("the server does not speak the protocol of MySQL")
