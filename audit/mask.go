package audit

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/internal/secret"
)

// maxDepth is how deep a detail may be nested.
const maxDepth = 32

// mask returns members without secrets, and without long texts.
func mask(members map[string]any) map[string]any {
	if members == nil {
		return nil
	}
	return maskMembers(members, false, 0)
}

func maskMembers(members map[string]any, hidden bool, depth int) map[string]any {
	masked := make(map[string]any, len(members))
	named := labelled(members)
	for name, value := range members {
		masked[cut(maskText(name), maxText)] = maskValue(value, hidden || isSecretName(name) || named && isValueName(name), depth+1)
	}
	return masked
}

func maskValue(value any, hidden bool, depth int) any {
	switch value := value.(type) {
	case map[string]any:
		if depth > maxDepth {
			return "…"
		}
		return maskMembers(value, hidden, depth)
	case []any:
		if depth > maxDepth {
			return "…"
		}
		list := make([]any, len(value))
		for i := range value {
			list[i] = maskValue(value[i], hidden, depth+1)
		}
		return list
	case string:
		if hidden && value != "" {
			return secret.Mask
		}
		return cut(maskText(value), maxText)
	case nil, bool:
		return value
	}
	if hidden { // a PIN is a number
		return secret.Mask
	}
	return value
}

// labelled reports whether an object is a pair like a header: {"name":
// "Authorization", "value": "…"}.
func labelled(members map[string]any) bool {
	for _, name := range []string{"name", "key", "header"} {
		if label, ok := members[name].(string); ok && isSecretName(label) {
			return true
		}
	}
	return false
}

func isValueName(name string) bool {
	return name == "value" || name == "values" || name == "default" || name == "example"
}

// isSecretName reports whether what has this name is a secret, however the name
// is written. Names that only speak of one are no secrets.
func isSecretName(name string) bool {
	plain := strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return unicode.ToLower(c)
		}
		return -1
	}, name)
	for _, harmless := range []string{"secretnames", "secretheader", "previousuntil", "tokenurl", "passwordset"} {
		if plain == harmless {
			return false
		}
	}
	for _, word := range []string{
		"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "privatekey", "authorization",
		"credential", "cookie", "dsn", "connectionstring", "bearer", "signingkey", "encryptionkey", "passcode", "sessionid", "signature",
	} {
		if strings.Contains(plain, word) {
			return true
		}
	}
	return plain == "pin" || plain == "otp" || plain == "auth"
}

// The secrets that can be told by their form, wherever they stand.
var (
	tokenText  = regexp.MustCompile(`ja[a-z]_[A-Za-z2-7]{16,}|whsec_[A-Za-z0-9+/=_-]{8,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*`)
	schemeText = regexp.MustCompile(`(?i)\b(bearer|basic|digest)\s+[\w.~+/=:-]{8,}`)
	urlText    = regexp.MustCompile(`(://[^\s/:@]*:)[^\s/@]+(@)`)
	pairText   = regexp.MustCompile(`(?i)([\w-]*(?:password|passwd|passphrase|passcode|pwd|secret|token|(?:api|access|private|signing|encryption)[_-]?key)[\w-]*\\?["']?\s*[=:]\s*)` +
		`(\\"[^"]*(?:"|$)|"(?:[^"\\]|\\.)*(?:"|$)|'[^']*(?:'|$)|[^\s;&,'"]+)`)
	pemText = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
)

func maskText(s string) string {
	if len(s) < 8 {
		return s
	}
	s = start(s)
	s = pemText.ReplaceAllString(s, secret.Mask)
	s = tokenText.ReplaceAllString(s, secret.Mask)
	s = schemeText.ReplaceAllString(s, "$1 "+secret.Mask)
	s = urlText.ReplaceAllString(s, "${1}"+secret.Mask+"${2}")
	return pairText.ReplaceAllString(s, "${1}"+secret.Mask)
}

// start is as much of a text as is worth looking through, without the word at its
// end that may be half a secret.
func start(s string) string {
	const most = 8 * maxText
	if len(s) <= most {
		return s
	}
	return s[:strings.LastIndexAny(s[:most], " \t\r\n")+1] + "…"
}

// cut shortens a text to so many bytes, between two characters. It comes after
// masking: half a secret has another form.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
