package match

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	v, err := value.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want, got string
		tolerance       Tolerance
		path            string // "" when they agree
		count           int
	}{
		{"whole and decimal numbers alike", `[2,[1.0]]`, `[2.0,[1]]`, Tolerance{}, "", 0},
		{"the tenth decimal", `[0.1234567890]`, `[0.1234567891]`, Tolerance{}, "[0]", 1},
		{"within an absolute tolerance", `[0.1234567890]`, `[0.1234567891]`, Tolerance{Absolute: 1e-9}, "", 0},
		{"within a relative tolerance", `[1000000]`, `[1000001]`, Tolerance{Relative: 1e-5}, "", 0},
		{"one in a thousand", `[[0,1],[2,3],[4,5]]`, `[[0,1],[2,9],[4,5]]`, Tolerance{}, "[1][1]", 1},
		{"how many differ", `[1,2,3,4]`, `[1,0,0,4]`, Tolerance{}, "[1]", 2},
		{"large whole numbers", `[9007199254740993]`, `[9007199254740992]`, Tolerance{}, "[0]", 1},
		{"NaN is NaN", `[NaN,Infinity,-Infinity]`, `[NaN,Infinity,-Infinity]`, Tolerance{}, "", 0},
		{"NaN as protobuf spells it", `[NaN,-Infinity]`, `["NaN","-Infinity"]`, Tolerance{}, "", 0},
		{"NaN is no number", `[1]`, `[NaN]`, Tolerance{Absolute: 1e9}, "[0]", 1},
		{"infinity is far", `[1]`, `[Infinity]`, Tolerance{Absolute: math.Inf(1)}, "[0]", 1},
		{"shapes", `[[1],[2]]`, `[1,2]`, Tolerance{}, "[0]", 2},
		{"lengths", `[1,2]`, `[1,2,3]`, Tolerance{}, "", 1},
		{"types", `["1"]`, `[1]`, Tolerance{}, "[0]", 1},
		{"booleans are no numbers", `[1]`, `[true]`, Tolerance{}, "[0]", 1},
		{"objects", `{"a":{"b":1}}`, `{"a":{"b":2}}`, Tolerance{}, ".a.b", 1},
		{"a key too much", `{"a":1}`, `{"a":1,"b":2}`, Tolerance{}, ".b", 1},
		{"a key too few", `{"a":1,"b":2}`, `{"a":1}`, Tolerance{}, ".b", 1},
		{"some keys", `{"$contains":{"a":1}}`, `{"a":1,"b":2}`, Tolerance{}, "", 0},
		{"a set", `{"$set":["a","b","b"]}`, `["b","a","b"]`, Tolerance{}, "", 0},
		{"not the set", `{"$set":["a","b"]}`, `["b","b"]`, Tolerance{}, "", 1},
		{"more than the set", `{"$set":["a"]}`, `["b","a","c"]`, Tolerance{}, "", 2},
		{"a set within a tolerance", `{"$set":[1.0,1.2]}`, `[1.1,0.9]`, Tolerance{Absolute: 0.15}, "", 0},
		{"a set with anything", `{"$set":[{"$any":true},1]}`, `[1,2]`, Tolerance{}, "", 0},
		{"a set that moves twice", `{"$set":[{"$oneOf":[1,2]},{"$oneOf":[1,3]},1]}`, `[1,3,2]`, Tolerance{}, "", 0},
		{"two for one", `{"$set":[{"$oneOf":[1,2]},{"$oneOf":[1,2]},{"$oneOf":[1,2]}]}`, `[1,2,3]`, Tolerance{}, "", 1},
		{"more of anything", `{"$set":[{"$any":true}]}`, `[1,2]`, Tolerance{}, "", 1},
		{"a set in a set", `{"$set":[{"$set":[1,2]},[2,1]]}`, `[[2,1],[1,2]]`, Tolerance{}, "", 0},
		{"a choice", `[{"$oneOf":[1,"one"]}]`, `["one"]`, Tolerance{}, "", 0},
		{"a pattern", `{"$matches":"^sp.ce$"}`, `"space"`, Tolerance{}, "", 0},
		{"not the pattern", `{"$matches":"^sp.ce$"}`, `"autos"`, Tolerance{}, "", 1},
		{"a range", `[{"$between":[0,1]}]`, `[1.5]`, Tolerance{}, "[0]", 1},
		{"NaN is in no range", `[{"$between":[0,1]}]`, `[NaN]`, Tolerance{}, "[0]", 1},
		{"a length", `{"$length":3}`, `[1,2,3]`, Tolerance{}, "", 0},
		{"a literal", `{"$literal":{"$any":1}}`, `{"$any":1}`, Tolerance{}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := Compile(decode(t, c.want))
			if err != nil {
				t.Fatal(err)
			}
			d := p.Compare(decode(t, c.got), c.tolerance)
			switch {
			case d == nil && c.count > 0:
				t.Fatal("no difference seen")
			case d != nil && (d.Count != c.count || d.Path != c.path):
				t.Fatalf("got %+v", d)
			}
		})
	}
}

// TestLargeSets ends soon, also where hardly anything fits.
func TestLargeSets(t *testing.T) {
	t.Parallel()
	const n = maxSet / 5
	items, got := make([]any, n), make([]any, n)
	for i := range items {
		// Each fits what is given at its place or before, so that pairing in the
		// order given ends with the last ones without any.
		items[i] = map[string]any{"$between": []any{0.0, float64(n - i)}}
		got[i] = float64(i + 1)
	}
	p, err := Compile(map[string]any{"$set": items})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if d := p.Compare(got, Tolerance{}); d != nil {
		t.Errorf("got %+v", d)
	}
	for i := range got {
		got[i] = 2.0 // which the last does not take
	}
	if d := p.Compare(got, Tolerance{}); d == nil || d.Count != 1 {
		t.Errorf("got %+v", d)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for text, part := range map[string]string{
		`{"$regex":"a"}`:            "no matcher $regex",
		`{"$matches":"("}`:          "missing closing",
		`{"$matches":1}`:            "regular expression",
		`[{"$set":1}]`:              "takes an array",
		`{"$between":[2,1]}`:        "smaller first",
		`{"$any":true,"b":1}`:       "beside other keys",
		`{"$contains":[1]}`:         "takes an object",
		`{"a":[{"$length":"one"}]}`: "whole number",
	} {
		if _, err := Compile(decode(t, text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzCompare: data is like itself, and comparing it with anything ends.
func FuzzCompare(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5,NaN,"x",null,true]}`), []byte(`{"a":[1,2.5,NaN,"x",null,false]}`))
	f.Add([]byte(`[{"$set":[1,2]},{"$between":[0,1]}]`), []byte(`[[2,1],0.5]`))
	f.Add([]byte(`{"$set":[]}`), []byte(`[1,2]`))
	f.Add([]byte(`{"$set":[1,2]}`), []byte(`[3,4]`))
	f.Add([]byte(`9007199254740993`), []byte(`1e400`))
	f.Fuzz(func(t *testing.T, one, other []byte) {
		a, err := value.Decode(one)
		if err != nil {
			return
		}
		b, err := value.Decode(other)
		if err != nil {
			return
		}
		literal, err := Compile(map[string]any{"$literal": a})
		if err != nil {
			t.Fatal(err)
		}
		if d := literal.Compare(a, Tolerance{}); d != nil {
			t.Errorf("%s differs from itself: %+v", one, d)
		}
		pattern, err := Compile(a)
		if err != nil {
			return
		}
		if d := pattern.Compare(b, Tolerance{Relative: 1e-6}); d != nil && (d.Count < 1 || d.Count > d.Total) {
			t.Errorf("%d of %d differ", d.Count, d.Total)
		}
	})
}
