package checks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// text reads a scalar as a string.
func (r *reader) text(n *yaml.Node, where string) string {
	n = r.resolve(n, where)
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.problem(n, where, "is %s; text is needed", describe(n))
		return ""
	}
	return n.Value
}

// choice reads one of a few words.
func (r *reader) choice(n *yaml.Node, where string, words ...string) string {
	v := r.text(n, where)
	if v != "" && !slices.Contains(words, v) {
		r.problem(n, where, "is %q; it has to be %s%s", v, strings.Join(words, " or "), suggestion(v, words))
		return ""
	}
	return v
}

func (r *reader) flag(n *yaml.Node, where string) bool {
	v, ok := r.value(n, where).(bool)
	if !ok {
		r.problem(n, where, "is not true or false")
	}
	return v
}

// number reads a finite number.
func (r *reader) number(n *yaml.Node, where string) float64 {
	f, ok := value.Float(r.value(n, where))
	if !ok || f != f || f-f != 0 {
		r.problem(n, where, "is %s; a number is needed", describe(n))
		return 0
	}
	return f
}

func (r *reader) count(n *yaml.Node, where string, low, high int) int {
	f := r.number(n, where)
	if f != float64(int(f)) || int(f) < low || int(f) > high {
		r.problem(n, where, "is %v; a whole number from %d to %d is needed", f, low, high)
		return low
	}
	return int(f)
}

func (r *reader) duration(n *yaml.Node, where string) time.Duration {
	text := r.text(n, where)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		r.problem(n, where, "%q is no duration; write a number with its unit, such as 250ms, 5s or 1m30s", text)
		return 0
	case d <= 0 || d > 24*time.Hour:
		r.problem(n, where, "%s is out of range", text)
		return 0
	}
	return d
}

// rate reads requests per second, as 20/s, 90/m or a plain number.
func (r *reader) rate(n *yaml.Node, where string) float64 {
	text := r.text(n, where)
	head, unit, _ := strings.Cut(text, "/")
	f, err := strconv.ParseFloat(strings.TrimSpace(head), 64)
	switch strings.TrimSpace(unit) {
	case "s", "":
	case "m":
		f /= 60
	case "h":
		f /= 3600
	default:
		err = fmt.Errorf("unit")
	}
	if err != nil || !(f > 0) || f > 1e6 {
		r.problem(n, where, "%q is no rate; write requests a second, such as 20/s", text)
		return 0
	}
	return f
}
