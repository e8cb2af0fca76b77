package crm_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

func TestNamesRememberWhereTheyStand(t *testing.T) {
	t.Parallel()
	type config struct {
		Lists  []crm.ListName   `json:"lists,omitempty" doc:"Lists."`
		Owner  crm.PropertyName `json:"owner,omitempty" doc:"Property."`
		Secret crm.Secret       `json:"secret,omitempty" doc:"Secret."`
	}
	got := mustDecode[config](t, "lists: [vip, do-not-contact]\nowner: hubspot_owner_id\nsecret: secret://crm\n")
	var reference crm.Reference = got.Lists[1]
	kind, name := reference.Target()
	require.Equal(t, "list do-not-contact", kind+" "+name)
	require.Equal(t, schema.Pos{File: "test.yaml", Line: 1, Column: 14}, reference.Pos())
	kind, name = got.Secret.Target()
	require.Equal(t, "secret crm", kind+" "+name)
	require.Equal(t, "secret://crm", got.Secret.String())

	encoded, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, `{"lists":["vip","do-not-contact"],"owner":"hubspot_owner_id","secret":"secret://crm"}`, string(encoded))
	require.Equal(t, "vip", mustDecode[config](t, string(encoded)).Lists[0].Text)
}

func TestNamesRefuseWhatCannotBeOne(t *testing.T) {
	t.Parallel()
	check := func(problems schema.Diagnostics, says string) {
		t.Helper()
		require.Len(t, problems, 1)
		require.Contains(t, problems[0].Message, says)
	}
	_, problems := decode[crm.Secret]("hunter2")
	check(problems, "write a secret as secret://NAME, never the secret itself")
	require.NotContains(t, problems[0].Message, "hunter2")
	_, problems = decode[crm.WorkflowName]("Trial Nurture")
	check(problems, "lower-case letters, digits and hyphens")
	_, problems = decode[crm.PropertyName]("first name")
	check(problems, "letters, digits and underscores")
	_, problems = decode[crm.ListName](`" vip"`)
	check(problems, "on one line")
	_, problems = decode[crm.UserName]("[a]")
	check(problems, "text")
	require.Equal(t, "ada@example.com", mustDecode[crm.UserName](t, "ada@example.com").String())
	require.Equal(t, "list", crm.ListName{}.Describe().Name)
}
