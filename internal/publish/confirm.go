package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// Token names what somebody has seen of forecasts: which plans take the place of which others, under which policy;
// what becomes of the people; and how many stand at each action. It is PLANS-FATES-COUNTS, the counts in the order of
// the revisions before, the last of each workflow for those who stand elsewhere.
func Token(forecasts []Forecast) string {
	plans, fates := sha256.New(), sha256.New()
	var counts []string
	for _, forecast := range forecasts {
		if forecast.before == nil {
			continue
		}
		write := json.NewEncoder(plans)
		_ = write.Encode([]any{forecast.Workflow, forecast.before.Hash, forecast.after.Hash, forecast.inFlight, forecast.migrate}) // a hash fails never
		_ = json.NewEncoder(fates).Encode(forecast.Places)
		for _, count := range forecast.counts() {
			text := ""
			if count.people > 0 {
				text = strconv.Itoa(count.people)
			}
			counts = append(counts, text)
		}
	}
	short := func(sum []byte) string { return hex.EncodeToString(sum[:4]) }
	return short(plans.Sum(nil)) + "-" + short(fates.Sum(nil)) + "-" + strings.TrimRight(strings.Join(counts, "."), ".")
}

// count is how many stand at an action.
type count struct {
	workflow, action string
	people           int
}

func (c count) String() string {
	if c.action == "" {
		return "elsewhere in " + c.workflow
	}
	return "at " + c.action + " in " + c.workflow
}

// counts are the people at each action of the revision before, and then those elsewhere.
func (f Forecast) counts() []count {
	order := definition.Order(f.before)
	counts := make([]count, len(order)+1)
	for i, id := range order {
		counts[i] = count{workflow: f.Workflow, action: id}
	}
	counts[len(order)].workflow = f.Workflow
	for _, place := range f.Places {
		i := slices.Index(order, place.Node)
		if i < 0 {
			i = len(order)
		}
		counts[i].people += place.Inside
	}
	return counts
}

// Changed tells how what is there now differs from what a forecast was about; "" = not at all.
func (f Forecast) Changed(latest *plan.Plan, places []store.Place) string {
	if latest == nil || latest.Hash != f.before.Hash {
		return f.Workflow + " was published meanwhile"
	}
	now := Forecast{Workflow: f.Workflow, before: f.before}
	for _, place := range places {
		now.Places = append(now.Places, Place{Node: place.Node, Inside: place.People})
	}
	seen, changes := f.counts(), []string{}
	for i, count := range now.counts() {
		if was := seen[i].people; was != count.people {
			changes = append(changes, changed(was, count))
		}
	}
	return strings.Join(changes, "; ")
}

func changed(was int, now count) string {
	return fmt.Sprintf("%d stood %s, now %d", was, now, now.people)
}

// Confirm tells how what is there now differs from what a token's holder has seen; "" = not at all.
func Confirm(token string, forecasts []Forecast) string {
	now := Token(forecasts)
	if token == now {
		return ""
	}
	seen, present := strings.Split(token, "-"), strings.Split(now, "-")
	if len(seen) != 3 {
		return "this is no token of `millrace push --dry-run`"
	}
	if seen[0] != present[0] {
		return "it is for another publication: the workspace, what is published, or the policy has changed"
	}
	before, changes := strings.Split(seen[2], "."), []string{}
	i := 0
	for _, forecast := range forecasts {
		if forecast.before == nil {
			continue
		}
		for _, count := range forecast.counts() {
			was := 0
			if i < len(before) {
				was, _ = strconv.Atoi(before[i]) // nobody is written as nothing
			}
			if was != count.people {
				changes = append(changes, changed(was, count))
			}
			i++
		}
	}
	if len(changes) == 0 {
		return "as many stand where they stood, but something else becomes of them by now"
	}
	return strings.Join(changes, "; ")
}
