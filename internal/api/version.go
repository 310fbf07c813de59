package api

import (
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// VersionInput is the part of an input that says which state of an object is to
// be changed.
type VersionInput struct {
	IfMatch string `header:"If-Match" doc:"the ETag that was read; a stale one is refused with 412"`
}

// version is the one that the caller means to change: that of If-Match, or that
// of the body, which may be missing; 0 = whichever there is.
func (v VersionInput) version(body int) (int, error) {
	given := strings.TrimSpace(v.IfMatch)
	if given == "" || given == "*" {
		return body, nil
	}
	n, err := strconv.Atoi(strings.Trim(given, `"`))
	if err != nil || n < 1 || etag(n) != given {
		return 0, stale()
	}
	if body != 0 && body != n {
		return 0, invalid([]problem.Fault{{Path: "version", Message: "is not the version of If-Match"}})
	}
	return n, nil
}

// restoreInput is the input of an operation that saves an earlier version anew.
type restoreInput struct {
	NumberPath
	VersionInput
	Body *struct {
		Version int `json:"version,omitempty" minimum:"1" doc:"the object's version that was read; default: any"`
	} `nameHint:"Restore"`
}

// read is the version of the object that the caller has seen, 0 = any.
func (in restoreInput) read() (int, error) {
	if in.Body == nil {
		return in.version(0)
	}
	return in.version(in.Body.Version)
}

// check is for an operation that does not take a version: it refuses when the
// object, which read reads, is not the one that the caller has seen.
func (v VersionInput) check(read func() (version int, err error)) error {
	seen, err := v.version(0)
	if err != nil || seen == 0 {
		return err
	}
	now, err := read()
	if err == nil && now != seen {
		err = stale()
	}
	return err
}

func stale() error {
	return problem.New(problem.Stale, "stale", "the object does not have this entity tag").
		Fix("read the object again and send the ETag that comes with it")
}

// etag is the version of an object as an entity tag.
func etag(version int) string { return strconv.Quote(strconv.Itoa(version)) }
