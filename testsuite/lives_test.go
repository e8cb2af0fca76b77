package testsuite_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var lives = flag.Int("lives", 0, "random lives that are compared with the reference, from the world -seed on (default: 1000, with -seed the one world)")

// TestRandomLives compares random lives in random worlds with a reference that is written from the semantics. A difference is
// a seed and what has to happen for it, to be read beside the two journals.
func TestRandomLives(t *testing.T) {
	t.Parallel()
	first, worlds := max(1, *seed), *lives/livesInEach
	switch {
	case worlds > 0:
	case *seed > 0:
		worlds = 1
	default:
		worlds = 100
	}
	for n := range worlds {
		t.Run(fmt.Sprint(first+uint64(n)), func(t *testing.T) {
			t.Parallel()
			w := newRandomWorld(first + uint64(n))
			product, reference, err := journals(t, w)
			require.NoError(t, err, "%s\n%s", workspaceOf(w.definitions), w.script())
			if slices.Equal(product, reference) {
				return
			}
			shrink(t, w)
			product, reference, err = journals(t, w)
			require.NoError(t, err)
			t.Fatalf("go test ./testsuite -run %s -seed %d\n\n%s\n%s\n%s", "TestRandomLives", first+uint64(n), workspaceOf(w.definitions), w.script(), beside(product, reference))
		})
	}
}

// journals are what the product and the reference tell of a world, in the order of time.
func journals(t *testing.T, w *randomWorld) (product, reference []string, err error) {
	t.Helper()
	product, chance, err := produce(t.Context(), w)
	if err != nil {
		return nil, nil, err
	}
	reference = refer(w, chance)
	// what different enrollments do at one time has no order
	for _, lines := range [][]string{product, reference} {
		slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(place(a), place(b)) })
	}
	return product, reference, nil
}

// place is time, record and workflow of a line.
func place(line string) string { return strings.Join(strings.SplitN(line, " ", 5)[:4], " ") }

// differs tells whether the journals do. What cannot happen is no difference: a map of actions that an edit made which was left
// out.
func differs(t *testing.T, w *randomWorld) bool {
	t.Helper()
	product, reference, err := journals(t, w)
	return err == nil && !slices.Equal(product, reference)
}

// shrink leaves out of a world what is not needed for a difference: what happens behind it, what happens to each record, then one
// thing after the other.
func shrink(t *testing.T, w *randomWorld) {
	t.Helper()
	all, shortest := w.happenings, 0
	for longest := len(all); shortest < longest; {
		w.happenings = all[:(shortest+longest)/2]
		if differs(t, w) {
			longest = len(w.happenings)
		} else {
			shortest = len(w.happenings) + 1
		}
	}
	w.happenings = all[:shortest]
	without := func(left func(happening) bool) {
		with := w.happenings
		if w.happenings = slices.DeleteFunc(slices.Clone(with), left); len(w.happenings) == len(with) || !differs(t, w) {
			w.happenings = with
		}
	}
	for record := range livesInEach {
		without(func(h happening) bool { return h.record == record+1 })
	}
	for _, one := range slices.Backward(w.happenings) {
		without(func(h happening) bool { return h.at.Equal(one.at) })
	}
}

// beside shows two journals side by side; a line of one of them alone is marked.
func beside(product, reference []string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "  %-70s  %s\n", "product", "reference")
	for len(product)+len(reference) > 0 {
		switch {
		case len(product) > 0 && len(reference) > 0 && product[0] == reference[0]:
			fmt.Fprintf(&text, "  %-70s  %s\n", product[0], reference[0])
			product, reference = product[1:], reference[1:]
		case len(reference) == 0 || len(product) > 0 && !slices.Contains(reference, product[0]):
			fmt.Fprintf(&text, "- %-70s\n", product[0])
			product = product[1:]
		default:
			fmt.Fprintf(&text, "+ %-70s  %s\n", "", reference[0])
			reference = reference[1:]
		}
	}
	return text.String()
}
