package openapi

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
)

const (
	maxBodyDepth = 4  // levels of objects that are taken apart
	maxBodyParts = 60 // parameters of a body; more are one document
)

// body writes the body of a request: as a JSON template or as a form.
func (b *builder) body(v any) error {
	in, err := b.object(v)
	if err != nil || in == nil {
		return err
	}
	if m := b.request.Method; m == "GET" || m == "HEAD" {
		return optional(isTrue(in["required"]), "it sends a body with "+m)
	}
	content := object(in["content"])
	if !b.spend(len(content)) {
		return errEndless
	}
	if name, media := jsonContent(content); media != nil {
		if !strings.HasPrefix(strings.ToLower(name), "application/json") {
			b.request.Headers = with(b.request.Headers, "Content-Type", name)
		}
		return b.json(media["schema"], isTrue(in["required"]))
	}
	if media := object(content["application/x-www-form-urlencoded"]); media != nil {
		return b.form(media)
	}
	return optional(len(content) > 0, "its body is neither JSON nor an HTML form")
}

// jsonContent picks application/json, or a relative of it such as
// application/merge-patch+json.
func jsonContent(content map[string]any) (relative string, media map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(content)) {
		base, _, _ := strings.Cut(name, ";")
		base = strings.ToLower(strings.TrimSpace(base))
		if base == "application/json" {
			return name, object(content[name])
		}
		if media == nil && strings.HasSuffix(base, "+json") {
			relative, media = name, object(content[name])
		}
	}
	return relative, media
}

func (b *builder) json(schema any, required bool) error {
	before := len(b.list)
	body, err := b.template("body", schema, true, maxBodyDepth)
	if err != nil {
		return err
	}
	if len(b.list)-before > maxBodyParts {
		b.drop(before)
		body, err = b.add("body", "", map[string]any{}, required)
	}
	b.request.Body, b.request.OmitNull = body, true
	return err
}

// template takes an object apart that has to be there, with a parameter for each
// member. What may be left out is left out as a whole, so it is one parameter.
func (b *builder) template(name string, v any, required bool, depth int) (any, error) {
	s, err := b.schema(v)
	if err != nil {
		return nil, err
	}
	properties := object(s["properties"])
	if kind(s) != "object" || len(properties) == 0 || !required || depth == 0 || !plainKeys(properties) {
		return b.add(name, "", s, required)
	}
	if !b.spend(len(properties) * (1 + len(list(s["required"])))) {
		return nil, errEndless
	}
	out := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		property, err := b.schema(properties[key])
		if err != nil {
			return nil, err
		}
		if isTrue(property["readOnly"]) {
			continue
		}
		if len(b.list) > datasource.MaxParams {
			return out, nil // too many in any case
		}
		member := key
		if name != "body" {
			member = name + "_" + key
		}
		if out[key], err = b.template(member, property, slices.Contains(list(s["required"]), any(key)), depth-1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func plainKeys(properties map[string]any) bool {
	for key := range properties {
		if key == "" || strings.Contains(key, "{{") {
			return false
		}
	}
	return true
}

// form writes the fields of an HTML form, one level deep.
func (b *builder) form(media map[string]any) error {
	s, err := b.schema(media["schema"])
	if err != nil {
		return err
	}
	properties, encoding := object(s["properties"]), object(media["encoding"])
	if len(properties) > maxBodyParts || !plainKeys(properties) {
		return errors.New("its form has too many fields, or fields without plain names")
	}
	b.request.Form = map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		property, err := b.schema(properties[key])
		if err != nil {
			return err
		}
		if isTrue(property["readOnly"]) {
			continue
		}
		name := key
		if str(object(encoding[key])["style"]) == "deepObject" && (kind(property) == "object" || kind(property) == "array") {
			name += "[*]"
		}
		if b.request.Form[name], err = b.add(key, "", property, slices.Contains(list(s["required"]), any(key))); err != nil {
			return err
		}
	}
	return nil
}
