package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// used is the result of `millrace usage`.
type used struct {
	Month      string       `json:"month"`
	Actions    []usedAction `json:"actions"`
	Tokens     int64        `json:"tokens"`      // of all actions, read and written
	TokenLimit int64        `json:"token_limit"` // 0 = none
}

// usedAction is what one action has used.
type usedAction struct {
	Action     string `json:"action"` // WORKFLOW/ACTION
	Executions int64  `json:"executions"`
	Limit      int64  `json:"limit"` // of executions
	Input      int64  `json:"input"` // tokens read
	Output     int64  `json:"output"`
}

func newUsage(a *app) *cobra.Command {
	var month string
	command := &cobra.Command{
		Use:   "usage",
		Short: "Show what AI actions have used of their limits",
		Long: `Show how often each action ran in a month that asks a language model or a
provider of enrichment, how many tokens were read and written, and what ai in
millrace.yaml allows. An action that has used up its executions fails until the
next month (monthly-limit), and so do all when the tokens are (token-limit).

Months are those of the account's time zone.`,
		Example: "  millrace usage --month 2027-05",
		Args:    arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			if _, err := time.Parse(crm.MonthForm, month); month != "" && err != nil {
				return usagef("--month %q is not a month: write it as in 2027-05", month)
			}
			return a.withStore(command.Context(), func(books *store.Store) error { return a.usage(command.Context(), books, month) })
		},
	}
	a.databaseFlag(command)
	command.Flags().StringVar(&month, "month", "", "another `month` than the present one, as in 2027-05")
	return command
}

func (a *app) usage(ctx context.Context, books *store.Store, month string) error {
	account, err := settings(ctx, books)
	if err != nil {
		return err
	}
	shown, err := usedIn(ctx, books, account, month, a.Now())
	if err != nil {
		return err
	}
	return a.show(shown, func(w io.Writer) {
		rows := [][]string{{"ACTION", "EXECUTIONS", "OF", "TOKENS READ", "WRITTEN"}}
		for _, one := range shown.Actions {
			rows = append(rows, []string{one.Action, number(one.Executions), number(one.Limit), number(one.Input), number(one.Output)})
		}
		table(w, rows)
		limit := "no limit"
		if shown.TokenLimit > 0 {
			limit = "of " + number(shown.TokenLimit)
		}
		fmt.Fprintf(w, "\n%s: %d tokens, %s\n", shown.Month, shown.Tokens, limit)
	})
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// usedIn is what was used in a month; "" is the present one.
func usedIn(ctx context.Context, books *store.Store, account crm.Account, month string, now time.Time) (used, error) {
	if month == "" {
		var err error
		if month, err = account.Month(now); err != nil {
			return used{}, err
		}
	}
	rows, err := books.Usage(ctx, month)
	shown := used{Month: month, Actions: []usedAction{}, TokenLimit: int64(account.AI.Tokens)}
	for _, row := range rows {
		shown.Actions = append(shown.Actions, usedAction{row.Action, row.Executions, account.AI.MaxExecutions(), row.Input, row.Output})
		shown.Tokens += row.Tokens()
	}
	return shown, err
}

// settings are those of the account, as they were last pushed.
func settings(ctx context.Context, books *store.Store) (account crm.Account, err error) {
	text, err := books.Account(ctx)
	if err != nil {
		return account, err
	}
	if err := json.Unmarshal(text, &account); err != nil {
		return account, fmt.Errorf("reading the account's settings: %w", err)
	}
	return account, nil
}

// examineAI tells of published actions that can ask nobody, and of limits that are reached.
func (a *app) examineAI(ctx context.Context, books *store.Store) (string, error) {
	account, err := settings(ctx, books)
	if err != nil {
		return "", err
	}
	asking, err := a.asking(ctx, books, account)
	if err != nil {
		return "", err
	}
	shown, err := usedIn(ctx, books, account, "", a.Now())
	if err != nil {
		return "", err
	}
	for _, one := range shown.Actions {
		if one.Executions >= one.Limit {
			err = errors.Join(err, fmt.Errorf("%s ran %d times in %s, which is what ai.executions allows: raise that in millrace.yaml, or it fails until the next month", one.Action, one.Executions, shown.Month))
		}
	}
	if shown.TokenLimit > 0 && shown.Tokens >= shown.TokenLimit {
		err = errors.Join(err, fmt.Errorf("%d tokens were used in %s, ai.tokens allows %d: raise that in millrace.yaml, or all fail until the next month", shown.Tokens, shown.Month, shown.TokenLimit))
	}
	return fmt.Sprintf("%s, %d tokens in %s", counted(asking, "action"), shown.Tokens, shown.Month), err
}

// asking counts the actions of the newest revisions that ask a provider of the workspace. The error tells of those that
// can ask nobody.
func (a *app) asking(ctx context.Context, books *store.Store, account crm.Account) (count int, err error) {
	workflows, err := books.Workflows(ctx)
	if err != nil {
		return 0, err
	}
	var lacking error
	for _, workflow := range workflows {
		newest, err := books.Revision(ctx, workflow.Workflow, workflow.Revision)
		if err != nil {
			return 0, err
		}
		for _, id := range slices.Sorted(maps.Keys(newest.Plan.Nodes)) {
			needy, asks := a.config(newest.Plan.Nodes[id]).(definition.Lacking)
			if !asks {
				continue
			}
			count++
			if missing := needy.Lacks(account); missing != "" {
				lacking = errors.Join(lacking, fmt.Errorf("%s/%s: %s in millrace.yaml, and push it", workflow.Workflow, id, missing))
			}
		}
	}
	return count, lacking
}

// config is the config of a published action, nil when its kind is not known here.
func (a *app) config(node plan.Node) any {
	for _, kind := range a.Kinds {
		if kind.ID == node.Kind || slices.Contains(kind.Aliases, node.Kind) {
			if source, problems := schema.Parse("config.json", node.Config); !problems.HasErrors() {
				config, _ := kind.Decode(source)
				return config
			}
		}
	}
	return nil
}
