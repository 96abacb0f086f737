package value

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deeply arrays and objects may be nested.
const MaxDepth = 1000

// MaxValues is how many values a text may hold: each takes many times the memory
// of the two bytes that the smallest needs.
const MaxValues = 4_000_000

// SyntaxError says where a text stops being JSON.
type SyntaxError struct {
	Offset int // bytes from the start
	What   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON at byte %d: %s", e.Offset, e.What)
}

// Decode reads one JSON text, in which NaN, Infinity and -Infinity are numbers
// too. Of a key that is repeated the last value counts. The error is a
// [*SyntaxError].
func Decode(data []byte) (any, error) {
	d := decoder{data: data}
	d.space()
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	d.space()
	if d.pos < len(data) {
		return nil, d.fail("there is more after the value")
	}
	return v, nil
}

type decoder struct {
	data   []byte
	pos    int
	values int
}

func (d *decoder) fail(what string) error { return &SyntaxError{Offset: d.pos, What: what} }

func (d *decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

func (d *decoder) value(depth int) (any, error) {
	if d.pos >= len(d.data) {
		return nil, d.fail("it ends too early")
	}
	if d.values++; d.values > MaxValues {
		return nil, d.fail(fmt.Sprintf("it has more than %d values", MaxValues))
	}
	if depth > MaxDepth {
		return nil, d.fail("it is nested too deeply")
	}
	switch c := d.data[d.pos]; {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '"':
		return d.str()
	case c == '-' || (c >= '0' && c <= '9'):
		return d.number()
	}
	for _, word := range words {
		if strings.HasPrefix(string(d.data[d.pos:min(len(d.data), d.pos+len(word.text))]), word.text) {
			d.pos += len(word.text)
			return word.value, nil
		}
	}
	r, _ := utf8.DecodeRune(d.data[d.pos:])
	return nil, d.fail(fmt.Sprintf("unexpected %q", r))
}

type word struct {
	text  string
	value any
}

var words = func() []word {
	nan, _ := ParseNumber("NaN")
	inf, _ := ParseNumber("Infinity")
	return []word{{"null", nil}, {"true", true}, {"false", false}, {"NaN", nan}, {"Infinity", inf}}
}()

func (d *decoder) array(depth int) (any, error) {
	d.pos++
	out := []any{}
	d.space()
	if d.pos < len(d.data) && d.data[d.pos] == ']' {
		d.pos++
		return out, nil
	}
	for {
		d.space()
		item, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, item)
		d.space()
		if d.pos >= len(d.data) {
			return nil, d.fail("an array is not closed")
		}
		switch d.data[d.pos] {
		case ',':
			d.pos++
		case ']':
			d.pos++
			return out, nil
		default:
			return nil, d.fail("expected , or ] in an array")
		}
	}
}

func (d *decoder) object(depth int) (any, error) {
	d.pos++
	out := map[string]any{}
	d.space()
	if d.pos < len(d.data) && d.data[d.pos] == '}' {
		d.pos++
		return out, nil
	}
	for {
		d.space()
		if d.pos >= len(d.data) || d.data[d.pos] != '"' {
			return nil, d.fail("expected a key in an object")
		}
		key, err := d.str()
		if err != nil {
			return nil, err
		}
		d.space()
		if d.pos >= len(d.data) || d.data[d.pos] != ':' {
			return nil, d.fail("expected : after a key")
		}
		d.pos++
		d.space()
		item, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out[key] = item
		d.space()
		if d.pos >= len(d.data) {
			return nil, d.fail("an object is not closed")
		}
		switch d.data[d.pos] {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return out, nil
		default:
			return nil, d.fail("expected , or } in an object")
		}
	}
}

func (d *decoder) number() (any, error) {
	start := d.pos
	if d.data[d.pos] == '-' {
		d.pos++
		if strings.HasPrefix(string(d.data[d.pos:min(len(d.data), d.pos+8)]), "Infinity") {
			d.pos += 8
			v, _ := ParseNumber("-Infinity")
			return v, nil
		}
	}
	digits := func() int {
		from := d.pos
		for d.pos < len(d.data) && d.data[d.pos] >= '0' && d.data[d.pos] <= '9' {
			d.pos++
		}
		return d.pos - from
	}
	first := d.pos
	if n := digits(); n == 0 || (n > 1 && d.data[first] == '0') {
		return nil, d.fail("a number is malformed")
	}
	if d.pos < len(d.data) && d.data[d.pos] == '.' {
		d.pos++
		if digits() == 0 {
			return nil, d.fail("a number is malformed")
		}
	}
	if d.pos < len(d.data) && (d.data[d.pos] == 'e' || d.data[d.pos] == 'E') {
		d.pos++
		if d.pos < len(d.data) && (d.data[d.pos] == '+' || d.data[d.pos] == '-') {
			d.pos++
		}
		if digits() == 0 {
			return nil, d.fail("a number is malformed")
		}
	}
	v, ok := ParseNumber(string(d.data[start:d.pos]))
	if !ok {
		return nil, d.fail("a number is malformed")
	}
	return v, nil
}
