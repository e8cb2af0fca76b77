package sandbox

import "syscall"

// data is how much memory a process may write: what a script may have, and room for the engine and its messages.
const data = Memory + 512<<20

// confine limits what this process may take: memory, no files to write, no dumps. What is running already is not closed.
func confine() error {
	for resource, limit := range map[int]uint64{syscall.RLIMIT_DATA: data, syscall.RLIMIT_FSIZE: 0, syscall.RLIMIT_CORE: 0, syscall.RLIMIT_NOFILE: 16} {
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return err
		}
	}
	return nil
}

// apart keeps a Ctrl-C in the terminal from the processes, so that a worker can finish before it goes.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
