package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// The bounds of what one event keeps, in bytes. Longer texts are cut, and of
// larger changes only the names of the members remain.
const (
	maxText   = 2 << 10
	maxDetail = 32 << 10
)

// detail is the text of an entry's detail. It is the one place that masks: there
// is no other way into the record.
func (e Entry) detail() (string, error) {
	all, err := object(e.Detail)
	if err != nil {
		return "", err
	}
	before, err := object(e.Before)
	if err != nil {
		return "", err
	}
	after, err := object(e.After)
	if err != nil {
		return "", err
	}
	dropEqual(before, after)
	text, err := join(mask(all), mask(before), mask(after))
	if err != nil || len(text) <= maxDetail {
		return text, err
	}
	return join(names(all), names(before), names(after))
}

// object reads v as JSON does, so that what is masked is what would be stored.
func object(v any) (map[string]any, error) {
	if v == nil || reflect.ValueOf(v).Kind() == reflect.Map && reflect.ValueOf(v).Len() == 0 {
		return nil, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // numbers stay as they are written
	var members map[string]any
	if err := dec.Decode(&members); err != nil {
		return nil, fmt.Errorf("%T is not an object in JSON: %w", v, err)
	}
	return members, nil
}

// dropEqual leaves of two states what is different. It comes before masking,
// which makes secrets equal.
func dropEqual(before, after map[string]any) {
	for name, was := range before {
		if is, ok := after[name]; ok && reflect.DeepEqual(was, is) {
			delete(before, name)
			delete(after, name)
		}
	}
}

func join(all, before, after map[string]any) (string, error) {
	joined := map[string]any{}
	maps.Copy(joined, all)
	if before != nil {
		joined["before"] = before
	}
	if after != nil {
		joined["after"] = after
	}
	text, err := json.Marshal(joined)
	return string(text), err
}

// maxNames is how many members are named of what is too large, and maxNamed how
// many bytes of a name.
const (
	maxNames = 50
	maxNamed = 100
)

func names(members map[string]any) map[string]any {
	if members == nil {
		return nil
	}
	list := slices.Sorted(maps.Keys(members))
	for i := range list {
		list[i] = cut(list[i], maxNamed)
	}
	return map[string]any{"tooLarge": true, "members": list[:min(len(list), maxNames)]}
}
