package activities

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type branchRandomSplitConfig struct {
	Branches []shareBranch `json:"branches" doc:"Branches and their shares." required:"true" min:"2" max:"100"`
	Sticky   string        `json:"sticky" doc:"Whether a record takes the same branch whenever it comes here, or is drawn anew at every visit." enum:"record,visit" default:"record"`
}

type shareBranch struct {
	Name    branchName `json:"name" doc:"Name of the branch, and of its port." required:"true"`
	Percent float64    `json:"percent" doc:"Share of the records." required:"true" min:"0" max:"100"`
}

func (b shareBranch) name() branchName { return b.Name }

func (c branchRandomSplitConfig) total() (total float64) {
	for _, branch := range c.Branches {
		total += branch.Percent
	}
	return total
}

// buckets is the resolution of a split.
const buckets = 10_000

var branchRandomSplit = action.Define(action.Spec[branchRandomSplitConfig]{
	ID:       "branch_random_split",
	Category: action.Branch,
	Summary:  "Split records at random",
	Doc: `Each record falls into one of 10,000 buckets by a hash of workflow, action and record, with ` + "`sticky: visit`" + ` of the visit as
well, so that the same question has the same answer. Shares need not add up to 100: 33, 33 and 33 are thirds. Changed shares apply
to later visits; the journal tells the bucket.

Unconfirmed, and so our design: stickiness, the output, and that the spread is by chance and not exact.`,
	Example:  "branch_random_split: {branches: [{name: a, percent: 50}, {name: b, percent: 50}]}",
	Ports:    []string{},
	Outputs:  branchOutput,
	Local:    true,
	Branches: func(cfg branchRandomSplitConfig) []string { return ports(cfg.Branches) },
	Check: func(cfg branchRandomSplitConfig, at schema.Pos, problems *schema.Diagnostics) {
		checkNames(cfg.Branches, problems)
		if cfg.total() == 0 {
			problems.Errorf(at, "out-of-range", "branches: all shares are 0, nobody could go anywhere")
		}
	},
	Run: func(_ context.Context, env *action.Env, call plan.Call, cfg branchRandomSplitConfig) (plan.Outcome, error) {
		subject := strings.Join([]string{call.Workflow(), call.Node, env.Record().String(), strconv.FormatInt(env.Seed(), 10)}, "\x00")
		if cfg.Sticky == "visit" {
			subject += "\x00" + call.Key()
		}
		bucket := bucketOf(subject)
		var name string
		drawn, passed := float64(bucket)*cfg.total()/buckets, 0.0
		for _, branch := range cfg.Branches {
			if branch.Percent == 0 {
				continue
			}
			name = branch.Name.text // the last one, should rounding leave a gap at the end
			if passed += branch.Percent; drawn < passed {
				break
			}
		}
		return taken(name, fmt.Sprintf("bucket %d of %d", bucket, buckets))
	},
})

func bucketOf(subject string) uint64 { return hashOf(subject) % buckets }

// hashOf is a number that is the same for the same subject, and any for another one.
func hashOf(subject string) uint64 {
	sum := sha256.Sum256([]byte(subject))
	return binary.BigEndian.Uint64(sum[:8])
}
