//go:build unix && !linux

package sandbox

import "syscall"

// confine limits what this process may take: no files to write, no dumps. Its memory is what the engine counts.
func confine() error {
	for _, resource := range []int{syscall.RLIMIT_FSIZE, syscall.RLIMIT_CORE} {
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{}); err != nil {
			return err
		}
	}
	return nil
}

// apart keeps a Ctrl-C in the terminal from the processes, so that a worker can finish before it goes.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
