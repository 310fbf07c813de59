package sqlite

import (
	"errors"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// queryError tells a refused statement from a broken file.
func queryError(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_AUTH:
		return refused("this statement is not allowed on a datasource", err)
	case lib.SQLITE_READONLY:
		return datasource.NotWriting("the query writes, but is not marked as writing", "", err)
	case lib.SQLITE_CANTOPEN, lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT, lib.SQLITE_IOERR, lib.SQLITE_FULL, lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_INTERRUPT:
		return connectError(err)
	}
	return refused(e.Error(), err)
}

// whileReading says of a statement that was not allowed for a reader what may be more.
func whileReading(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == lib.SQLITE_AUTH {
		return refused("the statement does more than read: mark the query as writing if it changes data; others are not allowed on a datasource", err)
	}
	return err
}

func refused(message string, cause error) error {
	return &datasource.StatementError{Message: message, Position: -1, Cause: cause}
}

// connectError is the error of a file that cannot be used.
func connectError(err error) error {
	if err == nil {
		return nil
	}
	code := 0
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		code = e.Code() & 0xff
	}
	switch code {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return problem.New(problem.Upstream, datasource.CodeBusy, "the database is busy").Fix("try again shortly").Because(err)
	case lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT:
		return problem.New(problem.Upstream, "not_a_database", "the file is not a sound SQLite database").
			Fix("name another file in the settings of the datasource, or put a sound one in its place").Because(err)
	}
	return problem.New(problem.Upstream, "database_unusable", "the database file cannot be used").
		Fix("check that the server may read the file and its folder").Because(err)
}
