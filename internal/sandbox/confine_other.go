//go:build !unix

package sandbox

import "syscall"

// confine has no limits to set here: the engine's are what there is.
func confine() error { return nil }

// apart leaves the processes in the terminal's group where groups cannot be set.
func apart() *syscall.SysProcAttr { return nil }
