package gateway

import (
	"cmp"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Table holds the Mappings of a moment, the most specific first.
type Table struct {
	mappings []Mapping
}

// NewTable sorts mappings: with regular expression, then longer prefixes, then
// more headers, then a host before none; the rest by name, so that equal sets
// give equal tables.
func NewTable(mappings []Mapping) *Table {
	sorted := slices.Clone(mappings)
	slices.SortStableFunc(sorted, func(a, b Mapping) int {
		return cmp.Or(
			-cmp.Compare(specificity(a), specificity(b)),
			-cmp.Compare(len(a.Headers), len(b.Headers)),
			-cmp.Compare(len(a.Host), len(b.Host)),
			strings.Compare(a.Name, b.Name),
			strings.Compare(a.Target.Host, b.Target.Host),
		)
	})
	return &Table{mappings: sorted}
}

func specificity(m Mapping) int {
	if m.Regex != nil {
		return 1 << 20
	}
	return len(m.Prefix)
}

// Len is the number of mappings.
func (t *Table) Len() int { return len(t.mappings) }

// Route picks the mapping for a request, and the shadows that get a copy. dice
// is a number in [0, 1) that decides between the mappings of a group.
func (t *Table) Route(r *http.Request, dice float64) (to Mapping, shadows []Mapping, found bool) {
	var group []Mapping
	for _, mapping := range t.mappings {
		if !mapping.matches(r) {
			continue
		}
		if mapping.Shadow {
			shadows = append(shadows, mapping)
			continue
		}
		if len(group) == 0 || sameGroup(group[0], mapping) {
			group = append(group, mapping)
		}
	}
	if len(group) == 0 {
		return Mapping{}, nil, false
	}
	to = pick(group, dice)
	shadows = slices.DeleteFunc(shadows, func(s Mapping) bool { return s.Prefix != to.Prefix })
	return to, shadows, true
}

func (m Mapping) matches(r *http.Request) bool {
	if m.Regex != nil {
		if !m.Regex.MatchString(r.URL.Path) {
			return false
		}
	} else if !strings.HasPrefix(r.URL.Path, m.Prefix) {
		return false
	}
	if m.Host != "" && m.Host != "*" {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !strings.EqualFold(m.Host, r.Host) && !strings.EqualFold(m.Host, host) {
			return false
		}
	}
	for name, wanted := range m.Headers {
		if !wanted.matches(r.Header.Get(name), len(r.Header.Values(name)) > 0) {
			return false
		}
	}
	return true
}

// sameGroup says whether requests are shared out between a and b.
func sameGroup(a, b Mapping) bool {
	return a.Prefix == b.Prefix && a.Host == b.Host && expression(a) == expression(b) &&
		maps.EqualFunc(a.Headers, b.Headers, func(x, y header) bool {
			return x.exact == y.exact && x.any == y.any && (x.regex == nil) == (y.regex == nil) &&
				(x.regex == nil || x.regex.String() == y.regex.String())
		})
}

func expression(m Mapping) string {
	if m.Regex == nil {
		return ""
	}
	return m.Regex.String()
}

// pick chooses by weight. Mappings without one share what the others leave.
func pick(group []Mapping, dice float64) Mapping {
	var given, free int
	for _, mapping := range group {
		if mapping.Weight == 0 {
			free++
		}
		given += mapping.Weight
	}
	total, share := float64(given), 0.0
	if rest := float64(100 - given); free > 0 && rest > 0 {
		total, share = 100, rest/float64(free)
	}
	if total == 0 {
		return group[0]
	}
	at := dice * total
	for _, mapping := range group {
		width := float64(mapping.Weight)
		if mapping.Weight == 0 {
			width = share
		}
		if at < width {
			return mapping
		}
		at -= width
	}
	return group[len(group)-1]
}
