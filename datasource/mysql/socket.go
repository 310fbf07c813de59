package mysql

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"sync/atomic"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

const (
	maxGreeting  = 4 << 10
	greetingTail = 3 + 2 + 7 + 4 + 13 // bytes between the lower flags and the name of a plugin
	smallAnswer  = 1 << 20            // bytes of an answer to what this package asks itself
	largeAnswer  = 8 << 20            // of one with the list of its columns
	loginHead    = 32                 // bytes of a login that also ask for encryption
	localFiles   = 1 << 7             // CLIENT_LOCAL_FILES
	protocol41   = 1 << 9             // CLIENT_PROTOCOL_41
	encryption   = 1 << 11            // CLIENT_SSL
)

var errTooLarge = errors.New("the server sent more than the limit")

// socket is the network connection below the driver: it bounds what the driver
// holds in memory of one answer, and remembers why it broke, which the driver
// does not tell. It also encrypts, in the place of the driver, to see packets
// before the driver does.
type socket struct {
	net.Conn              // not encrypted
	encrypt   *tls.Config // nil = nothing is
	onEncrypt func()      // says that everything is, from now on

	secure     *tls.Conn // once it is
	greeting   []byte    // what is left to read of the server's first packet
	greeted    bool
	introduced bool // the driver has sent its first packet
	packets    packets
	left       int64 // bytes that may be read until the next allow
	refused    error // what comes next; the driver reads what came before it first
	broken     atomic.Pointer[error]
}

func newSocket(conn net.Conn, encrypt *tls.Config, onEncrypt func()) *socket {
	s := &socket{Conn: conn, encrypt: encrypt, onEncrypt: onEncrypt}
	s.allow(smallAnswer)
	return s
}

// allow lets the driver read so many bytes from now on.
func (s *socket) allow(n int64) { s.left, s.packets.largest = n, n }

// discard lets the driver read on without an end, as it keeps nothing but one
// packet, which has so many bytes at most.
func (s *socket) discard(n int64) { s.left, s.packets.largest = math.MaxInt64, n }

// why is what broke the socket, or err.
func (s *socket) why(err error) error {
	if cause := s.broken.Load(); cause != nil {
		return errors.Join(*cause, err)
	}
	return err
}

func (s *socket) Read(b []byte) (int, error) {
	n, err := s.read(b)
	if err != nil {
		s.broken.Store(&err)
	}
	return n, err
}

func (s *socket) read(b []byte) (int, error) {
	if !s.greeted {
		s.greeted = true
		if err := s.greet(); err != nil {
			return 0, err
		}
	}
	if len(s.greeting) > 0 {
		n := copy(b, s.greeting)
		s.greeting = s.greeting[n:]
		return n, nil
	}
	if s.refused != nil {
		return 0, s.refused
	}
	n, err := s.stream().Read(b)
	if s.left -= int64(n); s.left < 0 {
		return 0, errTooLarge
	}
	good, refused := s.packets.read(b[:n])
	if s.refused = refused; refused == nil {
		return n, err
	}
	if good == 0 {
		return 0, refused
	}
	return good, nil
}

func (s *socket) stream() io.ReadWriter {
	if s.secure != nil {
		return s.secure
	}
	return s.Conn
}

// Write sends one packet, as the driver hands them over.
func (s *socket) Write(b []byte) (int, error) {
	n, err := s.write(b)
	if err != nil {
		s.broken.Store(&err)
	}
	return n, err
}

func (s *socket) write(b []byte) (int, error) {
	switch {
	case !s.introduced:
		s.introduced = true
		s.packets.introduce(b)
		if s.encrypt != nil {
			return s.introduce(b)
		}
	case b[3] == 0 && len(b) > 4:
		s.packets.ahead = 0 // each command counts anew
		s.packets.command(b[4])
	case s.packets.ahead > 0:
		return s.stream().Write(numbered(b, s.packets.ahead))
	}
	return s.stream().Write(b)
}

// numbered is a packet with a number that is higher by n.
func numbered(b []byte, n byte) []byte {
	b = bytes.Clone(b)
	b[3] += n
	return b
}

// introduce asks for encryption with the first part of the driver's login, and
// sends all of it encrypted. The driver knows nothing of the one packet more.
func (s *socket) introduce(login []byte) (int, error) {
	login = bytes.Clone(login)
	binary.LittleEndian.PutUint16(login[4:], binary.LittleEndian.Uint16(login[4:])|encryption)
	request := bytes.Clone(login[:4+loginHead])
	copy(request, []byte{loginHead, 0, 0})
	if _, err := s.Conn.Write(request); err != nil {
		return 0, err
	}
	secure := tls.Client(s.Conn, s.encrypt)
	if err := secure.Handshake(); err != nil {
		return 0, err
	}
	s.secure, s.packets.ahead = secure, 1
	s.onEncrypt()
	return secure.Write(numbered(login, 1))
}

// greet reads the server's first packet, which is never encrypted, and leaves out
// of it that the server would take files: the driver offers to send them to every
// server that does, and a server can ask for one instead of answering.
func (s *socket) greet() error {
	header := make([]byte, 4)
	if _, err := io.ReadFull(s.Conn, header); err != nil {
		return err
	}
	length := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if length == 0 || length > maxGreeting {
		return errProtocol
	}
	packet := make([]byte, length)
	if _, err := io.ReadFull(s.Conn, packet); err != nil {
		return err
	}
	s.greeting = append(header, packet...)
	if packet[0] < 10 || packet[0] == 0xff {
		return checkRefusal(packet)
	}
	at, ok := capabilities(packet)
	if !ok {
		return errProtocol
	}
	flags := binary.LittleEndian.Uint16(packet[at:])
	if s.encrypt != nil && flags&protocol41 != 0 && flags&encryption == 0 {
		return mysql.ErrNoTLS
	}
	binary.LittleEndian.PutUint16(s.greeting[len(header)+at:], flags&^localFiles)
	s.choose(s.greeting[len(header)+at+2:])
	return nil
}

// choose leaves out that the server would begin with sha256_password: the driver
// would ask for its key, which it does not give over an encrypted connection. It
// asks again for that way, and then the driver knows that all is encrypted.
func (s *socket) choose(rest []byte) {
	if s.encrypt != nil && len(rest) > greetingTail && bytes.HasPrefix(rest[greetingTail:], []byte("sha256_password")) {
		rest[greetingTail] = 0
	}
}

// checkRefusal refuses what is too short for the driver, which trusts the server.
func checkRefusal(packet []byte) error {
	if packet[0] == 0xff && (len(packet) < 4 || packet[3] == '#' && len(packet) < 9) {
		return errProtocol
	}
	return nil
}

// capabilities is where a greeting has its lower flags: behind the version (up to
// a NUL), the connection id and the first part of the challenge. A greeting ends
// with them or has all that the driver reads behind them.
func capabilities(packet []byte) (at int, ok bool) {
	at = bytes.IndexByte(packet, 0) + 1 + 4 + 8 + 1
	return at, len(packet) == at+2 || len(packet) >= at+2+greetingTail
}

// SyscallConn lets the driver see whether an idle connection was closed.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	if c, ok := s.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
