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
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/ownfile"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// keyring holds the host's keys or the one of the key file. A key file is made
// for a database that never had a key: for another, a new key would be a wrong one.
func keyring(c Config, db *store.DB) (*secret.Keyring, error) {
	if c.Keys != nil {
		ring, err := secret.NewKeyring(c.Keys...)
		if err != nil {
			return nil, fmt.Errorf("jetadmin.Config.Keys: %w", err)
		}
		return ring, nil
	}
	path := keyFile(c)
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := requireKeyless(db, path); err != nil {
			return nil, fmt.Errorf("jetadmin.Config.DataDir: %w", err)
		}
		key, err = writeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("jetadmin.Config.DataDir: the key file %s: %w", path, err)
	}
	return secret.NewKeyring(key)
}

func keyFile(c Config) string { return filepath.Join(c.DataDir, "key") }

// patience is how long New waits for a database that it has to look at.
const patience = 30 * time.Second

// requireKeyless makes sure that nothing in the database needs the key that is
// not there.
func requireKeyless(db *store.DB, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	there, err := db.HasTable(ctx, "jet_keyring")
	if err != nil || !there {
		return err
	}
	var keys int
	if err := db.NewRaw("SELECT count(*) FROM ?schema.jet_keyring").Scan(ctx, &keys); err != nil {
		return err
	}
	if keys > 0 {
		return problem.Newf(problem.Conflict, "key_missing", "the key file %s is not there, and the database was started with it", path).
			Fix("put the file back from a backup, or give its key in Config.Keys")
	}
	return nil
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

// writeKey makes a key file. Two processes that start together end up with one key.
func writeKey(path string) ([]byte, error) {
	key := secret.NewKey()
	switch err := ownfile.Create(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n")); {
	case errors.Is(err, fs.ErrExist):
		return readKey(path)
	case err != nil:
		return nil, err
	}
	return key, nil
}

// keyMarkPlace is where the mark of the keys is kept.
const keyMarkPlace = "/jet_keyring/1/sealed"

// checkKeys makes sure that the keys are the ones the data was encrypted with,
// by a mark that the first start left in the database.
func (a *App) checkKeys(ctx context.Context) error {
	const mark, place = "jetadmin", keyMarkPlace
	return a.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewRaw("INSERT INTO ?schema.jet_keyring (id, sealed) VALUES (1, ?) ON CONFLICT (id) DO NOTHING",
			a.keys.Seal([]byte(mark), place)).Exec(ctx)
		if err != nil {
			return err
		}
		var sealed string
		if err := tx.NewRaw("SELECT sealed FROM ?schema.jet_keyring WHERE id = 1").Scan(ctx, &sealed); err != nil {
			return err
		}
		if _, err := a.keys.Open(sealed, place); err != nil {
			ours := "Config.Keys"
			if a.cfg.Keys == nil {
				ours = "the key file " + keyFile(a.cfg)
			}
			return problem.Newf(problem.Conflict, "keys_do_not_fit", "the encryption keys, of %s, are not those of this database", ours).
				Fix("start with the key file, or Config.Keys, that it was first started with").Because(err)
		}
		return nil
	})
}
