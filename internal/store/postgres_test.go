package store_test

import (
	"testing"

	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/internal/store/postgrestest"
)

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T) *store.Store { return opened(t, postgrestest.Database(t)) })
}
