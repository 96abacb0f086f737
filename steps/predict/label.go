package predict

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// rowsOf splits an answer into one value for each row that was sent.
func rowsOf(m *seldonclient.Message, output string) ([]any, error) {
	v := m.Value
	if m.Kind == "outputs" && (output != "" || len(m.Outputs) != 1) {
		i := slices.IndexFunc(m.Outputs, func(t seldonclient.Tensor) bool { return t.Name == output })
		switch {
		case i < 0 && output == "":
			return nil, fmt.Errorf("the answer has several outputs, %s; say which is judged, as output of the dataset", outputsText(m))
		case i < 0:
			return nil, fmt.Errorf("there is no output %q, there are %s", output, outputsText(m))
		}
		v = m.Outputs[i].Value
	}
	if object, ok := v.(map[string]any); ok && m.Kind == "jsonData" && len(object) == 1 {
		for _, inner := range object {
			v = inner
		}
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("the answer is %s, not one value for each row", value.Kind(v))
	}
	return list, nil
}

// outputsText counts an answer's outputs and names them.
func outputsText(m *seldonclient.Message) string {
	names := make([]string, len(m.Outputs))
	for i, t := range m.Outputs {
		names[i] = strconv.Quote(t.Name)
	}
	return fmt.Sprintf("%d: %s", len(names), shorten(strings.Join(names, ", "), 300))
}

// labels are what classes are called.
type labels struct {
	names   []string // by index; nil: they are not known
	columns []string // by the column of an answer that has their score
}

// labelsOf are the names that the checks give, else those that the answer has
// for its columns. An answer that has the given names in another order says by
// them which column is which class.
func labelsOf(given []string, m *seldonclient.Message, rows []any) labels {
	l := labels{names: given, columns: given}
	if len(rows) == 0 {
		return l
	}
	if list, ok := rows[0].([]any); !ok || len(list) < 2 || len(list) != len(m.Names) {
		return l
	}
	if len(given) == 0 {
		return labels{names: m.Names, columns: m.Names}
	}
	if slices.Equal(sorted(given), sorted(m.Names)) {
		l.columns = m.Names
	}
	return l
}

// of is the class that a row of an answer stands for: a label or an index as it
// is, the largest of several scores by its place.
func (l labels) of(row any) (string, error) {
	for {
		list, ok := row.([]any)
		if !ok {
			return l.label(row)
		}
		if len(list) == 1 {
			row = list[0]
			continue
		}
		best, at := math.Inf(-1), -1
		for i, item := range list {
			f, ok := value.Float(item)
			if !ok || math.IsNaN(f) {
				return "", fmt.Errorf("%s has no largest score", value.String(row, 100))
			}
			if f > best || at < 0 {
				best, at = f, i
			}
		}
		switch {
		case at < 0:
			return "", fmt.Errorf("a row is empty")
		case at < len(l.columns):
			return l.columns[at], nil
		case len(l.columns) > 0:
			return "", fmt.Errorf("column %d of %d leads, there are %d classes", at, len(list), len(l.columns))
		}
		return strconv.Itoa(at), nil
	}
}

// label is the name of a class: a whole number, also one written as text, is
// an index where names are known, and else its own name. A number that is no index
// of those names is no class.
func (l labels) label(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return named(x, l.names), nil
	case []byte:
		return named(string(x), l.names), nil
	case bool:
		return named(strconv.FormatBool(x), l.names), nil
	case nil:
		return "", fmt.Errorf("a class is missing")
	}
	f, ok := value.Float(v)
	if !ok {
		return "", fmt.Errorf("%s is no class", value.String(v, 100))
	}
	if f == math.Trunc(f) && f >= 0 && f < float64(len(l.names)) {
		return l.names[int(f)], nil
	}
	text := value.String(v, 60)
	if len(l.names) > 0 && !slices.Contains(l.names, text) {
		return "", fmt.Errorf("%s is no class: there are %d, from 0 to %d", text, len(l.names), len(l.names)-1)
	}
	return text, nil
}

// named is a class given as text.
func named(text string, names []string) string {
	if i, err := strconv.Atoi(text); err == nil && i >= 0 && i < len(names) && !slices.Contains(names, text) {
		return names[i]
	}
	if name, ok := booleanAmong(names, text); ok && !slices.Contains(names, text) {
		return name
	}
	return text
}
