package importer_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/importer"
	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

// wire is one action of a random flow: where its connections lead, 0 = nowhere.
type wire struct {
	branch bool
	to     []int // of a branch: its two branches and the default
}

// randomWires makes a flow whose connections lead anywhere, also back.
func randomWires(random *rand.Rand) []wire {
	wires := make([]wire, 1+random.IntN(12))
	for i := range wires {
		wires[i].branch = random.IntN(2) == 0
		for range map[bool]int{true: 3, false: 1}[wires[i].branch] {
			wires[i].to = append(wires[i].to, random.IntN(len(wires)+1))
		}
	}
	return wires
}

func document(wires []wire, random *rand.Rand) map[string]any {
	connect := func(to int) any {
		if to == 0 {
			return nil
		}
		return map[string]any{"nextActionId": fmt.Sprint(to), "edgeType": []string{"STANDARD", "GOTO"}[random.IntN(2)]}
	}
	var actions []any
	for i, one := range wires {
		action := map[string]any{"actionId": fmt.Sprint(i + 1)}
		if one.branch {
			action["type"] = "STATIC_BRANCH"
			action["inputValue"] = map[string]any{"type": "OBJECT_PROPERTY", "propertyName": "city"}
			action["staticBranches"] = []any{
				map[string]any{"branchValue": "a", "connection": connect(one.to[0])},
				map[string]any{"branchValue": "b", "connection": connect(one.to[1])},
			}
			action["defaultBranch"] = connect(one.to[2])
		} else {
			action["type"], action["actionTypeId"] = "SINGLE_CONNECTION", "0-1"
			action["fields"] = map[string]any{"delta": "1", "time_unit": "DAYS"}
			action["connection"] = connect(one.to[0])
		}
		actions = append(actions, action)
	}
	random.Shuffle(len(actions), func(i, j int) { actions[i], actions[j] = actions[j], actions[i] })
	return map[string]any{"id": "1", "name": "random", "objectTypeId": "0-1", "startActionId": "1", "actions": actions}
}

// Whatever the graph, each connection leads in the plan where it led in HubSpot.
func TestPlansFollowTheConnections(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		wires := randomWires(random)
		content, err := json.Marshal(document(wires, random))
		require.NoError(t, err)
		result, err := importer.Import(map[string][]byte{"flow.json": content}, importer.Options{})
		require.NoError(t, err)
		workspace, found := check(t, result.Files)
		require.Empty(t, found, "%s\n%s", content, result.Files["workflows/random-1.yaml"])
		compiled, _ := definition.Compile(workspace.Definition("random-1"), workspace)
		requireSameWays(t, wires, compiled, string(content))
	}
}

func requireSameWays(t *testing.T, wires []wire, compiled *plan.Plan, context string) {
	t.Helper()
	id := func(number int) string {
		if number == 0 {
			return ""
		}
		return fmt.Sprintf("%s_%d", map[bool]string{true: "branch", false: "delay"}[wires[number-1].branch], number)
	}
	require.Equal(t, id(1), compiled.Start.To)
	seen := map[int]bool{0: true}
	for queue := []int{1}; len(queue) > 0; queue = queue[1:] {
		number := queue[0]
		if seen[number] {
			continue
		}
		seen[number] = true
		ports := []string{"next"}
		if wires[number-1].branch {
			ports = []string{"a", "b", "default"}
		}
		for i, port := range ports {
			require.Equal(t, id(wires[number-1].to[i]), compiled.Nodes[id(number)].Edge(port).To, "%s of %s in %s", port, id(number), context)
		}
		queue = append(queue, wires[number-1].to...)
	}
	require.Len(t, compiled.Nodes, len(seen)-1)
}
