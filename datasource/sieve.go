package datasource

import (
	"context"
	"io"
	"maps"
	"slices"

	"github.com/jetadmin/jetadmin/internal/expr"
)

// sieve is the rows of an answer that a caller may see, as he may see them. What
// leaves the service, or is counted, kept or transformed, comes out of one.
type sieve struct {
	rows    Rows
	ctx     context.Context
	left    int   // rows that it may still read
	most    int64 // the bytes of an answer that was cut off where it was read; 0 = it was not
	size    int64
	cut     bool // there were more of them
	columns []Column
	kept    []int // the positions of these columns
	eyes    []*pane
	reads   []reading
	row     map[string]any // what the filters see of the row at hand
	masks   []int          // of the row at hand, by position
	out     []any
}

// pane is an eye over the columns of an answer.
type pane struct {
	screens []*screen
	masks   []int // of the row at hand, by position
}

// screen is a rule of somebody over the columns of an answer.
type screen struct {
	judge *expr.Judge
	masks []int // by position, see masking; nil = all is shown
}

// reading is a column that a filter reads.
type reading struct {
	name string
	at   int
}

// over puts a sieve over rows, of which it reads at most limit.
func (s *sight) over(ctx context.Context, rows Rows, limit int) *sieve {
	columns := rows.Columns()
	f := &sieve{rows: rows, ctx: ctx, left: limit, row: map[string]any{}, masks: make([]int, len(columns))}
	hidden := make([]bool, len(columns))
	for i := range s.eyes {
		for at, is := range f.look(columns, s.eyes[i], s.eyes[:i]) {
			hidden[at] = hidden[at] || is
		}
	}
	for i, c := range columns {
		if !hidden[i] {
			f.columns, f.kept = append(f.columns, c), append(f.kept, i)
		}
	}
	return f
}

// look adds an eye behind others, and tells which columns are hidden from it. A rule
// that judges by what is masked to one before would tell of it: no row comes by that
// (T89).
func (f *sieve) look(columns []Column, e eye, before []eye) (hidden []bool) {
	p := &pane{masks: make([]int, len(columns))}
	env := maps.Clone(e.env)
	env["row"] = f.row
	hidden = slices.Repeat([]bool{true}, len(columns))
	for _, r := range e.rules {
		masks, whole := r.masksOf(columns)
		for i := range hidden {
			hidden[i] = hidden[i] && masks != nil && masks[i] == MaskHidden.masking()
		}
		if !whole || slices.ContainsFunc(before, func(b eye) bool { return b.masks(r.columns) }) {
			continue // a column that it masks goes by another name here, and would be shown
		}
		p.screens = append(p.screens, &screen{judge: r.condition.Judge(env), masks: masks})
		f.read(columns, r.columns)
	}
	f.eyes = append(f.eyes, p)
	return hidden
}

// masks reports whether a rule masks a column of one of the names.
func (e eye) masks(names []string) bool {
	return slices.ContainsFunc(e.rules, func(r *rowJudge) bool { return r.masks(names) })
}

// masksOf gives the masks of a rule by position; whole is false when one of its
// columns is not there.
func (r *rowJudge) masksOf(columns []Column) (masks []int, whole bool) {
	if len(r.Mask) == 0 {
		return nil, true
	}
	masks, whole = make([]int, len(columns)), true
	for _, m := range r.Mask {
		there := false
		for i, c := range columns {
			if c.Name == m.Column {
				masks[i], there = m.As.masking(), true
			}
		}
		whole = whole && there
	}
	return masks, whole
}

// read notes what a filter reads. Two columns of one name are none: nobody knows
// which one is meant.
func (f *sieve) read(columns []Column, names []string) {
	for _, name := range names {
		named := func(c Column) bool { return c.Name == name }
		at := slices.IndexFunc(columns, named)
		if at < 0 || slices.ContainsFunc(columns[at+1:], named) || slices.Contains(f.reads, reading{name, at}) {
			continue
		}
		f.reads = append(f.reads, reading{name, at})
	}
}

func (f *sieve) Columns() []Column { return f.columns }
func (f *sieve) Close() error      { return f.rows.Close() }

// Next returns the next row that the caller may see.
func (f *sieve) Next() ([]any, error) {
	for {
		row, err := f.rows.Next()
		if err != nil {
			return nil, err
		}
		if f.left--; f.left < 0 || f.full(row) {
			f.cut = true
			return nil, io.EOF
		}
		if f.visible(row) {
			return f.shown(row), nil
		}
		if err := f.ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// full is whether rows behind this one may be missing, see [Buffer].
func (f *sieve) full(row []any) bool {
	if f.most == 0 {
		return false
	}
	for _, v := range row {
		f.size += sizeOf(plainValue(v))
	}
	return f.size > f.most
}

// visible judges a row, and notes for each column the strictest mask of the eyes.
func (f *sieve) visible(row []any) bool {
	for _, r := range f.reads {
		if v := judged(at(row, r.at)); v != nil {
			f.row[r.name] = v
		} else {
			delete(f.row, r.name) // null equals nothing
		}
	}
	clear(f.masks)
	for _, p := range f.eyes {
		if !p.visible() {
			return false
		}
		for i, mask := range p.masks {
			f.masks[i] = max(f.masks[i], mask)
		}
	}
	return true
}

// visible judges the row at hand, and notes the mildest mask that a rule which lets it
// through has for each column.
func (p *pane) visible() bool {
	through := false
	for _, s := range p.screens {
		if !s.judge.Holds() {
			continue
		}
		if s.masks == nil {
			clear(p.masks)
			return true
		}
		if !through {
			copy(p.masks, s.masks)
		}
		for i, mask := range s.masks {
			p.masks[i] = min(p.masks[i], mask)
		}
		through = true
	}
	return through
}

func (f *sieve) shown(row []any) []any {
	f.out = f.out[:0]
	for _, i := range f.kept {
		f.out = append(f.out, masked(at(row, i), f.masks[i]))
	}
	return f.out
}

func at(row []any, i int) any {
	if i < len(row) {
		return row[i]
	}
	return nil
}

func masked(v any, mask int) any {
	switch mask {
	case 0:
		return v
	case MaskPartial.masking():
		return partial(v)
	}
	return nil
}

// partial is what a text of some length shows of itself.
func partial(v any) any {
	const least, dots = 8, "••••"
	text, ok := v.(string)
	if !ok {
		return nil
	}
	letters := []rune(text)
	if len(letters) < least {
		return nil
	}
	return string(letters[:1]) + dots + string(letters[len(letters)-2:])
}
