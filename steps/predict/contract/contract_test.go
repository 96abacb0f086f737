package contract_test

import (
	"math"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/contract"
)

const terms = `{
  "features": [
    {"name": "age", "dtype": "INT", "ftype": "continuous", "range": [18, 65]},
    {"name": "pixel", "dtype": "FLOAT", "ftype": "continuous", "range": [0, "inf"], "repeat": 3},
    {"name": "word", "dtype": "STRING", "ftype": "categorical", "values": ["a", "b"]},
    {"name": "grid", "dtype": "FLOAT", "ftype": "continuous", "shape": [2, 2]}
  ],
  "targets": [{"name": "class", "dtype": "FLOAT", "ftype": "continuous", "range": [0, 1], "repeat": 2}]
}`

func parse(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := contract.Parse([]byte(terms))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNames(t *testing.T) {
	t.Parallel()
	c := parse(t)
	if got := strings.Join(contract.Names(c.Features), " "); got != "age pixel1 pixel2 pixel3 word grid:0 grid:1 grid:2 grid:3" {
		t.Errorf("features are %s", got)
	}
	if got := strings.Join(contract.Names(c.Targets), " "); got != "class:0 class:1" {
		t.Errorf("targets are %s", got)
	}
}

func TestRowsFollowTheSeed(t *testing.T) {
	t.Parallel()
	c := parse(t)
	one, again, other := contract.NewGenerator(c, 1), contract.NewGenerator(c, 1), contract.NewGenerator(c, 2)
	same := true
	for i := range 200 {
		row := one.Row()
		for j, v := range again.Row() {
			if v != row[j] {
				t.Fatalf("row %d of the same seed differs", i)
			}
		}
		same = same && other.Row()[0] == row[0]
		age := row[0].(float64)
		if len(row) != 9 || age < 18 || age > 65 || age != math.Trunc(age) || row[1].(float64) < 0 || (row[4] != "a" && row[4] != "b") {
			t.Fatalf("row %d is %v", i, row)
		}
		if (i == 0 && age != 18) || (i == 1 && age != 65) {
			t.Errorf("the edges do not come first: %v", row)
		}
	}
	if same {
		t.Error("another seed makes the same rows")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	c := parse(t)
	for name, tc := range map[string]struct {
		answer any
		says   string
	}{
		"right":            {[]any{[]any{0.0, 1.0}}, ""},
		"a row too few":    {[]any{}, "0 rows, 1 were sent"},
		"a column too few": {[]any{[]any{0.5}}, "1 columns"},
		"out of range":     {[]any{[]any{0.5, 1.5}}, "row 0, target class:1: 1.5 is not from 0 to 1"},
		"text":             {[]any{[]any{"x", 1.0}}, "target class:0"},
		"not a number":     {[]any{[]any{math.NaN(), 1.0}}, "not finite"},
		"not rows":         {"x", "not an array of rows"},
	} {
		if err := c.Check(tc.answer, nil, 1); (err == nil) != (tc.says == "") || (err != nil && !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s: error %v, want %q", name, err, tc.says)
		}
	}
}

func TestWrongContracts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`: "an array", `{}`: "no features", `{"features":[{"dtype":"INT"}]}`: "features[0]: has no name",
		`{"features":[{"name":"x","dtype":"COLOR"}]}`:                                                   "dtype",
		`{"features":[{"name":"x","ftype":"categorical"}]}`:                                             "no values",
		`{"features":[{"name":"x","range":[2,1]}]}`:                                                     "is empty",
		`{"features":[{"name":"x","repeat":1e9}]}`:                                                      "repeat",
		`{"features":[{"name":"x","shape":[100000,100000]}]}`:                                           "shape",
		`{"features":[{"name":"x","repeat":100000,"shape":[1000]}]}`:                                    "columns",
		`{"features":[{"name":"x","repeat":2.5}]}`:                                                      "repeat",
		`{"features":[{"name":"x","ftype":"categorical","values":[1,[2]]}]}`:                            "x: values[1] is an array",
		`{"features":[{"name":"x"}],"targets":[{"name":"y","ftype":"categorical","values":[{"a":1}]}]}`: "y: values[0] is an object",
		`{"features":[{"name":"x","ftype":"categorical","values":[NaN]}]}`:                              "x: values[0] is not finite",
		`{"features":[{"name":"x","dtype":"INT","range":[0.2,0.8]}]}`:                                   "no whole number",
		`{"features":[{"name":"x","range":[Infinity,Infinity]}]}`:                                       "is empty",
		`{"features":[{"name":"x","range":[-Infinity,-Infinity]}]}`:                                     "is empty",
	} {
		if _, err := contract.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// TestCheckByName takes the answer's columns by their names where they are the
// targets'.
func TestCheckByName(t *testing.T) {
	t.Parallel()
	c, err := contract.Parse([]byte(`{"features":[{"name":"x"}],"targets":[{"name":"a","range":[0,1]},{"name":"b","range":[5,6]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		columns []string
		row     []any
		says    string
	}{
		"no names":        {nil, []any{1.0, 5.0}, ""},
		"in order":        {[]string{"a", "b"}, []any{1.0, 5.0}, ""},
		"another order":   {[]string{"b", "a"}, []any{5.0, 1.0}, ""},
		"the wrong order": {[]string{"b", "a"}, []any{1.0, 5.0}, "target a: 5 is not from 0 to 1"},
		"made up":         {[]string{"t:0", "t:1"}, []any{1.0, 5.0}, ""},
		"one is missing":  {[]string{"a", "c"}, []any{1.0, 5.0}, `columns are ["a" "c"], the contract's targets are ["a" "b"]`},
		"one repeated":    {[]string{"a", "b", "b"}, []any{1.0, 5.0}, "the contract's targets are"},
		"one too much":    {[]string{"a", "b", "c"}, []any{1.0, 5.0, 2.0}, "the contract's targets are"},
	} {
		if err := c.Check([]any{tc.row}, tc.columns, 1); (err == nil) != (tc.says == "") || (err != nil && !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s: error %v, want %q", name, err, tc.says)
		}
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	c, err := contract.Parse([]byte(`{"features":[{"name":"x","shape":[1000,1000]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Fits(1); err != nil {
		t.Errorf("one row: %v", err)
	}
	if err := c.Fits(100_000); err == nil || !strings.Contains(err.Error(), "100000 rows of 1000000 columns are more than") {
		t.Errorf("many rows: error %v", err)
	}
}

// TestWholeNumbers are made where a range's ends are none.
func TestWholeNumbers(t *testing.T) {
	t.Parallel()
	for text, ends := range map[string][2]float64{"[0.2,3.8]": {1, 3}, "[-1.5,\"inf\"]": {-1, math.Inf(1)}, "[\"inf\",2.5]": {math.Inf(-1), 2}} {
		c, err := contract.Parse([]byte(`{"features":[{"name":"x","dtype":"INT","range":` + text + `}]}`))
		if err != nil {
			t.Fatal(err)
		}
		g := contract.NewGenerator(c, 1)
		for range 100 {
			if x := g.Row()[0].(float64); x != math.Trunc(x) || x < ends[0] || x > ends[1] {
				t.Fatalf("%s makes %v", text, x)
			}
		}
	}
}

// FuzzParse: what is read makes rows that fit it.
func FuzzParse(f *testing.F) {
	f.Add([]byte(terms), uint64(1))
	f.Add([]byte(`{"features":[{"name":"x","dtype":"INT","range":["inf",3]}]}`), uint64(7))
	f.Add([]byte(`{"features":[{"name":"x","dtype":"INT","range":[0.2,1.3]}]}`), uint64(7))
	f.Add([]byte(`{"features":[{"name":"x","range":[-1.7e308,1.7e308]}]}`), uint64(7))
	f.Add([]byte(`{"features":[{"name":"x","range":[1.7e308,"inf"]}]}`), uint64(7))
	f.Add([]byte(`{"features":[{"name":"x","ftype":"categorical","values":["a",[1],{"b":2}]}]}`), uint64(7))
	f.Add([]byte(`{"features":[{"name":"x","ftype":"categorical","values":[1e400,null,true]}]}`), uint64(7))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		c, err := contract.Parse(data)
		if err != nil {
			return
		}
		names := contract.Names(c.Features)
		g := contract.NewGenerator(c, seed)
		asTargets := &contract.Contract{Features: c.Features, Targets: c.Features}
		for range 3 {
			row := g.Row()
			if len(row) != len(names) {
				t.Fatalf("%d columns have %d names", len(row), len(names))
			}
			if err := asTargets.Check([]any{row}, names, 1); err != nil {
				t.Errorf("a row made by the contract breaks it: %v", err)
			}
		}
	})
}
