package ownfile_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/internal/ownfile"
)

// holdThis makes the test binary a process that holds a file until it is killed.
const holdThis = "JETADMIN_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdThis); path != "" {
		_, err := ownfile.Hold(path)
		fmt.Println(err)
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	os.Exit(m.Run())
}

func TestCreateOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "below", "file")
	var made atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			switch err := ownfile.Create(path, []byte{byte(i), byte(i)}); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
			if got, err := os.ReadFile(path); err != nil || len(got) != 2 || got[0] != got[1] {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wg.Wait()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || made.Load() != 1 {
		t.Errorf("made %d times, %v, %v", made.Load(), info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestHoldIsOneAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	release := hold(t, path)
	if _, err := ownfile.Hold(path); !errors.Is(err, ownfile.ErrHeld) {
		t.Errorf("a second one in this process: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release = hold(t, path)
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

// A lock of a process that is killed is gone.
func TestHoldEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.CommandContext(t.Context(), self)
	other.Env = append(os.Environ(), holdThis+"="+path)
	if _, err := other.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	said, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(line, errors.ErrUnsupported.Error()) {
		t.Skip("there are no such locks here")
	}
	if _, err := ownfile.Hold(path); !errors.Is(err, ownfile.ErrHeld) {
		t.Errorf("while the other process lives: %v", err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait()
	release := hold(t, path)
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

func hold(t *testing.T, path string) (release func() error) {
	t.Helper()
	release, err := ownfile.Hold(path)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("there are no such locks here")
	}
	if err != nil {
		t.Fatal(err)
	}
	return release
}
