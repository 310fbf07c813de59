package testdb

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// S3Store is an object store that speaks the protocol of Amazon S3, in the region
// us-east-1, with buckets in the path.
type S3Store struct {
	Address              string // host:port, without TLS
	AccessKey, SecretKey string // of an account that may do everything
}

// S3 returns the store of this test binary, shared by its tests: each makes a
// bucket of its own. It is a private Versity gateway on a folder, where the
// program "versitygw" is in PATH. Without it the test is skipped.
func S3(t testing.TB) S3Store {
	t.Helper()
	store, err := s3Store()
	if err != nil {
		without(t, "s3", err)
	}
	return store
}

var s3Store = sync.OnceValues(func() (S3Store, error) {
	program, err := exec.LookPath("versitygw")
	if err != nil {
		return S3Store{}, errors.New("versitygw is not in PATH: go build -o a-folder-of-PATH/ -modfile=tools/versitygw/go.mod github.com/versity/versitygw/cmd/versitygw")
	}
	h, err := newHome("jetadmin-s3-")
	if err != nil {
		return S3Store{}, err
	}
	port, err := freePort()
	if err == nil {
		err = os.Mkdir(h.path("buckets"), 0o700)
	}
	if err == nil {
		err = giveAway(h.path("buckets"))
	}
	if err == nil { // the account for servers may not enter the folder of the program
		err = copyProgram(program, h.path("versitygw"))
	}
	if err != nil {
		return S3Store{}, errors.Join(err, h.remove())
	}
	store := S3Store{Address: "127.0.0.1:" + port, AccessKey: "test" + rand.Text()[:12], SecretKey: rand.Text()}
	stop, err := h.start("TERM", h.path("versitygw"), "--quiet", "--port", store.Address, "--access", store.AccessKey, "--secret", store.SecretKey, "posix", h.path("buckets"))
	if err != nil {
		return S3Store{}, errors.Join(err, h.remove())
	}
	onStop(stop)
	return store, h.await(func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", store.Address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
})

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
