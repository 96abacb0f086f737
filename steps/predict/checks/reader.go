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

// Problem is one thing that is wrong in a file.
type Problem struct {
	File         string
	Line, Column int // 0: the file as a whole
	Where        string
	What         string
}

func (p Problem) String() string {
	at := p.File
	if p.Line > 0 {
		at += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	if p.Where != "" {
		at += ": " + p.Where
	}
	return at + ": " + p.What
}

// Problems are all that is wrong in a file.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what is reported of one file.
const maxProblems = 100

// maxNodes bounds how large a file may become when its aliases are followed.
const maxNodes = 2_000_000

// maxDepth bounds how deeply a file is nested.
const maxDepth = 200

// reader turns YAML nodes into checks and gathers problems.
type reader struct {
	file     string
	dir      string
	problems Problems
	nodes    int
	// expanding are the aliases that are being followed.
	expanding []*yaml.Node
}

func (r *reader) problem(n *yaml.Node, where, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		return
	}
	p := Problem{File: r.file, Where: where, What: fmt.Sprintf(format, args...)}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	r.problems = append(r.problems, p)
}

// resolve follows an alias; nil when it leads nowhere good.
func (r *reader) resolve(n *yaml.Node, where string) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if r.nodes++; r.nodes > maxNodes {
		if r.nodes == maxNodes+1 {
			r.problem(n, where, "the file becomes too large when its aliases are followed")
		}
		return nil
	}
	return n
}

// each visits the fields of a mapping. visit returns false for a field that it
// does not know; known lists those it does.
func (r *reader) each(n *yaml.Node, where string, known []string, visit func(key string, v *yaml.Node) bool) bool {
	n = r.resolve(n, where)
	if n == nil {
		return false
	}
	if n.Kind != yaml.MappingNode {
		r.problem(n, where, "is %s; a mapping with %s is needed", describe(n), strings.Join(known, ", "))
		return false
	}
	for _, active := range r.expanding {
		if active == n {
			r.problem(n, where, "contains itself through an alias")
			return false
		}
	}
	r.expanding = append(r.expanding, n)
	defer func() { r.expanding = r.expanding[:len(r.expanding)-1] }()
	if len(r.expanding) > maxDepth {
		r.problem(n, where, "is nested too deeply")
		return false
	}
	if len(n.Content) > 200 {
		r.problem(n, where, "has %d fields; known are %s", len(n.Content)/2, strings.Join(known, ", "))
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			r.problem(key, where, "a key is not plain text; merge keys (<<) are not read")
			continue
		}
		if repeated(n, i) {
			r.problem(key, join(where, key.Value), "is given twice")
			continue
		}
		if !visit(key.Value, n.Content[i+1]) {
			r.problem(key, join(where, key.Value), "unknown field%s", suggestion(key.Value, known))
		}
	}
	return true
}

// repeated tells whether the key at i stands before it already.
func repeated(n *yaml.Node, i int) bool {
	for j := 0; j < i; j += 2 {
		if n.Content[j].Value == n.Content[i].Value {
			return true
		}
	}
	return false
}

func join(where, key string) string {
	if where == "" {
		return key
	}
	return where + "." + key
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "empty"
		}
		return strconv.Quote(cut(n.Value, 40))
	}
	return "nothing"
}

func cut(s string, n int) string {
	if len([]rune(s)) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}

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

func (r *reader) texts(n *yaml.Node, where string) []string {
	out := []string{}
	r.list(n, where, func(i int, item *yaml.Node) {
		out = append(out, r.text(item, fmt.Sprintf("%s[%d]", where, i)))
	})
	return out
}

// list visits the items of a sequence.
func (r *reader) list(n *yaml.Node, where string, visit func(i int, item *yaml.Node)) bool {
	n = r.resolve(n, where)
	if n == nil {
		return false
	}
	if n.Kind != yaml.SequenceNode {
		r.problem(n, where, "is %s; a list is needed", describe(n))
		return false
	}
	for i, item := range n.Content {
		visit(i, item)
	}
	return true
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

// suggestion names the known word that is nearest to a wrong one.
func suggestion(wrong string, known []string) string {
	best, at := 3, ""
	for _, word := range known {
		if d := distance(strings.ToLower(wrong), strings.ToLower(word)); d < best && d < len(word) {
			best, at = d, word
		}
	}
	if at != "" {
		return "; did you mean " + at + "?"
	}
	return "; known are " + strings.Join(known, ", ")
}

// distance is how many letters have to change to make b of a.
func distance(a, b string) int {
	if len(a) > 64 {
		return 99
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := row[j+1]
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last+cost, next+1, row[j]+1)
			last = next
		}
	}
	return row[len(b)]
}
