package testsuite_test

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/millrace/millrace/internal/devserver"
	"github.com/millrace/millrace/internal/store/postgrestest"
	"github.com/stretchr/testify/require"
)

// onPostgres moves everything that these tests keep from SQLite to PostgreSQL: Temporal's databases and ours, in a
// cluster that is started for them.
var onPostgres = flag.Bool("postgres", false, "keep Temporal's books and Millrace's in PostgreSQL, in a cluster of their own")

// temporalDatabase makes Temporal's databases on a PostgreSQL server, and returns the url of the main one. It runs what
// docker-compose.yml runs for that, with the SQL tool in the embedded server.
func temporalDatabase(tb testing.TB, binary devserver.Binary, server *postgrestest.Server) string {
	tb.Helper()
	require.False(tb, binary.Official, "the SQL tool is in the server that is built from devserver/, not in %s", binary.Path)
	compose, _ := readComposition(tb)
	job := compose.Services["temporal-schema"]
	tools := tb.TempDir()
	tool := fmt.Sprintf("#!/bin/sh\nexec '%s' sql \"$@\"\n", binary.Path)
	require.NoError(tb, os.WriteFile(filepath.Join(tools, "temporal-sql-tool"), []byte(tool), 0o755))
	command := exec.Command(job.Command[0], job.Command[1:]...)
	for i, argument := range command.Args {
		command.Args[i] = strings.ReplaceAll(argument, "$$", "$") // as Compose does
	}
	command.Env = append(os.Environ(), "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, value := range job.Environment {
		switch name {
		case "SQL_HOST":
			value = server.Host
		case "SQL_PORT":
			value = strconv.Itoa(server.Port)
		case "SQL_USER":
			value = server.User
		case "SQL_PASSWORD":
			value = "" // this server asks none
		}
		command.Env = append(command.Env, name+"="+value)
	}
	output, err := command.CombinedOutput()
	require.NoError(tb, err, "%s", output)
	database := url.URL{
		Scheme: "postgres", User: url.User(server.User), Host: fmt.Sprintf("%s:%d", server.Host, server.Port), Path: "temporal", RawQuery: "sslmode=disable",
	}
	return database.String()
}

// TestComposesSchemaIsTheServersOwn makes Temporal's databases as docker-compose.yml does, twice as after an upgrade,
// and finds in them the versions that the server asks for.
func TestComposesSchemaIsTheServersOwn(t *testing.T) {
	t.Parallel()
	binary, err := devserver.Find(t.Context(), os.Stderr, false)
	require.NoError(t, err)
	postgres := postgrestest.Start(t)
	main := temporalDatabase(t, binary, postgres)
	require.Equal(t, main, temporalDatabase(t, binary, postgres), "what is done is left alone")
	made := schemaVersion(t, main)
	server, err := devserver.Start(t.Context(), devserver.Options{Binary: binary, Postgres: main})
	require.NoError(t, err)
	require.NoError(t, server.Stop())
	require.Equal(t, made, schemaVersion(t, main), "the server has nothing to add")
}

// schemaVersion reads the versions of Temporal's two databases.
func schemaVersion(t *testing.T, main string) [2]string {
	t.Helper()
	var versions [2]string
	for i, database := range []string{main, strings.Replace(main, "/temporal?", "/temporal_visibility?", 1)} {
		connection, err := pgx.Connect(t.Context(), database)
		require.NoError(t, err)
		require.NoError(t, connection.QueryRow(t.Context(), "SELECT curr_version FROM schema_version").Scan(&versions[i]))
		require.NoError(t, connection.Close(t.Context()))
	}
	return versions
}
