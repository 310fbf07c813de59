package jetadmin

import (
	"errors"
	"path/filepath"

	"github.com/jetadmin/jetadmin/internal/ownfile"
	"github.com/jetadmin/jetadmin/problem"
)

// enterFolder takes the folder of the embedded mode for this App. A second one on
// it would not harm the rows, but do worse than fail: watchers miss what the other
// runs, the limits on attempts to sign in double, its set-up token voids the
// first, and a newer build changes the tables under an older one.
func (a *App) enterFolder() error {
	path := filepath.Join(a.cfg.DataDir, "lock")
	leave, err := ownfile.Hold(path)
	switch {
	case errors.Is(err, ownfile.ErrHeld):
		return problem.Newf(problem.Conflict, "data_dir_in_use", "another server works in the folder %s", a.cfg.DataDir).
			Fix("stop it, choose another Config.DataDir, or give both a PostgreSQL database in Config.DB").Because(err)
	case errors.Is(err, errors.ErrUnsupported):
		a.cfg.Logger.Warn("jetadmin: the folder cannot be locked, start no second server on it", "folder", a.cfg.DataDir)
		return nil
	case err != nil:
		return err
	}
	a.leave = leave
	return nil
}

func (a *App) leaveFolder() error {
	if a.leave == nil {
		return nil
	}
	leave := a.leave
	a.leave = nil
	return leave()
}
