package crm

import (
	"maps"
	"slices"
)

// ActiveList is a list whose members are the records that a filter matches at that moment.
type ActiveList struct {
	Name   string `json:"list"`
	Object string `json:"object"`
	Filter Filter `json:"filter"`
}

// AddList declares an active list, or replaces it.
func (c *Catalog) AddList(list ActiveList) {
	if c.lists == nil {
		c.lists = map[string]ActiveList{}
	}
	c.lists[list.Name] = list
}

// ActiveList returns a declared active list. Other lists are static.
func (c *Catalog) ActiveList(name string) (list ActiveList, active bool) {
	if c == nil {
		return ActiveList{}, false
	}
	list, active = c.lists[name]
	return list, active
}

// ActiveLists returns the declared active lists by name.
func (c *Catalog) ActiveLists() []ActiveList {
	found := make([]ActiveList, 0, len(c.lists))
	for _, name := range slices.Sorted(maps.Keys(c.lists)) {
		found = append(found, c.lists[name])
	}
	return found
}

// ListCycle returns the lists that lead from one to itself, it at both ends; nil when it does not depend on itself.
func (c *Catalog) ListCycle(name string) []string { return c.listPath(name, name, map[string]bool{}) }

// listPath leads from a list to another by the lists that their filters name.
func (c *Catalog) listPath(from, to string, seen map[string]bool) []string {
	list, active := c.ActiveList(from)
	if !active || seen[from] {
		return nil
	}
	seen[from] = true
	for _, reference := range list.Filter.References() {
		kind, name := reference.Target()
		if kind != "list" {
			continue
		}
		if name == to {
			return []string{from, to}
		}
		if rest := c.listPath(name, to, seen); rest != nil {
			return append([]string{from}, rest...)
		}
	}
	return nil
}
