package jetadmin

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

// KeyRotation is what came of [App.RotateKeys].
type KeyRotation = secret.Rotation

// rotatePasses is how often RotateKeys looks for what others have sealed with an
// old key meanwhile.
const rotatePasses = 5

// RotateKeys encrypts again what was encrypted with another than the first of
// [Config.Keys]: secrets of datasources and webhooks, of all tenants. Everything
// goes on meanwhile. It can be stopped at any time and called again; what is done
// stays done. Afterwards, when nothing was unreadable, the other keys can go.
//
// To change keys with several processes: start all with the new key behind the old
// one, then all with the new one in front, then call this in one of them. Each
// tenant's record of changes tells what was encrypted again, and the record outside
// of tenants the sum.
//
// Errors: Conflict when other processes go on to encrypt with another key.
func (a *App) RotateKeys(ctx context.Context) (KeyRotation, error) {
	var all KeyRotation
	for range rotatePasses {
		pass, err := a.rotateSecrets(ctx)
		all.Resealed, all.Unreadable = all.Resealed+pass.Resealed, pass.Unreadable
		if err != nil {
			return all, err
		}
		if pass.Resealed == 0 {
			return all, a.rotateMark(ctx, all)
		}
	}
	return all, problem.New(problem.Conflict, "keys_in_use", "other processes go on to encrypt with another first key").
		Fix("start all of them with the new key in front, then call this again")
}

func (a *App) rotateSecrets(ctx context.Context) (KeyRotation, error) {
	all, err := a.datasources.RotateSecrets(ctx)
	if err != nil {
		return all, err
	}
	webhooks, err := a.workflows.RotateSecrets(ctx)
	all.Add(webhooks)
	return all, err
}

// rotateMark comes last: as long as the mark of the keys is the old key's, no App
// starts without that one.
func (a *App) rotateMark(ctx context.Context, done KeyRotation) error {
	ctx = auth.NewContext(ctx, auth.ServicePrincipal("", "keys"))
	return a.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		var sealed string
		if err := tx.NewRaw("SELECT sealed FROM ?schema.jet_keyring WHERE id = 1").Scan(ctx, &sealed); err != nil {
			return err
		}
		if a.keys.Current(sealed) {
			return nil
		}
		again, err := a.keys.Reseal(sealed, keyMarkPlace)
		if err != nil {
			return err
		}
		if _, err := tx.NewRaw("UPDATE ?schema.jet_keyring SET sealed = ? WHERE id = 1", again).Exec(ctx); err != nil {
			return err
		}
		return a.audit.Record(ctx, tx, audit.Entry{
			Action: "keys.rotate", ObjectType: "keys", Detail: map[string]any{"resealed": done.Resealed, "unreadable": done.Unreadable},
		})
	})
}
