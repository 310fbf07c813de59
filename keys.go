package jetadmin

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// keyring holds the host's keys or the one of the key file.
func keyring(c Config) (*secret.Keyring, error) {
	if c.Keys != nil {
		ring, err := secret.NewKeyring(c.Keys...)
		if err != nil {
			return nil, fmt.Errorf("jetadmin.Config.Keys: %w", err)
		}
		return ring, nil
	}
	path := filepath.Join(c.DataDir, "key")
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = writeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("jetadmin.Config.DataDir: the key file %s: %w", path, err)
	}
	return secret.NewKeyring(key)
}

// ReadKeyFile reads a key for [Config.Keys] from a file as an App makes it in its
// DataDir: base64 on one line. It is an error when others than its owner can read
// the file.
func ReadKeyFile(path string) ([]byte, error) {
	key, err := readKey(path)
	if err != nil {
		return nil, fmt.Errorf("the key file %s: %w", path, err)
	}
	return key, nil
}

func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, errors.New("others can read it: take their rights away (chmod 600)")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != secret.KeySize {
		return nil, errors.New("it does not hold a key")
	}
	return key, nil
}

// writeKey makes a key file. It is linked into place whole, so that two
// processes that start together end up with one key.
func writeKey(path string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	key := secret.NewKey()
	temp, err := os.CreateTemp(filepath.Dir(path), "key-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return nil, err
	}
	switch err := os.Link(temp.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return readKey(path)
	case err != nil:
		return nil, err
	}
	return key, nil
}

// checkKeys makes sure that the keys are the ones the data was encrypted with,
// by a mark that the first start left in the database.
func checkKeys(ctx context.Context, db *store.DB, ring *secret.Keyring) error {
	const mark, place = "jetadmin", "/jet_keyring/1/sealed"
	return db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewRaw("INSERT INTO ?schema.jet_keyring (id, sealed) VALUES (1, ?) ON CONFLICT (id) DO NOTHING",
			ring.Seal([]byte(mark), place)).Exec(ctx)
		if err != nil {
			return err
		}
		var sealed string
		if err := tx.NewRaw("SELECT sealed FROM ?schema.jet_keyring WHERE id = 1").Scan(ctx, &sealed); err != nil {
			return err
		}
		if _, err := ring.Open(sealed, place); err != nil {
			return problem.New(problem.Conflict, "keys_do_not_fit", "the encryption keys are not those of this database").
				Fix("start with the key file, or Config.Keys, that it was first started with").Because(err)
		}
		return nil
	})
}
