package jetadmin_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/internal/secret"
)

// secrets know what must not get out, and find it in what did.
type secrets struct {
	mu    sync.Mutex
	all   map[string]*planted // by the value
	forms map[[window]byte][]form
	first [1 << 16]bool // by the first two bytes of a form: whether there is one
}

// planted is one secret.
type planted struct{ name, value string }

// form is a way in which a part of a secret can be written.
type form struct {
	of   *planted
	how  string
	text []byte
}

// finding is a secret that has got out. It does not say what the secret is.
type finding struct{ secret, how, where, before string }

func (f finding) String() string {
	return fmt.Sprintf("%s is in %s (%s), behind %q", f.secret, f.where, f.how, f.before)
}

const (
	window = 10 // bytes by which forms are found; none is shorter
	piece  = 13 // bytes of a secret that are looked for by themselves, so that one that is cut is found too
)

func newSecrets() *secrets {
	return &secrets{all: map[string]*planted{}, forms: map[[window]byte][]form{}}
}

// text is a new secret, with characters that most encodings write differently.
// The letters around them are what is looked for.
func (s *secrets) text(name string) string {
	letters := strings.ToLower(rand.Text())
	return s.plant(name, letters[:piece]+`"<&%+/\' `+letters[piece:], letters[:piece], letters[piece:])
}

// plain is a new secret of letters, for where nothing else is taken.
func (s *secrets) plain(name string) string {
	letters := rand.Text()
	return s.plant(name, letters, letters[:piece], letters[piece:])
}

// known is a secret that others have made. Its beginning, up to visible bytes, may
// be shown. One that is known already stays what it is.
func (s *secrets) known(name, value string, visible int) {
	var parts []string
	for part := range slices.Chunk([]byte(value[visible:]), piece) {
		if len(part) >= window {
			parts = append(parts, string(part))
		}
	}
	s.plant(name, value, parts...)
}

func (s *secrets) plant(name, value string, parts ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[value] != nil {
		return value
	}
	p := &planted{name, value}
	s.all[value] = p
	for _, part := range parts {
		for how, text := range writings(part) {
			key := [window]byte([]byte(text))
			s.forms[key] = append(s.forms[key], form{p, how, []byte(text)})
			s.first[int(text[0])<<8|int(text[1])] = true
		}
	}
	return value
}

// release takes back a secret that turned out to be none: the server has accepted
// it as something else.
func (s *secrets) release(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.all[value]
	delete(s.all, value)
	for key, list := range s.forms {
		s.forms[key] = slices.DeleteFunc(list, func(f form) bool { return f.of == p })
	}
}

// writings are the ways in which a part of a secret can be written.
func writings(part string) map[string]string {
	b := []byte(part)
	all := map[string]string{
		"as it is": part, "in capitals": strings.ToUpper(part), "in small letters": strings.ToLower(part),
		"hex": hex.EncodeToString(b), "HEX": strings.ToUpper(hex.EncodeToString(b)),
		"percent": each(b, "%%%02X"), "percent, small": each(b, "%%%02x"), "JSON escapes": each(b, `\u%04x`), "HTML escapes": each(b, "&#%d;"),
		"numbers": strings.TrimSpace(each(b, "%d ")), "a list of numbers": strings.TrimSuffix(each(b, "%d,"), ","),
	}
	for name, text := range base64s(b) {
		all[name] = text
		for again, twice := range base64s([]byte(text)) {
			all[name+", "+again] = twice
		}
	}
	return all
}

func each(b []byte, format string) string {
	var text strings.Builder
	for _, c := range b {
		fmt.Fprintf(&text, format, c)
	}
	return text.String()
}

// base64s are what is in the base64 of every text that has b in it, wherever.
func base64s(b []byte) map[string]string {
	all := map[string]string{}
	for shift := range 3 {
		whole := slices.Concat(make([]byte, shift), b)
		whole = whole[:len(whole)/3*3]
		from := (shift*4 + 2) / 3 // characters that what stands before has a part in
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64url": base64.URLEncoding} {
			all[fmt.Sprint(name, " +", shift)] = encoding.EncodeToString(whole)[from:]
		}
	}
	return all
}

// search finds every secret in a text, each once. except names one that may be there.
func (s *secrets) search(where string, text []byte, except string) (found []finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[*planted]bool{}
	for i := range len(text) - window + 1 {
		if !s.first[int(text[i])<<8|int(text[i+1])] {
			continue
		}
		for _, f := range s.forms[[window]byte(text[i:])] {
			if seen[f.of] || f.of.value == except || !bytes.HasPrefix(text[i:], f.text) {
				continue
			}
			seen[f.of] = true
			found = append(found, finding{f.of.name, f.how, where, string(text[max(i-60, 0):i])})
		}
	}
	return found
}

// The watch finds a secret however it is written, wherever it stands, and a part of
// one. Without this, everything else here proves nothing.
func TestH2_TheWatchKnowsEveryWriting(t *testing.T) {
	t.Parallel()
	s := newSecrets()
	key := secret.NewKey()
	s.known("key", string(key), 0)
	values := []string{s.text("text"), s.plain("plain"), string(key)}
	for _, value := range values {
		for how, text := range written(value) {
			if value == string(key) && !strings.HasPrefix(how, "bytes") {
				continue // no text
			}
			for shift := range 4 {
				if got := s.search("here", []byte(strings.Repeat("x", shift)+text+"y"), ""); len(got) != 1 {
					t.Errorf("%s: found %v in %q", how, got, text)
				}
			}
			if got := s.search("here", []byte(text), value); len(got) != 0 {
				t.Errorf("%s: found what may be there: %v", how, got)
			}
		}
		for _, part := range []string{value[:piece] + "…", "…" + value[len(value)-len(value)%piece-piece:]} {
			if got := s.search("here", []byte("so much of it: "+part), ""); value != values[0] && len(got) != 1 {
				t.Errorf("a part of it is not found in %q", part)
			}
		}
	}
	for _, harmless := range []string{"", "short", strings.Repeat("nothing to see ", 100), string(make([]byte, 1000))} {
		if got := s.search("here", []byte(harmless), ""); len(got) != 0 {
			t.Errorf("found %v in %q", got, harmless)
		}
	}
	taken := s.plain("taken back")
	s.release(taken)
	if got := s.search("here", []byte(taken), ""); len(got) != 0 {
		t.Errorf("found what was taken back: %v", got)
	}
}

// written is a value as the standard library writes it.
func written(value string) map[string]string {
	all := map[string]string{
		"bytes": value, "bytes, %x": fmt.Sprintf("%x", value), "bytes, %X": fmt.Sprintf("%X", value), "bytes, %v": fmt.Sprint([]byte(value)),
		"bytes, base64": base64.StdEncoding.EncodeToString([]byte(value)), "bytes, base64url": base64.RawURLEncoding.EncodeToString([]byte("a" + value)),
		"bytes, basic": base64.StdEncoding.EncodeToString([]byte("user:" + value)), "bytes, twice": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte("ab" + value)))),
		"%q": fmt.Sprintf("%q", value), "query": url.QueryEscape(value), "path": url.PathEscape(value), "HTML": html.EscapeString(value),
		"capitals": strings.ToUpper(value), "small": strings.ToLower(value),
	}
	for name, v := range map[string]any{"JSON": value, "bytes, JSON": []byte(value)} {
		text, _ := json.Marshal(v)
		all[name] = string(text)
	}
	return all
}
