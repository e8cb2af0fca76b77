package main

import (
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql" // plugins postgres12 and postgres12_pgx
	"go.temporal.io/server/tools/sql"
)

// runSQLTool runs Temporal's schema tool. Its first argument stands where a
// program's name would.
func runSQLTool(args []string) error {
	return sql.RunTool(args)
}
