package s3

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

const maxKey = 1024 // bytes, with the prefix

// safeKey refuses a key that a store may take for another: stores on file systems
// and proxies on the way read "a/../b", "a//b" and "a\b" as paths. A key may end
// with "/", as the keys of folders do.
func safeKey(key string) error {
	switch {
	case key == "":
		return errors.New("must not be empty")
	case len(key) > maxKey:
		return errors.New("must not be longer than 1024 bytes with the prefix")
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl) || strings.Contains(key, `\`):
		return errors.New("must be UTF-8 without control characters and backslashes")
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(key, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return errors.New(`must not hold empty segments, "." and ".."`)
		}
	}
	return nil
}

// key fills the template of a key, below the prefix of the datasource.
func (c *conn) key(t template.Text, values template.Values, faults *problem.Faults) string {
	key := fillKey(t, values, faults)
	if err := safeKey(c.settings.String("prefix") + key); err != nil || key == "" {
		faults.Add(place(t, "key"), "makes a key that is not allowed: it must not be empty, leave the prefix, or hold empty segments, \".\", \"..\", backslashes and control characters")
	}
	return c.settings.String("prefix") + key
}

// listed fills the beginning of keys to list: it may be empty, or end in the middle
// of a segment.
func (c *conn) listed(t template.Text, name string, values template.Values, faults *problem.Faults) string {
	text := fillKey(t, values, faults)
	if text == "" {
		return c.settings.String("prefix")
	}
	if err := safeKey(c.settings.String("prefix") + text); err != nil {
		faults.Add(place(t, name), err.Error())
	}
	return c.settings.String("prefix") + text
}

// fillKey writes the template of a key. A value that is only a part of one adds no
// step to the path that its author wrote.
func fillKey(t template.Text, values template.Values, faults *problem.Faults) string {
	for _, name := range t.Placeholders() {
		whole := t.Lone() == name
		faults.Check(whole || !strings.Contains(datasource.ParamText(values(name)), "/"), "params."+name,
			`must not hold "/": only a value that is the whole key can, as in "key": "{{ `+name+` }}"`)
	}
	return fill(t, values, faults)
}

// fill writes a template. null is the empty text.
func fill(t template.Text, values template.Values, faults *problem.Faults) string {
	s, _ := t.Expand(values, nil, func(name string, v any) (string, error) {
		if _, list := v.([]any); list {
			faults.Add("params."+name, "must be one value here")
		}
		return datasource.ParamText(v), nil
	})
	return s
}

// place is where a fault of a filled template belongs.
func place(t template.Text, field string) string {
	if names := t.Placeholders(); len(names) > 0 {
		return "params." + names[0]
	}
	return field
}
