package xlsx

import (
	"strconv"
	"strings"
)

// shape is what the format of a cell makes of a number.
type shape uint8

const (
	number shape = iota
	day
	moment
	timeOfDay
	elapsed
)

// readStyles gives the shape of each style of a cell.
func (w *Workbook) readStyles() ([]shape, error) {
	if w.styles == "" {
		return nil, nil
	}
	p, err := w.archive.open(w.styles, maxPart)
	if p == nil || err != nil {
		return nil, err
	}
	defer p.Close()
	custom := map[int]shape{}
	var styles []shape
	inCells := false
	for {
		p.renew()
		s, err := p.start("numFmt", "cellXfs", "cellStyleXfs", "cellStyles", "xf")
		if s == nil || err != nil {
			return styles, err
		}
		id, _ := strconv.Atoi(attribute(s, "numFmtId"))
		switch s.Name.Local {
		case "numFmt":
			custom[id] = shapeOf(attribute(s, "formatCode"))
		case "xf":
			if !inCells {
				continue
			}
			kind, ok := custom[id]
			if !ok {
				kind = builtinShape(id)
			}
			if styles = append(styles, kind); len(styles) > maxStyles {
				return nil, &Error{Message: "the workbook has too many styles"}
			}
		default:
			inCells = s.Name.Local == "cellXfs"
		}
	}
}

// builtinShape knows the formats that are only named by their numbers
// (ISO/IEC 29500-1, 18.8.30).
func builtinShape(id int) shape {
	switch {
	case id >= 14 && id <= 17, id >= 27 && id <= 31, id >= 34 && id <= 36, id >= 50 && id <= 58:
		return day
	case id == 22:
		return moment
	case id >= 18 && id <= 21, id == 32, id == 33, id == 45, id == 47:
		return timeOfDay
	case id == 46:
		return elapsed
	}
	return number
}

// shapeOf reads the code of a format: "yyyy-mm-dd", "[h]:mm", `0.0" days"`.
func shapeOf(code string) shape {
	var date, clock, month bool
	for i := 0; i < len(code) && code[i] != ';'; i++ {
		switch c := code[i] | 0x20; {
		case code[i] == '"':
			if end := strings.IndexByte(code[i+1:], '"'); end >= 0 {
				i += end + 1
			}
		case code[i] == '\\' || code[i] == '_' || code[i] == '*':
			i++
		case code[i] == '[':
			inside, _, closed := strings.Cut(code[i+1:], "]")
			if !closed {
				return number
			}
			if inside != "" && strings.ContainsAny(inside[:1], "hHmMsS") && strings.Trim(strings.ToLower(inside), strings.ToLower(inside[:1])) == "" {
				return elapsed
			}
			i += len(inside) + 1
		case c == 'g' && strings.HasPrefix(strings.ToLower(code[i:]), "general"):
			i += len("general") - 1
		case c == 'y' || c == 'd':
			date = true
		case c == 'h' || c == 's':
			clock = true
		case c == 'm':
			month = true
		}
	}
	switch {
	case date && clock:
		return moment
	case date, month && !clock:
		return day
	case clock:
		return timeOfDay
	}
	return number
}
