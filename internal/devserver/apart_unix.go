//go:build unix

package devserver

import "syscall"

// apart keeps a Ctrl-C in the terminal from the server, so that the worker can finish before it goes.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
