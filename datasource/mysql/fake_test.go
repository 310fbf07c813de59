package mysql_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
)

// The commands of a client.
const (
	comQuit    = 0x01
	comQuery   = 0x03
	comPrepare = 0x16
	comExecute = 0x17
	comClose   = 0x19
)

const (
	encryption = 0x0800
	done       = "\x00\x00\x00\x02\x00\x00\x00"
	end        = "\xfe\x00\x00\x02\x00"
	more       = "\xfe\x00\x00\x0a\x00" // and another result follows
	prepared   = "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// fake is a server that answers a command as the test tells, or as a good server
// does where the test gives "".
func fake(answer func(command byte, text string) string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.WriteString(c, greeting(protocol41))
		if _, err := receive(c); err != nil {
			return
		}
		_, _ = io.WriteString(c, packet(2, accepted))
		talk(c, answer)
	}
}

func talk(c net.Conn, answer func(command byte, text string) string) {
	for {
		got, err := receive(c)
		if err != nil || got[0] == comQuit {
			return
		}
		if got[0] == comClose {
			continue
		}
		out := answer(got[0], got[1:])
		if out == "" {
			out = usual(got[0], got[1:])
		}
		if _, err := io.WriteString(c, out); err != nil {
			return
		}
	}
}

func receive(c net.Conn) (string, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(c, header); err != nil {
		return "", err
	}
	header[3] = 0
	body := make([]byte, binary.LittleEndian.Uint32(header))
	_, err := io.ReadFull(c, body)
	return string(body), err
}

func usual(command byte, text string) string {
	switch {
	case command == comPrepare:
		return packets(prepared)
	case strings.HasPrefix(text, "SELECT @@max_allowed_packet"):
		return table("1000000")
	case strings.HasPrefix(text, "SELECT CONNECTION_ID"):
		return table("7", "fake 1 1", "8.0.0")
	case strings.HasPrefix(text, "SELECT ROW_COUNT"):
		return table("0")
	}
	return packets(done)
}

// packets numbers payloads as an answer.
func packets(payloads ...string) string {
	var out strings.Builder
	for i, p := range payloads {
		out.WriteString(packet(byte(i+1), p))
	}
	return out.String()
}

// column describes one of text.
func column(name string) string {
	return "\x03def\x00\x00\x00" + word(name) + "\x00\x0c\x21\x00\xff\x00\x00\x00\xfd\x00\x00\x00\x00\x00"
}

func word(s string) string { return string([]byte{byte(len(s))}) + s }

// table is an answer of one row of text.
func table(values ...string) string {
	all, row := []string{string([]byte{byte(len(values))})}, ""
	for _, v := range values {
		all = append(all, column("c"))
		row += word(v)
	}
	return packets(append(all, end, row, end)...)
}

func refusal(number uint16, message string) string {
	return packets("\xff" + string([]byte{byte(number), byte(number >> 8)}) + "#42000" + message)
}

// encrypted answers the client's wish for encryption and reads its login.
func encrypted(c net.Conn, pair tls.Certificate, hello string) (secure net.Conn, login string, err error) {
	_, _ = io.WriteString(c, hello)
	if _, err := receive(c); err != nil {
		return nil, "", err
	}
	secure = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
	login, err = receive(secure)
	return secure, login, err
}
