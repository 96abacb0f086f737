package predict

import (
	"fmt"
	"slices"
)

// order says where each of the wanted names is among names; false when they are
// others. A name that is repeated does not say which column is meant: then they
// have to be the same one by one.
func order(names, wanted []string) ([]int, bool) {
	from := make([]int, len(wanted))
	if slices.Equal(names, wanted) {
		for i := range from {
			from[i] = i
		}
		return from, true
	}
	one, other := sorted(names), sorted(wanted)
	if !slices.Equal(one, other) || len(slices.Compact(one)) != len(other) {
		return nil, false
	}
	for i, name := range wanted {
		from[i] = slices.Index(names, name)
	}
	return from, true
}

// quoted are names as they are shown.
func quoted(names []string) string { return shorten(fmt.Sprintf("%q", names), 300) }

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

// permute reorders the innermost arrays of that many elements.
func permute(v any, from []int) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	if len(list) > 0 {
		if _, nested := list[0].([]any); nested {
			out := make([]any, len(list))
			for i, item := range list {
				out[i] = permute(item, from)
			}
			return out
		}
	}
	if len(list) != len(from) {
		return v
	}
	out := make([]any, len(list))
	for i, at := range from {
		out[i] = list[at]
	}
	return out
}
