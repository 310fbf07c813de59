package sqlite

import "modernc.org/sqlite"

// sqliteReader allows reading and nothing else.
func sqliteReader(action sqlite.AuthorizerActionCode, arg1, arg2, _, _ string) sqlite.AuthorizerReturnCode {
	switch action {
	case sqlite.AuthSelect, sqlite.AuthRead, sqlite.AuthRecursive:
		return sqlite.AuthorizerOK
	case sqlite.AuthFunction:
		return allow(arg2 != "load_extension" && arg2 != "fts3_tokenizer")
	case sqlite.AuthPragma:
		return allow(describes(arg1))
	}
	return sqlite.AuthorizerDeny
}

// sqliteWriter allows changing data and tables, too, but no other files
// (ATTACH; VACUUM attaches), no transactions (they would outlive the statement)
// and no virtual tables (their modules are code of the host).
func sqliteWriter(action sqlite.AuthorizerActionCode, arg1, arg2, database, trigger string) sqlite.AuthorizerReturnCode {
	switch action {
	case sqlite.AuthInsert, sqlite.AuthUpdate, sqlite.AuthDelete,
		sqlite.AuthCreateTable, sqlite.AuthAlterTable, sqlite.AuthDropTable,
		sqlite.AuthCreateIndex, sqlite.AuthDropIndex, sqlite.AuthReindex,
		sqlite.AuthCreateView, sqlite.AuthDropView,
		sqlite.AuthCreateTrigger, sqlite.AuthDropTrigger:
		return sqlite.AuthorizerOK
	}
	return sqliteReader(action, arg1, arg2, database, trigger)
}

// describes lists the pragmas that only tell of tables. database_list is not
// among them: it would tell where the file is.
func describes(pragma string) bool {
	switch pragma {
	case "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list":
		return true
	}
	return false
}

func allow(ok bool) sqlite.AuthorizerReturnCode {
	if ok {
		return sqlite.AuthorizerOK
	}
	return sqlite.AuthorizerDeny
}
