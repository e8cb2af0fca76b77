package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
)

// BenchmarkForecast foresees what a shorter delay and a mail that comes twice do to ten thousand people.
func BenchmarkForecast(b *testing.B) {
	const people = 10_000
	term := &terminal{t: &testing.T{}, Folder: b.TempDir(), Environment: []string{"USER=ada"}}
	term.write("millrace.yaml", "time_zone: UTC\nsender: {email: hello@millrace.example}\n")
	for _, email := range []string{"hello", "offer", "bye"} {
		term.write("emails/"+email+".md", "---\nsubject: "+email+"\n---\n"+email+"\n")
	}
	term.write(journeyFile, journeyHead+journeyBody)
	a, _, _ := term.app("push")
	require.Zero(b, run(b.Context(), a))
	books, err := a.createStore(b.Context())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, books.Close()) })
	latest, _, err := books.LatestRevision(b.Context(), "journey")
	require.NoError(b, err)
	at := time.Now().UTC().AddDate(0, 0, -3)
	require.NoError(b, books.Tx(b.Context(), func(tx *store.Tx) error {
		for i := range people {
			ref := crm.Ref{Object: "contact", ID: fmt.Sprint(i)}
			if _, err := tx.Create(b.Context(), ref, nil, at, "bench"); err != nil {
				return err
			}
			opened, err := tx.OpenEnrollment(b.Context(), plan.Enrollment{
				Workflow: "journey", Record: ref.String(), WorkflowID: plan.WorkflowID("journey", ref.String()), FirstRun: "run", Revision: 1, Started: at,
			})
			if err != nil {
				return err
			}
			standing := plan.Standing{Enrollment: opened.ID, Node: "wait", Kind: "delay_set_amount", Arrived: at, Until: at.AddDate(0, 0, 10), Plan: latest.Plan.Hash}
			key := plan.Call{Enrollment: opened.ID, Node: "hello", Visit: 1}.Key()
			entry := plan.Entry{Enrollment: opened.ID, Key: key, At: at, Node: "hello", Kind: "send_email", Event: plan.JournalSucceeded}
			if err := tx.Stand(b.Context(), standing); err != nil {
				return err
			}
			if err := tx.WriteJournal(b.Context(), entry); err != nil {
				return err
			}
		}
		return nil
	}))
	term.write(journeyFile, journeyHead+strings.Replace(strings.Replace(journeyBody, "for: 10d", "for: 8d", 1), "email: bye", "email: hello", 1))
	checked, err := a.readWorkspace(".")
	require.NoError(b, err)
	for b.Loop() {
		p, err := a.publish(b.Context(), books, checked, ".", pushing{dryRun: true})
		require.NoError(b, err)
		require.Empty(b, p.result.Diagnostics)
		require.NoError(b, p.foresee(b.Context(), books))
		require.NotEmpty(b, p.result.Workflows[0].People, "%+v", p.result.Workflows)
		require.Equal(b, people, p.result.Workflows[0].People[0].Earlier)
		require.Equal(b, people, p.result.Workflows[0].People[0].Twice[0].People)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*people), "µs/person")
}
