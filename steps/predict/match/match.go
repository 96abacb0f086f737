// Package match compares what a model answered with what was expected.
//
// An expected value is JSON-like data (see package value) in which an object
// with one key that begins with $ is a matcher:
//
//	{$any: true}          anything that is there
//	{$matches: REGEXP}    a string that the regular expression finds
//	{$oneOf: [a, b]}      one of these
//	{$set: [a, b]}        an array of these, in any order
//	{$between: [a, b]}    a number from a to b
//	{$length: n}          an array, string or object of n elements
//	{$contains: {...}}    an object with at least these keys
//	{$literal: value}     the value itself, matchers in it not read
package match

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// Tolerance is by how much numbers may differ: by Absolute, or by Relative
// times the expected number. The zero value allows no difference.
type Tolerance struct {
	Absolute float64 `json:"absolute,omitempty"`
	Relative float64 `json:"relative,omitempty"`
}

// Difference says where an answer differs from what was expected.
type Difference struct {
	Path     string // of the first difference, such as [3][1] or .a[0]
	Expected string
	Got      string
	// Structural is set when types or shapes differ, rather than values.
	Structural bool
	// Count values differ, of Total compared.
	Count, Total int
	// Largest is the largest difference between two numbers.
	Largest float64
}

// Pattern is an expected value, ready to be compared with. The zero value
// expects null.
type Pattern struct {
	node node
	raw  any
}

// Value returns the data that the pattern was made of.
func (p Pattern) Value() any { return p.raw }

// node is compiled data: a plain value, []node, map[string]node or a matcher.
type node any

type (
	anything struct{}
	finds    struct{ re *regexp.Regexp }
	oneOf    struct{ choices []Pattern }
	set      struct{ items []Pattern }
	between  struct{ low, high float64 }
	length   struct{ n int }
	contains struct{ keys map[string]node }
)

// Compile reads an expected value. The error names the matcher that is wrong.
func Compile(v any) (Pattern, error) {
	n, err := compile(v)
	return Pattern{node: n, raw: v}, err
}

func compile(v any) (node, error) {
	switch x := v.(type) {
	case []any:
		out := make([]node, len(x))
		for i, item := range x {
			var err error
			if out[i], err = compile(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		for key := range x {
			if strings.HasPrefix(key, "$") {
				if len(x) != 1 {
					return nil, fmt.Errorf("matcher %s stands beside other keys", key)
				}
				return matcher(key, x[key])
			}
		}
		return compileObject(x)
	}
	return v, nil
}

func compileObject(x map[string]any) (map[string]node, error) {
	out := make(map[string]node, len(x))
	for key, item := range x {
		n, err := compile(item)
		if err != nil {
			return nil, err
		}
		out[key] = n
	}
	return out, nil
}

func matcher(key string, arg any) (node, error) {
	list, isList := arg.([]any)
	switch key {
	case "$any":
		return anything{}, nil
	case "$literal":
		return literal(arg), nil
	case "$matches":
		text, ok := arg.(string)
		if !ok {
			return nil, fmt.Errorf("$matches takes a regular expression, not %s", value.Kind(arg))
		}
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("$matches: %w", err)
		}
		return finds{re}, nil
	case "$oneOf", "$set":
		if !isList {
			return nil, fmt.Errorf("%s takes an array, not %s", key, value.Kind(arg))
		}
		if key == "$set" && len(list) > maxSet {
			return nil, fmt.Errorf("$set takes at most %d elements", maxSet)
		}
		patterns := make([]Pattern, len(list))
		for i, item := range list {
			var err error
			if patterns[i], err = Compile(item); err != nil {
				return nil, err
			}
		}
		if key == "$oneOf" {
			return oneOf{patterns}, nil
		}
		return set{patterns}, nil
	case "$between":
		if isList && len(list) == 2 {
			low, ok1 := value.Float(list[0])
			high, ok2 := value.Float(list[1])
			if ok1 && ok2 && low <= high {
				return between{low, high}, nil
			}
		}
		return nil, fmt.Errorf("$between takes two numbers, the smaller first, not %s", value.String(arg, 60))
	case "$length":
		n, ok := arg.(float64)
		if !ok || n < 0 || n != math.Trunc(n) {
			return nil, fmt.Errorf("$length takes a whole number from 0, not %s", value.String(arg, 60))
		}
		return length{int(n)}, nil
	case "$contains":
		object, ok := arg.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("$contains takes an object, not %s", value.Kind(arg))
		}
		keys, err := compileObject(object)
		return contains{keys}, err
	}
	return nil, fmt.Errorf("there is no matcher %s; there are $any, $between, $contains, $length, $literal, $matches, $oneOf and $set", key)
}

// maxSet bounds what is compared in any order, which takes quadratic time.
const maxSet = 2000

func literal(v any) node {
	switch x := v.(type) {
	case []any:
		out := make([]node, len(x))
		for i, item := range x {
			out[i] = literal(item)
		}
		return out
	case map[string]any:
		out := make(map[string]node, len(x))
		for key, item := range x {
			out[key] = literal(item)
		}
		return out
	}
	return v
}

// Compare compares an answer with what was expected; nil when they agree.
func (p Pattern) Compare(got any, tolerance Tolerance) *Difference {
	c := comparer{tolerance: tolerance}
	c.compare(p.node, got)
	if c.count == 0 {
		return nil
	}
	c.first.Count, c.first.Total, c.first.Largest = c.count, c.total, c.largest
	return &c.first
}

// comparer walks both sides and keeps the first difference.
type comparer struct {
	tolerance    Tolerance
	path         []segment
	first        Difference
	count, total int
	largest      float64
}

type segment struct {
	key   string
	index int
	isKey bool
}

const showLimit = 400

func (c *comparer) differ(structural bool, expected, got string) {
	c.count++
	if c.count == 1 {
		c.first = Difference{Path: c.where(), Expected: expected, Got: got, Structural: structural}
	}
}

func (c *comparer) where() string {
	var b strings.Builder
	for _, s := range c.path {
		if s.isKey {
			b.WriteString("." + s.key)
		} else {
			fmt.Fprintf(&b, "[%d]", s.index)
		}
	}
	return b.String()
}

func (c *comparer) compare(want node, got any) {
	switch w := want.(type) {
	case []node:
		c.compareArray(w, got)
	case map[string]node:
		c.compareObject(w, got, true)
	case contains:
		c.compareObject(w.keys, got, false)
	case anything:
		c.total++
	case finds:
		c.total++
		if text, ok := got.(string); !ok || !w.re.MatchString(text) {
			c.differ(!ok, "text that matches "+w.re.String(), value.String(got, showLimit))
		}
	case between:
		c.total++
		f, ok := number(got)
		if !ok || !(f >= w.low && f <= w.high) {
			c.differ(!ok, fmt.Sprintf("a number from %v to %v", w.low, w.high), value.String(got, showLimit))
		}
	case length:
		c.total++
		if n := size(got); n != w.n {
			c.differ(true, fmt.Sprintf("%d elements", w.n), value.Kind(got))
		}
	case oneOf:
		c.total++
		for _, choice := range w.choices {
			if choice.Compare(got, c.tolerance) == nil {
				return
			}
		}
		c.differ(false, "one of "+list(w.choices), value.String(got, showLimit))
	case set:
		c.compareSet(w, got)
	default:
		c.compareScalar(want, got)
	}
}

func list(patterns []Pattern) string {
	all := make([]any, len(patterns))
	for i, p := range patterns {
		all[i] = p.raw
	}
	return value.String(all, showLimit)
}

func size(v any) int {
	switch x := v.(type) {
	case []any:
		return len(x)
	case map[string]any:
		return len(x)
	case string:
		return len([]rune(x))
	case []byte:
		return len(x)
	}
	return -1
}

func (c *comparer) compareArray(want []node, got any) {
	items, ok := got.([]any)
	if !ok {
		c.total++
		c.differ(true, fmt.Sprintf("an array of %d", len(want)), value.Kind(got)+": "+value.String(got, 60))
		return
	}
	if len(items) != len(want) {
		c.total++
		c.differ(true, fmt.Sprintf("an array of %d", len(want)), fmt.Sprintf("an array of %d", len(items)))
	}
	for i := range min(len(want), len(items)) {
		c.path = append(c.path, segment{index: i})
		c.compare(want[i], items[i])
		c.path = c.path[:len(c.path)-1]
	}
}

func (c *comparer) compareObject(want map[string]node, got any, whole bool) {
	object, ok := got.(map[string]any)
	if !ok {
		c.total++
		c.differ(true, "an object", value.Kind(got)+": "+value.String(got, 60))
		return
	}
	for _, key := range sortedKeys(want) {
		c.path = append(c.path, segment{key: key, isKey: true})
		if item, ok := object[key]; ok {
			c.compare(want[key], item)
		} else {
			c.total++
			c.differ(true, "something", "nothing")
		}
		c.path = c.path[:len(c.path)-1]
	}
	if !whole {
		return
	}
	for _, key := range sortedKeys(object) {
		if _, ok := want[key]; !ok {
			c.path = append(c.path, segment{key: key, isKey: true})
			c.total++
			c.differ(true, "nothing", value.String(object[key], 60))
			c.path = c.path[:len(c.path)-1]
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// compareSet pairs expected and given elements. Plain matches are taken as they
// come, which is exact for values that do not overlap within the tolerance.
func (c *comparer) compareSet(want set, got any) {
	c.total += len(want.items)
	items, ok := got.([]any)
	if !ok {
		c.differ(true, "a set of "+list(want.items), value.Kind(got))
		return
	}
	if len(items) > 2*maxSet {
		c.differ(true, fmt.Sprintf("a set of %d", len(want.items)), fmt.Sprintf("an array of %d", len(items)))
		return
	}
	used := make([]bool, len(items))
	for _, p := range want.items {
		i := -1
		for j, item := range items {
			if !used[j] && p.Compare(item, c.tolerance) == nil {
				i = j
				break
			}
		}
		if i < 0 {
			c.differ(false, value.String(p.raw, showLimit)+" in the set", value.String(got, showLimit))
			continue
		}
		used[i] = true
	}
	for j, item := range items {
		if !used[j] {
			c.differ(false, "a set without "+value.String(item, 60), value.String(got, showLimit))
		}
	}
}

func (c *comparer) compareScalar(want node, got any) {
	c.total++
	switch w := want.(type) {
	case nil:
		if got != nil {
			c.differ(true, "null", value.String(got, showLimit))
		}
	case bool:
		if g, ok := got.(bool); !ok || g != w {
			c.differ(!ok, fmt.Sprint(w), value.String(got, showLimit))
		}
	case string:
		switch g := got.(type) {
		case string:
			if g != w {
				c.differ(false, value.String(w, showLimit), value.String(g, showLimit))
			}
		case []byte:
			if base64.StdEncoding.EncodeToString(g) != w {
				c.differ(false, value.String(w, showLimit), value.String(g, showLimit))
			}
		default:
			c.differ(true, value.String(w, showLimit), value.String(got, showLimit))
		}
	case []byte:
		if g, ok := got.([]byte); !ok || !bytes.Equal(g, w) {
			c.differ(!ok, value.String(w, showLimit), value.String(got, showLimit))
		}
	default:
		c.compareNumber(want, got)
	}
}

// number reads a number, also one that protobuf's JSON spells as a string.
func number(v any) (float64, bool) {
	if text, ok := v.(string); ok {
		switch text {
		case "NaN", "Infinity", "-Infinity":
			v, _ = value.ParseNumber(text)
		}
	}
	return value.Float(v)
}

func (c *comparer) compareNumber(want, got any) {
	g, ok := number(got)
	if !ok {
		c.differ(true, value.String(want, 0), value.String(got, showLimit))
		return
	}
	w, _ := value.Float(want)
	if value.Equal(want, got) || (math.IsNaN(w) && math.IsNaN(g)) || (math.IsInf(w, 0) && w == g) {
		return
	}
	delta := math.Abs(w - g)
	if !math.IsInf(w, 0) && !math.IsInf(g, 0) && (delta > 0 || c.tolerance != (Tolerance{})) &&
		(delta <= c.tolerance.Absolute || delta <= c.tolerance.Relative*math.Abs(w)) {
		return
	}
	if delta > c.largest {
		c.largest = delta
	}
	c.differ(false, value.String(want, 0), value.String(got, 0))
}
