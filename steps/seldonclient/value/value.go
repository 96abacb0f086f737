// Package value holds JSON-like values as models send them: JSON that also
// carries NaN and the infinities, whole numbers beyond what a float64 tells
// apart, and nothing about order.
//
// A value is one of
//
//	nil, bool, string
//	float64           a number, and every whole number up to 2^53
//	int64, uint64     a whole number beyond that
//	json.Number       a number that fits none of these, as it was written
//	[]byte            binary data; JSON has none, gRPC and requests do
//	[]any
//	map[string]any
package value

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxExact is the largest whole number below which float64 holds every one.
const maxExact = 1 << 53

// ParseNumber reads the text of a JSON number, or NaN, Infinity and -Infinity.
func ParseNumber(text string) (any, bool) {
	switch text {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	whole := true
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9', c == '-', c == '+':
		case c == '.', c == 'e', c == 'E':
			whole = false
		default:
			return nil, false
		}
	}
	if whole && len(text) > 15 {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return FromInt(i), true
		}
		if u, err := strconv.ParseUint(text, 10, 64); err == nil {
			return u, true
		}
		if _, ok := new(big.Int).SetString(text, 10); ok && len(text) < 400 {
			return json.Number(text), true
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		if math.IsInf(f, 0) { // a number, but out of range
			return json.Number(text), true
		}
		return nil, false
	}
	return f, true
}

// FromInt holds a whole number.
func FromInt(i int64) any {
	if i <= maxExact && i >= -maxExact {
		return float64(i)
	}
	return i
}

// FromUint holds a whole number.
func FromUint(u uint64) any {
	if u <= maxExact {
		return float64(u)
	}
	if u <= math.MaxInt64 {
		return int64(u)
	}
	return u
}

// Float returns a number as a float64, which may be less exact.
func Float(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case json.Number:
		f, _ := strconv.ParseFloat(string(n), 64)
		return f, true
	}
	return 0, false
}

// Equal tells whether two numbers are the same number, exactly. NaN equals NaN.
func Equal(a, b any) bool {
	x, xFloat := a.(float64)
	y, yFloat := b.(float64)
	if xFloat && yFloat {
		return x == y || (math.IsNaN(x) && math.IsNaN(y))
	}
	p, q := exact(a), exact(b)
	return p != nil && q != nil && p.Cmp(q) == 0
}

// IsFinite tells whether f is neither NaN nor an infinity.
func IsFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// exact returns a finite number without loss; nil for anything else. A number
// of absurd size is nil too.
func exact(v any) *big.Float {
	switch n := v.(type) {
	case float64:
		if !IsFinite(n) {
			return nil
		}
		return big.NewFloat(n)
	case int64:
		return new(big.Float).SetInt64(n)
	case uint64:
		return new(big.Float).SetUint64(n)
	case json.Number:
		f, _, err := big.ParseFloat(string(n), 10, 2048, big.ToNearestEven)
		if err != nil {
			return nil
		}
		return f
	}
	return nil
}

// Append appends v as JSON to dst. Keys are sorted. NaN and the infinities are
// written as most servers in Python read and write them: NaN, Infinity and
// -Infinity, which strict JSON has not. Binary data becomes base64.
func Append(dst []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, x)
	case string:
		return appendString(dst, x)
	case []byte:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, x)
		return append(dst, '"')
	case float64:
		return appendFloat(dst, x)
	case int64:
		return strconv.AppendInt(dst, x, 10)
	case uint64:
		return strconv.AppendUint(dst, x, 10)
	case json.Number:
		return append(dst, x...)
	case []any:
		dst = append(dst, '[')
		for i, item := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = Append(dst, item)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		keys := make([]string, 0, len(x))
		for key := range x {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for i, key := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, key), ':')
			dst = Append(dst, x[key])
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

const hexDigits = "0123456789abcdef"

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// String shows v as JSON, cut in the middle where it is longer than limit bytes.
func String(v any, limit int) string {
	text := string(Append(nil, v))
	if limit <= 0 || len(text) <= limit {
		return text
	}
	head, tail := limit*2/3, limit/3
	for head > 0 && !utf8.RuneStart(text[head]) {
		head--
	}
	end := len(text) - tail
	for end < len(text) && !utf8.RuneStart(text[end]) {
		end++
	}
	return text[:head] + " … (" + strconv.Itoa(end-head) + " bytes) … " + text[end:]
}

// Map returns v with every value in it that is neither array nor object
// replaced by what f makes of it.
func Map(v any, f func(any) any) any {
	switch x := v.(type) {
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = Map(item, f)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for key, item := range x {
			out[key] = Map(item, f)
		}
		return out
	}
	return f(v)
}

// Kind names the type of v for people.
func Kind(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []byte:
		return "binary data"
	case float64, int64, uint64, json.Number:
		return "a number"
	case []any:
		return "an array of " + strconv.Itoa(len(x))
	case map[string]any:
		return "an object"
	}
	return "something unknown"
}
