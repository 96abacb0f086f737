package match

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

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
