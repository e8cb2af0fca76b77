package provider

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecrets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secrets.env")
	require.NoError(t, os.WriteFile(file, []byte("# ours\n\nexport MILLRACE_SECRET_CRM_KEY=\"from = file\"\nMILLRACE_SECRET_APP='x'\nMILLRACE_SECRET_BOTH=file\n"), 0o600))
	environment := func(name string) (string, bool) {
		value, set := map[string]string{"MILLRACE_SECRET_BOTH": "environment", "MILLRACE_SECRET_EMPTY": ""}[name]
		return value, set
	}
	secrets := NewSecrets(environment, file)
	for reference, want := range map[string]string{"secret://crm-key": "from = file", "secret://app": "x", "secret://both": "environment"} {
		got, err := secrets.Resolve(reference)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for reference, want := range map[string]string{
		"secret://other": "secret://other has no value: set MILLRACE_SECRET_OTHER",
		"secret://empty": "secret://empty has no value: set MILLRACE_SECRET_EMPTY",
		"hunter2":        "not a secret: write secret://NAME and keep its value in the environment",
		"secret://":      "not a secret: write secret://NAME and keep its value in the environment",
	} {
		_, err := secrets.Resolve(reference)
		require.EqualError(t, err, want)
	}
	_, err := NewSecrets(environment, filepath.Join(t.TempDir(), "missing")).Resolve("secret://app")
	require.EqualError(t, err, "secret://app has no value: set MILLRACE_SECRET_APP")
	_, err = NewSecrets(environment, t.TempDir()).Resolve("secret://app")
	require.ErrorContains(t, err, "secret://app: ")
}
