package value

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deeply arrays and objects may be nested.
const MaxDepth = 1000

// MaxMemory bounds what the value of a text takes, in bytes as they are counted
// here: an empty array takes many times the memory of its two characters, and an
// object more. 16 MiB of numbers with a few digits each fit.
const MaxMemory = 80 << 20

// MaxValues is how many elements a tensor may hold that does not come as text.
const MaxValues = 4 << 20

// What values take, in bytes: each has a place in what holds it, and most have
// something behind that.
const (
	costPlace  = 16
	costNumber = 8
	costString = 16  // and its text
	costArray  = 32  // and its elements' places
	costObject = 64  // while it is empty
	costFields = 320 // of an object that has any
)

// SyntaxError says where a text stops being JSON.
type SyntaxError struct {
	Offset int // bytes from the start
	What   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON at byte %d: %s", e.Offset, e.What)
}

// SizeError says that a text is not read because its value would take too much
// memory.
type SizeError struct {
	Offset int // bytes from the start, up to which it was read
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("too much to hold: the value up to byte %d alone takes %d MiB of memory", e.Offset, MaxMemory>>20)
}

// Decode reads one JSON text, in which NaN, Infinity and -Infinity are numbers
// too. Of a key that is repeated the last value counts. The error is a
// [*SyntaxError] or a [*SizeError].
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
	data []byte
	pos  int
	cost int
}

func (d *decoder) fail(what string) error { return &SyntaxError{Offset: d.pos, What: what} }

// spend counts what a value takes.
func (d *decoder) spend(bytes int) error {
	if d.cost += bytes; d.cost > MaxMemory {
		return &SizeError{Offset: d.pos}
	}
	return nil
}

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
	if err := d.spend(costPlace); err != nil {
		return nil, err
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
		return d.sized()
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
	if err := d.spend(costArray); err != nil {
		return nil, err
	}
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
	if err := d.spend(costObject); err != nil {
		return nil, err
	}
	out := map[string]any{}
	d.space()
	if d.pos < len(d.data) && d.data[d.pos] == '}' {
		d.pos++
		return out, nil
	}
	if err := d.spend(costFields); err != nil {
		return nil, err
	}
	for {
		d.space()
		if d.pos >= len(d.data) || d.data[d.pos] != '"' {
			return nil, d.fail("expected a key in an object")
		}
		key, err := d.sized()
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

// sized reads a string and counts what it takes.
func (d *decoder) sized() (string, error) {
	text, err := d.str()
	if err != nil {
		return "", err
	}
	return text, d.spend(costString + len(text))
}

func (d *decoder) number() (any, error) {
	if err := d.spend(costNumber); err != nil {
		return nil, err
	}
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
