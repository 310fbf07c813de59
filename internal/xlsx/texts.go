package xlsx

import (
	"strconv"
	"strings"
)

// texts are the shared texts of a workbook, one behind the other.
type texts struct {
	all  []byte
	ends []uint32
}

func (w *Workbook) readTexts() (texts, error) {
	var t texts
	if w.texts == "" {
		return t, nil
	}
	p, err := w.archive.open(w.texts, 4*maxTexts) // the marks between the texts are not kept
	if p == nil || err != nil {
		return t, err
	}
	defer p.Close()
	for {
		p.renew()
		s, err := p.start("si")
		if s == nil || err != nil {
			return t, err
		}
		if t.all, err = p.readText(t.all); err != nil {
			return t, err
		}
		if t.ends = append(t.ends, uint32(len(t.all))); len(t.all) > maxTexts || len(t.ends) > maxTextCount {
			return t, &Error{Message: "the texts of the workbook are too large"}
		}
	}
}

func (t texts) at(index string) (string, error) {
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(t.ends) {
		return "", &Error{Message: "a cell refers to a text that the workbook does not have"}
	}
	from := uint32(0)
	if i > 0 {
		from = t.ends[i-1]
	}
	return unescape(string(t.all[from:t.ends[i]])), nil
}

// unescape reads the form _x000D_ of characters that XML cannot hold.
func unescape(s string) string {
	if !strings.Contains(s, "_x") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if len(s)-i >= 7 && s[i] == '_' && s[i+1] == 'x' && s[i+6] == '_' {
			if n, err := strconv.ParseUint(s[i+2:i+6], 16, 16); err == nil {
				b.WriteRune(rune(n))
				i += 6
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
