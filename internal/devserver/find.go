// Package devserver finds or builds millrace-devserver, the embedded Temporal server, and runs it as a child
// process that cannot outlive its parent.
package devserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	name     = "millrace-devserver"
	variable = "MILLRACE_DEVSERVER"
)

// Binary is a server that can be started.
type Binary struct {
	Path     string
	Official bool // Temporal's own command line, which has neither time skipping nor our flags
}

// Find returns the server to run: the one that MILLRACE_DEVSERVER names, one beside this executable, one on
// PATH, or one built from the checkout into the user's cache. A build takes minutes and is announced on
// progress; a second process waits for it. With official, Temporal's own command line will do when there
// is nothing to build from.
func Find(ctx context.Context, progress io.Writer, official bool) (Binary, error) {
	if path := os.Getenv(variable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return Binary{}, fmt.Errorf("%s does not name a program: %w", variable, err)
		}
		return Binary{Path: path}, nil
	}
	if executable, err := os.Executable(); err == nil {
		if path := filepath.Join(filepath.Dir(executable), name); isFile(path) {
			return Binary{Path: path}, nil
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return Binary{Path: path}, nil
	}
	source, err := checkout()
	if err == nil {
		return build(ctx, source, progress)
	}
	if path, missing := exec.LookPath("temporal"); official && missing == nil {
		fmt.Fprintf(progress, "using the official Temporal server %s: no %s was found\n", path, name)
		return Binary{Path: path, Official: true}, nil
	}
	return Binary{}, fmt.Errorf("no embedded Temporal server: set %s, put %s on PATH, or run from a checkout of Millrace (%w)", variable, name, err)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// checkout finds the folder devserver of the checkout that the working directory, or this source file, is in.
func checkout() (string, error) {
	working, err := os.Getwd()
	if err != nil {
		return "", err
	}
	_, file, _, _ := runtime.Caller(0)
	for _, from := range []string{working, filepath.Dir(file)} {
		for folder := from; ; folder = filepath.Dir(folder) {
			source := filepath.Join(folder, "devserver")
			if isFile(filepath.Join(source, "go.mod")) && isFile(filepath.Join(source, "main.go")) {
				return source, nil
			}
			if folder == filepath.Dir(folder) {
				break
			}
		}
	}
	return "", errors.New("the working directory is not in one")
}

// build compiles the server once for each state of its sources.
func build(ctx context.Context, source string, progress io.Writer) (Binary, error) {
	sum, err := fingerprint(source)
	if err != nil {
		return Binary{}, fmt.Errorf("reading the sources of the embedded Temporal server: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Binary{}, fmt.Errorf("looking for a place to build the embedded Temporal server in: %w", err)
	}
	folder := filepath.Join(cache, "millrace", "devserver-"+sum)
	binary := Binary{Path: filepath.Join(folder, name)}
	if isFile(binary.Path) {
		return binary, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return Binary{}, fmt.Errorf("making room for the embedded Temporal server: %w", err)
	}
	lock := flock.New(filepath.Join(folder, "lock"))
	if held, err := lock.TryLock(); err == nil && !held {
		fmt.Fprintln(progress, "waiting for another process that is building the embedded Temporal server …")
	}
	if _, err := lock.TryLockContext(ctx, time.Second); err != nil {
		return Binary{}, fmt.Errorf("waiting for another build of the embedded Temporal server: %w", err)
	}
	defer func() { _ = lock.Unlock() }() // also released when the process ends
	if isFile(binary.Path) {
		return binary, nil
	}
	fmt.Fprintln(progress, "building the embedded Temporal server; this happens once and takes about four minutes …")
	started := time.Now()
	unfinished := binary.Path + ".new"
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "disable_grpc_modules", "-ldflags", "-s -w", "-o", unfinished, ".")
	command.Dir = source
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if output, err := command.CombinedOutput(); err != nil {
		return Binary{}, fmt.Errorf("building the embedded Temporal server in %s: %w\n%s", source, err, output)
	}
	if err := os.Rename(unfinished, binary.Path); err != nil {
		return Binary{}, fmt.Errorf("keeping the embedded Temporal server: %w", err)
	}
	fmt.Fprintf(progress, "built in %s: %s\n", time.Since(started).Round(time.Second), binary.Path)
	return binary, nil
}

// fingerprint is a hash of the sources and of the Go version.
func fingerprint(source string) (string, error) {
	files, err := filepath.Glob(filepath.Join(source, "*"))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, file := range files { // sorted by Glob
		base := filepath.Base(file)
		if strings.HasSuffix(base, "_test.go") || !strings.HasSuffix(base, ".go") && base != "go.mod" && base != "go.sum" {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, base, len(content))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}
