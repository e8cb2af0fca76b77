//go:build unix

package postgrestest

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// apart gives a command a process group of its own and, since PostgreSQL does not run as root, another user, who gets
// the folder.
func apart(command *exec.Cmd, folder string) error {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			return err
		}
	}
	uid, failed := strconv.ParseUint(account.Uid, 10, 32)
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(failed, err, os.Chown(folder, int(uid), int(gid))); err != nil {
		return err
	}
	command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return nil
}
