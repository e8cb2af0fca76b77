//go:build !unix

package devserver

import "syscall"

// apart leaves the server in the terminal's group where groups cannot be set.
func apart(bool) *syscall.SysProcAttr { return nil }
