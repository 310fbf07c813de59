package mysql

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
)

const (
	maxGreeting = 4 << 10
	smallAnswer = 1 << 20 // bytes of an answer to what this package asks itself
	localFiles  = 1 << 7  // CLIENT_LOCAL_FILES
)

var (
	errTooLarge = errors.New("the server sent more than the limit")
	errGreeting = errors.New("the server does not speak the protocol of MySQL")
)

// socket is the network connection below the driver: it bounds what the driver
// holds in memory of one answer, and remembers why it broke, which the driver
// does not tell.
type socket struct {
	net.Conn
	greeting []byte // what is left to read of the server's first packet
	greeted  bool
	left     atomic.Int64 // bytes that may be read until the next allow
	broken   atomic.Pointer[error]
}

func newSocket(conn net.Conn) *socket {
	s := &socket{Conn: conn}
	s.allow(smallAnswer)
	return s
}

// allow lets the driver read so many bytes from now on.
func (s *socket) allow(n int64) { s.left.Store(n) }

// why is what broke the socket, or err.
func (s *socket) why(err error) error {
	if cause := s.broken.Load(); cause != nil {
		return errors.Join(*cause, err)
	}
	return err
}

func (s *socket) Read(b []byte) (int, error) {
	if !s.greeted {
		s.greeted = true
		if err := s.greet(); err != nil {
			s.broken.Store(&err)
			return 0, err
		}
	}
	if len(s.greeting) > 0 {
		n := copy(b, s.greeting)
		s.greeting = s.greeting[n:]
		return n, nil
	}
	n, err := s.Conn.Read(b)
	if s.left.Add(-int64(n)) < 0 {
		err = errTooLarge
	}
	if err != nil {
		s.broken.Store(&err)
	}
	return n, err
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
		return errGreeting
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
		return errGreeting
	}
	flags := binary.LittleEndian.Uint16(packet[at:]) &^ localFiles
	binary.LittleEndian.PutUint16(s.greeting[len(header)+at:], flags)
	return nil
}

// checkRefusal refuses what is too short for the driver, which trusts the server.
func checkRefusal(packet []byte) error {
	if packet[0] == 0xff && (len(packet) < 4 || packet[3] == '#' && len(packet) < 9) {
		return errGreeting
	}
	return nil
}

// capabilities is where a greeting has its lower flags: behind the version (up to
// a NUL), the connection id and the first part of the challenge. A greeting ends
// with them or has all that the driver reads behind them.
func capabilities(packet []byte) (at int, ok bool) {
	at = bytes.IndexByte(packet, 0) + 1 + 4 + 8 + 1
	return at, len(packet) == at+2 || len(packet) >= at+2+3+2+7+4+13
}

// SyscallConn lets the driver see whether an idle connection was closed.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	if c, ok := s.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
