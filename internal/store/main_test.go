package store_test

import (
	"fmt"
	"os"
	"testing"

	_ "github.com/millrace/millrace/internal/golden" // knows -update
	"github.com/millrace/millrace/internal/store/postgrestest"
)

func TestMain(m *testing.M) {
	result := m.Run()
	if err := postgrestest.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		result = 1
	}
	os.Exit(result)
}
