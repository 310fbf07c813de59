package datasource

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// trusted adds the values that the server fills in. A caller who has no such
// value is refused: an absent one would read as "whatever it is" in a filter.
func trusted(who *auth.Principal, names []string, values map[string]any) error {
	var missing []string
	for _, name := range names {
		v, ok := trustedValue(who, name)
		if !ok {
			missing = append(missing, name)
			continue
		}
		values[name] = v
	}
	if len(missing) == 0 {
		return nil
	}
	return problem.Newf(problem.Forbidden, "trusted_value_missing", "the query needs %s of its caller, who has none", strings.Join(missing, ", ")).
		Fix("sign in as a person whose identity provider sends it")
}

func trustedValue(who *auth.Principal, name string) (any, bool) {
	who = lookedAs(who)
	path, isClaim := template.Claim(name)
	switch {
	case isClaim:
		return claim(who.Claims, path)
	case name == "tenant.id":
		return who.TenantID, who.TenantID != ""
	}
	return who.UserID, who.UserID != ""
}

// lookedAs is who a caller is to a query: whom he views, or himself when that is
// nobody but a role. Of somebody who is viewed no claims are known.
func lookedAs(who *auth.Principal) *auth.Principal {
	if viewed := who.Viewed(); viewed != nil && viewed.UserID != "" {
		return viewed
	}
	return who
}

// claim is the value at a path of claims, as a parameter can be one.
func claim(v any, path []string) (any, bool) {
	for _, step := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		v = object[step]
	}
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice || list.Type().Elem().Kind() == reflect.Uint8 {
		return claimed(v)
	}
	if list.Len() > MaxListElements {
		return nil, false
	}
	out := make([]any, list.Len())
	for i := range out {
		var ok bool
		if out[i], ok = claimed(list.Index(i).Interface()); !ok {
			return nil, false
		}
	}
	return out, true
}

// rounded reports whether a number may stand for a whole one that has lost digits when
// it was read: the claim of somebody else may be the same then.
func rounded(v float64) bool { return v == math.Trunc(v) && math.Abs(v) > maxExact }

// claimed is a text, number or boolean of an identity provider; anything else is
// none that a statement could be bound to.
func claimed(v any) (any, bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		return v, len(v) <= MaxValueLength && utf8.ValidString(v) && !strings.ContainsRune(v, 0)
	case float64:
		if rounded(v) {
			return nil, false
		}
		if v == math.Trunc(v) {
			return int64(v), true
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, true
		}
	}
	return number(v)
}
