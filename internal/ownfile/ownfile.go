// Package ownfile makes files that only their owner can read, and locks that end
// with the process that holds them.
package ownfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Create makes a file with a content, and its folder when needed. It is linked
// into place whole: of several that do so at the same time one succeeds, and the
// others get an error that is [io/fs.ErrExist], with the file there.
func Create(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*") // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Link(temp.Name(), path)
}

// ErrHeld is the error of [Hold] while somebody else holds the file.
var ErrHeld = errors.New("somebody else holds it")

// Hold locks a file, which it makes when it is not there, until release. The lock
// ends with the process, however that ends. It is advisory: it keeps out who asks
// for it. Where the system has no such locks, the error is [errors.ErrUnsupported].
func Hold(path string) (release func() error, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file.Close, nil
}
