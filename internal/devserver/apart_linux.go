package devserver

import "syscall"

// apart keeps a Ctrl-C in the terminal from the server, so that the worker can finish before it goes. The kernel
// ends an official server, which has no way to notice it, with the thread that started it.
func apart(official bool) *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if official {
		attributes.Pdeathsig = syscall.SIGKILL
	}
	return attributes
}
