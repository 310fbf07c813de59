package problem_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
)

var errPrivate = errors.New("dial tcp 10.0.0.7:5432: password=canary")

func TestOfFindsTheError(t *testing.T) {
	t.Parallel()
	missing := problem.Missing("query")
	tests := []struct {
		name string
		err  error
		kind problem.Kind
	}{
		{"nil", nil, ""},
		{"itself", missing, problem.NotFound},
		{"wrapped", fmt.Errorf("run: %w", missing), problem.NotFound},
		{"joined", errors.Join(errPrivate, missing), problem.NotFound},
		{"unforeseen", errPrivate, problem.Internal},
		{"cancelled", context.Canceled, problem.Internal},
		{"the outer one of two", problem.New(problem.Upstream, "x", "x").Because(missing), problem.Upstream},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := problem.KindOf(test.err); got != test.kind {
				t.Errorf("KindOf = %q, want %q", got, test.kind)
			}
			if got := problem.Is(test.err, test.kind); got != (test.err != nil) {
				t.Errorf("Is = %v", got)
			}
			if of := problem.Of(test.err); (of == nil) != (test.err == nil) {
				t.Errorf("Of = %v", of)
			}
		})
	}
}

// An unforeseen error keeps its cause for the log and shows nothing of it.
func TestPublicFaceHidesTheCause(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]*problem.Error{
		"unforeseen": problem.Of(errPrivate),
		"because":    problem.New(problem.Upstream, "upstream", "the database did not answer").Because(errPrivate),
	} {
		if public := err.Message + err.Remedy + err.Code; strings.Contains(public, "canary") {
			t.Errorf("%s: the public face is %q", name, public)
		}
		if !errors.Is(err, errPrivate) || !strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the cause is lost for the log: %v", name, err)
		}
	}
}

// Who calls from Go sees what to do about it, before the cause.
func TestErrorTellsTheRemedy(t *testing.T) {
	t.Parallel()
	var f problem.Faults
	f.Add("name", "must not be empty")
	f.Add("", "is odd")
	faulty := problem.Of(f.Err("c", "m"))
	for want, err := range map[string]error{
		"m":     problem.New(problem.Conflict, "c", "m"),
		"m (r)": problem.New(problem.Conflict, "c", "m").Fix("r"),
		"m (r): dial tcp 10.0.0.7:5432: password=canary": problem.New(problem.Conflict, "c", "m").Fix("r").Because(errPrivate),
		"m: name must not be empty; is odd (r)":          faulty.Fix("r"),
	} {
		if got := err.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// An error may be a package's value: what is added goes to a copy.
func TestAdditionsCopy(t *testing.T) {
	t.Parallel()
	base := problem.New(problem.Conflict, "c", "m")
	if base.Because(errPrivate).Fix("r"); base.Cause != nil || base.Remedy != "" {
		t.Error("the original was changed")
	}
	if e := base.Fix("r").Because(errPrivate); e.Remedy != "r" || e.Cause != errPrivate || e.Kind != problem.Conflict || e.Code != "c" {
		t.Errorf("the copy is %+v", e)
	}
}

func TestFaultsCollect(t *testing.T) {
	t.Parallel()
	var none problem.Faults
	none.Check(true, "name", "must not be empty")
	none.Merge("x", nil)
	if err := none.Err("code", "m"); err != nil {
		t.Errorf("no fault gives %v", err)
	}

	var inner problem.Faults
	inner.Add("url", "is not one")
	inner.Add("", "is odd")
	var f problem.Faults
	f.Check(false, "name", "must not be empty")
	f.Addf("limit", "must be at most %d", 5)
	f.Merge("nodes.a", inner.Err("inner", "m"))
	f.Merge("", inner.Err("inner", "m"))
	f.Merge("nodes.b", problem.Missing("query"))
	f.Merge("nodes.c", errPrivate)
	err := f.Err("outer", "m")
	if problem.KindOf(err) != problem.Invalid || problem.Of(err).Code != "outer" {
		t.Fatalf("the faults give %v", err)
	}
	var paths []string
	for _, fault := range problem.Of(err).Faults {
		paths = append(paths, fault.Path)
		if fault.Message == "" || strings.Contains(fault.Message, "canary") {
			t.Errorf("%s: %q", fault.Path, fault.Message)
		}
	}
	if got, want := strings.Join(paths, " "), "name limit nodes.a.url nodes.a url  nodes.b nodes.c"; got != want {
		t.Errorf("paths are %q, want %q", got, want)
	}
}

// A nil *Error in an error would be an error that is not there.
func TestErrIsReallyNil(t *testing.T) {
	t.Parallel()
	var f problem.Faults
	var err error = f.Err("c", "m")
	if err != nil {
		t.Errorf("no faults give %#v", err)
	}
}
