package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

var firstTask = crm.Ref{Object: crm.ObjectTask, ID: "1"}

func (b *bench) users(users ...crm.User) {
	b.t.Helper()
	require.NoError(b.t, b.store.SetUsers(b.t.Context(), users, nil))
}

func TestCreateTask(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_task: {title: "Call {{ contact.first_name }}", notes: "<p>{{ contact.notes }}</p>", type: CALL, priority: HIGH, assignee: {user: bo@example.com}, due: {in: 3d, time: "09:00"}}`)
	b.users(crm.User{ID: "bo", Email: "bo@example.com", Active: true})
	b.set(map[string]string{"notes": "R&D"})
	outcome := b.ok(asked(monday.Add(time.Hour)))
	require.JSONEq(t, `{"task":"task/1"}`, string(outcome.Output))
	require.Equal(t, []string{"task/1"}, b.attached(crm.ObjectTask))
	for name, value := range map[string]string{
		"title": "Call Ada", "notes": "<p>R&amp;D</p>", "type": "CALL", "priority": "HIGH", "status": "not_started",
		crm.OwnerProperty: "bo", "due_at": "2027-01-07T08:00:00Z",
	} {
		require.Equal(t, value, b.property(firstTask, name), name)
	}
	require.Empty(t, b.journal(plan.JournalWarning))
}

func TestCreateTaskWithATitleAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t, "create_task: {title: Call, assignee: none}")
	b.ok()
	record, err := b.store.Get(t.Context(), firstTask)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"title": "Call", "type": "TODO", "priority": "NONE", "status": "not_started"}, record.Properties)
}

func TestCreateTaskDue(t *testing.T) {
	t.Parallel()
	rome := func(day, hour int) string { return crm.Text(time.Date(2027, 1, day, hour-1, 0, 0, 0, time.UTC)) }
	for config, want := range map[string]string{
		"{in: 3h}":                                     rome(4, 12),
		"{in: 3d}":                                     rome(7, 9),
		`{in: 3d, time: "08:00"}`:                      rome(7, 8),
		`{time: "17:00"}`:                              rome(4, 17),
		`{time: "08:00"}`:                              rome(5, 8), // today it is past
		`{time: "09:00"}`:                              rome(4, 9), // right now
		"{in: 1d, days: [mon, thu]}":                   rome(7, 9),
		`{in: 5d, time: "10:00", days: [mon]}`:         rome(11, 10),
		`{days: [mon]}`:                                rome(4, 9),
		`{days: [mon], time: "08:00"}`:                 rome(11, 8),
		`{days: [mon, tue], time: "08:00"}`:            rome(5, 8),
		`{in: 4d23h, days: [saturday], time: "23:00"}`: rome(9, 23),
	} {
		b := newBench(t, "create_task: {title: Call, due: "+config+"}")
		b.ok()
		require.Equal(t, want, b.property(firstTask, "due_at"), config)
	}
}

func TestCreateTaskForWhomAPropertyNames(t *testing.T) {
	t.Parallel()
	const source = "create_task: {title: Call, assignee: {owner: hubspot_owner_id}}"
	for name, test := range map[string]struct {
		owner, want, warning string
		users                []crm.User
	}{
		"the owner":         {"7", "7", "", []crm.User{{ID: "7", Active: true}}},
		"nobody":            {"", "", "contact has no hubspot_owner_id: the task is nobody's", nil},
		"somebody unknown":  {"8", "", "user 8 is not known: the task is nobody's", nil},
		"somebody who left": {"7", "", "user 7 is deactivated: the task is nobody's", []crm.User{{ID: "7"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, source)
			b.users(test.users...)
			b.set(map[string]string{crm.OwnerProperty: test.owner})
			b.ok()
			require.Equal(t, test.want, b.property(firstTask, crm.OwnerProperty))
			if test.warning != "" {
				require.Equal(t, []string{test.warning}, b.journal(plan.JournalWarning))
			}
		})
	}
	outside := newBench(t, source).outside()
	outside.set(map[string]string{crm.OwnerProperty: "8"})
	outside.ok()
	require.Equal(t, "8", outside.property(firstTask, crm.OwnerProperty), "outside a workspace nobody is looked up")
}

func TestCreateTaskHappensOnceForEachVisit(t *testing.T) {
	t.Parallel()
	b := newBench(t, "create_task: {title: Call}")
	first := b.ok()
	require.Equal(t, first, b.ok(), "an attempt that is repeated answers what is stored")
	require.Equal(t, []string{"task/1"}, b.attached(crm.ObjectTask))
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Equal(t, []string{"task/1", "task/2"}, b.attached(crm.ObjectTask))
}

func TestCreateTaskFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_task: {title: "{{ contact.last_name }}"}`)
	_, err := b.run()
	requirePermanent(t, err, "no-title")
	require.Equal(t, []string{"{{ contact.last_name }} is empty"}, b.journal(plan.JournalWarning))

	strict := newBench(t, "create_task: {title: Call}")
	catalog := crm.Builtin()
	catalog.Add(crm.Object{Name: crm.ObjectTask, Properties: crm.Properties{{Name: "type", Type: crm.TypeEnumeration, Options: []crm.Option{{Value: "call"}}}}})
	strict.publish(store.Publication{Catalog: catalog, Account: account(t, nil)})
	_, err = strict.run()
	requirePermanent(t, err, "invalid-value")
	require.Empty(t, strict.attached(crm.ObjectTask))
}

func TestCreateTaskCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "create_task: {}", "missing-key")
	requireProblems(t, "create_task: {title: x, type: VISIT}", "not-allowed")
	requireProblems(t, "create_task: {title: x, due: {}}", "missing-key")
	requireProblems(t, "create_task: {title: x, assignee: somebody}", "wrong-type")
	requireProblems(t, "create_task: {title: x, assignee: {}}", "wrong-value")
	requireProblems(t, "create_task: {title: x, assignee: {user: a, owner: b}}", "wrong-value")
	source := "workflow: w\nobject: contact\nactions:\n  - id: a\n    create_task: {title: x, assignee: WHO}\n"
	require.Equal(t, "unknown-user", inWorkspace(t, source, "WHO", "{user: bo}")[0].Code)
	require.Equal(t, "unknown-property", inWorkspace(t, source, "WHO", "{owner: keeper}")[0].Code)
}

func TestCreateTaskInAQueueWithAReminder(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_task: {title: Call, due: {in: 3d, time: "09:00"}, reminder: 1h, queue: mornings, copy_associations: [{type: company}]}`)
	acme := crm.Ref{Object: "company", ID: "7"}
	b.record(acme, nil)
	b.associate(acme, "employer")
	b.ok()
	require.Equal(t, "2027-01-07T08:00:00Z", b.property(firstTask, "due_at"))
	require.Equal(t, "2027-01-07T07:00:00Z", b.property(firstTask, "reminder_at"))
	require.Equal(t, "mornings", b.property(firstTask, "queue"))
	companies, err := b.store.Associated(t.Context(), firstTask, "company")
	require.NoError(t, err)
	require.Len(t, companies, 1)
	require.Equal(t, []string{"employer"}, companies[0].Labels)
	requireProblems(t, "create_task: {title: Call, reminder: 1h}", "missing-key")
}
