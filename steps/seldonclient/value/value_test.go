package value

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		` null `:                               nil,
		`[true,false,"a\u00e9\ud83d\ude00\n"]`: []any{true, false, "aé😀\n"},
		`[1,1.0,-0.5,1e3]`:                     []any{1.0, 1.0, -0.5, 1000.0},
		`[-Infinity,Infinity]`:                 []any{math.Inf(-1), math.Inf(1)},
		`9007199254740993`:                     int64(9007199254740993),
		`18446744073709551615`:                 uint64(18446744073709551615),
		`1e999`:                                json.Number("1e999"),
		`123456789012345678901234567890`:       json.Number("123456789012345678901234567890"),
		`{"a":{"b":[]},"a":1}`:                 map[string]any{"a": 1.0},
		`"\ud800"`:                             "\ufffd",
		`"\ud800\u0041"`:                       "\ufffdA",
	} {
		got, err := Decode([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, %v; want %#v", text, got, err, want)
		}
	}
	if got, _ := Decode([]byte("NaN")); !math.IsNaN(got.(float64)) {
		t.Errorf("NaN became %v", got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "nul", "[1,]", "{,}", `{"a"}`, `{"a":1,}`, `{a:1}`, "01", "1.", "1e", "-", "[1", `"a`, `"\x"`, `"\u12"`, "1 2",
		"\"\n\"", "<html>", strings.Repeat("[", MaxDepth+2),
	} {
		if v, err := Decode([]byte(text)); err == nil {
			t.Errorf("%.20q was read as %v", text, v)
		}
	}
}

func TestEqualIsExact(t *testing.T) {
	t.Parallel()
	number := func(text string) any {
		v, ok := ParseNumber(text)
		if !ok {
			t.Fatalf("%s is not a number", text)
		}
		return v
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1", "1.0", true},
		{"9007199254740992", "9007199254740993", false},
		{"9007199254740993", "9007199254740993", true},
		{"18446744073709551615", "18446744073709551616", false},
		{"1e999", "1e999", true},
		{"1e999", "Infinity", false},
		{"NaN", "NaN", true},
		{"0.1234567890", "0.1234567891", false},
	} {
		if got := Equal(number(c.a), number(c.b)); got != c.want {
			t.Errorf("%s = %s: %v", c.a, c.b, got)
		}
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	v := map[string]any{"b": []any{1.0, 1e-9, 1e30, math.NaN(), int64(1 << 60)}, "a": "x\"\x01", "c": []byte("hi")}
	want := `{"a":"x\"\u0001","b":[1,1e-09,1e+30,NaN,1152921504606846976],"c":"aGk="}`
	if got := String(v, 0); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := String(strings.Repeat("é", 1000), 60); len(got) > 100 || !strings.Contains(got, "bytes") {
		t.Errorf("got %s", got)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"data":{"names":["a"],"ndarray":[[1,2.5,-3e-4]]}}`, `[NaN,Infinity,-Infinity]`, `"\ud83d\ude00"`, `[[[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Decode(data)
		if err != nil {
			if json.Valid(data) && !strings.Contains(err.Error(), "deeply") {
				t.Fatalf("refused valid JSON %q: %v", data, err)
			}
			return
		}
		again, err := Decode(Append(nil, v))
		if err != nil {
			t.Fatalf("%q does not come back: %v", data, err)
		}
		if a, b := Append(nil, v), Append(nil, again); string(a) != string(b) {
			t.Fatalf("%q came back as %q", a, b)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := []byte(`{"meta":{"requestPath":{"classifier":"x"}},"data":{"names":["t:0","t:1"],"ndarray":[[0.25,0.75],[0.1,0.9]]}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
