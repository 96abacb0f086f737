package predict_test

import (
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/report"
)

// TestClasses holds answers against classes by name and by index.
func TestClasses(t *testing.T) {
	t.Parallel()
	const known = "classes: [a, b], "
	judged{
		"by index":                     {known + "expect: {class: [a]}", `{"data":{"ndarray":[0]}}`, report.Passed, "", 0},
		"another index":                {known + "expect: {class: [a]}", `{"data":{"ndarray":[1]}}`, report.Value, "row 0 is class b, expected a", 1},
		"an index of absurd size":      {known + "expect: {class: [a]}", `{"data":{"ndarray":[1e300]}}`, report.Schema, "row 0: 1e+300 is no class: there are 2, from 0 to 1", 1},
		"an infinite index":            {known + "expect: {class: [a]}", `{"data":{"ndarray":[Infinity]}}`, report.Schema, "row 0: Infinity is no class", 1},
		"NaN":                          {known + "expect: {class: [a]}", `{"data":{"ndarray":[NaN]}}`, report.Schema, "row 0: NaN is no class", 1},
		"a negative index":             {known + "expect: {class: [a]}", `{"data":{"ndarray":[-1]}}`, report.Schema, "row 0: -1 is no class", 1},
		"an index between":             {known + "expect: {class: [a]}", `{"data":{"ndarray":[0.5]}}`, report.Schema, "row 0: 0.5 is no class", 1},
		"an index too large":           {known + "expect: {class: [a]}", `{"data":{"ndarray":[2]}}`, report.Schema, "row 0: 2 is no class", 1},
		"a number that is the name":    {"classes: ['7', '8'], expect: {class: ['8']}", `{"data":{"ndarray":[8]}}`, report.Passed, "", 0},
		"more scores than classes":     {known + "expect: {class: [a]}", `{"data":{"ndarray":[[0.1,0.1,0.8]]}}`, report.Schema, "row 0: column 2 of 3 leads, there are 2 classes", 1},
		"a column is no name":          {"classes: ['7', '2'], expect: {class: ['2']}", `{"data":{"ndarray":[[0.1,0.1,0.8]]}}`, report.Schema, "column 2 of 3 leads", 1},
		"the answer's own few":         {"expect: {class: [5]}", `{"data":{"names":["x","y"],"ndarray":[[0.1,0.9]]}}`, report.Schema, "expected class 0: 5 is no class", 1},
		"names nobody knows":           {"expect: {class: [-1]}", `{"data":{"names":["outlier"],"ndarray":[[-1]]}}`, report.Passed, "", 0},
		"names in another order":       {known + "expect: {class: [a]}", `{"data":{"names":["b","a"],"ndarray":[[0.9,0.1]]}}`, report.Value, "row 0 is class b, expected a", 1},
		"an index and names reordered": {known + "expect: {class: [1]}", `{"data":{"names":["b","a"],"ndarray":[[0.9,0.1]]}}`, report.Passed, "", 0},
		"one row without its array":    {known + "expect: {class: b}", `{"data":{"names":["b","a"],"ndarray":[0.9,0.1]}}`, report.Passed, "", 0},
		"other names":                  {known + "expect: {class: [b]}", `{"data":{"names":["t:0","t:1"],"ndarray":[[0.1,0.9]]}}`, report.Passed, "", 0},
	}.test(t)
}
