//go:build unix && !linux

package devserver

import "syscall"

// apart keeps a Ctrl-C in the terminal from the server, so that the worker can finish before it goes. An official
// server outlives a crash of this process.
func apart(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
