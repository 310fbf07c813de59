package openapi

import (
	"bytes"
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// The limits of a document. Those of YAML are lower: its parser takes some 200
// bytes of memory for each part.
const (
	maxYAML  = 4 << 20
	maxParts = 500_000
	maxDepth = 100
)

func parse(text []byte) (map[string]any, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\uFEFF")))
	if len(text) > datasource.MaxDescription {
		return nil, tooLarge()
	}
	var root any
	var err error
	if len(text) > 0 && text[0] == '{' && json.Valid(text) {
		root, err = fromJSON(text)
	} else {
		root, err = fromYAML(text)
	}
	if err != nil {
		return nil, err
	}
	if root, ok := root.(map[string]any); ok {
		return root, nil
	}
	return nil, invalid("is not an object")
}

func tooLarge() error {
	return problem.New(problem.TooLarge, "document_too_large", "the document is too large or too deep to be imported").
		Fix("take out of it what is not needed; a document in JSON may be larger than one in YAML")
}

func fromJSON(text []byte) (root any, err error) {
	if !bounded(text) {
		return nil, tooLarge()
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&root)
	return root, err
}

// bounded counts the parts and the depth of valid JSON before it is decoded.
func bounded(text []byte) bool {
	depth, parts := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',', ':':
			parts++
		}
		if depth > maxDepth || parts > maxParts {
			return false
		}
	}
	return true
}

func fromYAML(text []byte) (any, error) {
	if len(text) > maxYAML || separators(text) > maxParts {
		return nil, tooLarge()
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, problem.Of(invalid("is neither valid JSON nor valid YAML")).Because(err)
	}
	if len(root.Content) == 0 {
		return nil, invalid("is empty")
	}
	c := converter{left: maxParts}
	v := c.value(root.Content[0], maxDepth)
	if c.left <= 0 {
		return nil, tooLarge()
	}
	return v, nil
}

// separators is no less than the number of parts of a YAML text: each needs one.
func separators(text []byte) (n int) {
	for _, c := range text {
		switch c {
		case '\n', ',', ':', '-', '?', '[', '{', '&', '*', '!':
			n++
		}
	}
	return n
}

// converter makes of a YAML tree what encoding/json makes of a JSON text. An
// alias is written out, and counts each time: a small text can mean a huge one.
type converter struct{ left int }

func (c *converter) value(n *yaml.Node, depth int) any {
	if c.left--; c.left <= 0 || depth == 0 {
		c.left = 0
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		return c.value(n.Alias, depth-1)
	case yaml.MappingNode:
		return c.mapping(n, depth)
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, element := range n.Content {
			out = append(out, c.value(element, depth-1))
		}
		return out
	}
	return scalar(n)
}

func (c *converter) mapping(n *yaml.Node, depth int) any {
	out := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], c.value(n.Content[i+1], depth-1)
		if key.Tag != "!!merge" {
			out[key.Value] = v
			continue
		}
		parts, many := v.([]any)
		if !many {
			parts = []any{v}
		}
		for _, part := range parts {
			for name, member := range object(part) {
				if _, set := out[name]; !set {
					out[name] = member
				}
			}
		}
	}
	return out
}

func scalar(n *yaml.Node) any {
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value)
		}
	}
	return n.Value
}
