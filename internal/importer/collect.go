package importer

import "fmt"

// set is a list without repetitions.
type set[T comparable] struct {
	items []T
	seen  map[T]bool
}

func (s *set[T]) add(items ...T) {
	if s.seen == nil {
		s.seen = map[T]bool{}
	}
	for _, one := range items {
		if !s.seen[one] {
			s.seen[one] = true
			s.items = append(s.items, one)
		}
	}
}

// all returns the items, which JSON shows as a list even if there are none.
func (s *set[T]) all() []T { return append([]T{}, s.items...) }

// unique gives out names, each once.
type unique map[string]int

// name returns base, or base with a number when it is taken.
func (u unique) name(base, separator string) string {
	name := base
	for u[name] > 0 {
		u[base]++
		name = fmt.Sprintf("%s%s%d", base, separator, u[base])
	}
	u[name]++
	return name
}
