//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package ownfile

import (
	"errors"
	"os"
	"syscall"
)

// lock belongs to the open file: a second one of the same process is refused, too.
func lock(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrHeld
		case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EINVAL):
			return errors.Join(errors.ErrUnsupported, err)
		}
		return err
	}
}
