package testsuite_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/provider/smtptest"
	"github.com/millrace/millrace/worker"
	"github.com/stretchr/testify/require"
)

// TestDoctorFindsNothingWhereEverythingRuns asks with and without a worker.
func TestDoctorFindsNothingWhereEverythingRuns(t *testing.T) {
	t.Parallel()
	mail := smtptest.Start(t, smtptest.Options{})
	s := newStage(t, mailed(mail, threeMails))
	shell := s.shell(t, mailed(mail, threeMails))
	shell.ok(t, "push")
	stdout, _, code := shell.run(t, "doctor", "-o", "json")
	require.Equal(t, 1, code)
	var found struct {
		OK     bool
		Checks []struct{ Check, State, Detail string }
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &found))
	for _, one := range found.Checks {
		if one.Check == "worker" {
			require.Equal(t, "nobody works on the task queue millrace of namespace "+s.Namespace+": start `millrace worker`", one.Detail)
		} else {
			require.Equal(t, "ok", one.State, one.Detail)
		}
	}
	s.work(t)
	require.Eventually(t, func() bool {
		stdout, _, code := shell.run(t, "doctor", "-o", "json")
		return code == 0 && json.Unmarshal([]byte(stdout), &found) == nil && found.OK
	}, patience, patience/100)
	require.Empty(t, mail.Messages())
}

// TestDoctorMissesAWorkerOfALimitedChannel: one that does not know the queue is none.
func TestDoctorMissesAWorkerOfALimitedChannel(t *testing.T) {
	t.Parallel()
	workspace := limited("http://127.0.0.1:1", "quotas: {email: {limit: 5, per: 1s}}\n")
	s := newStage(t, limited("http://127.0.0.1:1", ""))
	shell := s.shell(t, workspace)
	s.work(t, func(options *worker.Options) { options.Look = time.Hour })
	doctor := func() string {
		stdout, _, _ := shell.run(t, "doctor")
		return stdout
	}
	require.Eventually(t, func() bool { return strings.Contains(doctor(), "worker       ok ") }, patience, patience/100)
	shell.ok(t, "push")
	require.Contains(t, doctor(), "nobody works on the task queue millrace-email of namespace "+s.Namespace+": start `millrace worker`")
	s.work(t)
	require.Eventually(t, func() bool { return strings.Contains(doctor(), "worker       ok ") }, patience, patience/100)
}
