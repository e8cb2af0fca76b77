package provider

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Secrets resolves references of the form secret://NAME. The value of secret://crm-key is that of
// MILLRACE_SECRET_CRM_KEY in the environment, else in a file of KEY=VALUE lines, which is read at every
// use so that a secret can be changed under a running worker.
type Secrets struct {
	environment func(name string) (string, bool)
	file        string
}

// NewSecrets returns the secrets of an environment (os.LookupEnv) and of a file; "" = no file.
func NewSecrets(environment func(name string) (string, bool), file string) Secrets {
	return Secrets{environment: environment, file: file}
}

// Resolve returns the value behind a reference. Its errors name the secret and never show a value.
func (s Secrets) Resolve(reference string) (string, error) {
	name, isReference := strings.CutPrefix(reference, "secret://")
	if !isReference || name == "" {
		return "", errors.New("not a secret: write secret://NAME and keep its value in the environment")
	}
	variable := "MILLRACE_SECRET_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	if value, _ := s.environment(variable); value != "" {
		return value, nil
	}
	value, err := s.fromFile(variable)
	if err != nil {
		return "", fmt.Errorf("secret://%s: %w", name, err)
	}
	if value == "" {
		return "", fmt.Errorf("secret://%s has no value: set %s", name, variable)
	}
	return value, nil
}

// fromFile reads one variable from the file. A file that does not exist has none.
func (s Secrets) fromFile(variable string) (string, error) {
	if s.file == "" {
		return "", nil
	}
	file, err := os.Open(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		key, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "export "), "=")
		if strings.TrimSpace(key) == variable {
			return unquote(strings.TrimSpace(value)), nil
		}
	}
	return "", lines.Err()
}

func unquote(value string) string {
	if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
		return value[1 : len(value)-1]
	}
	return value
}
