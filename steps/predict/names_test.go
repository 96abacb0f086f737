package predict_test

import (
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/report"
)

// TestNames: columns go by their names, which say nothing where they repeat.
func TestNames(t *testing.T) {
	t.Parallel()
	const repeated = "expect: {data: {names: [a, a, b], ndarray: [[1, 1, 2]]}}"
	judged{
		"in order":             {"expect: {data: {names: [a, b], ndarray: [[1, 2]]}}", `{"data":{"names":["a","b"],"ndarray":[[1,2]]}}`, report.Passed, "", 0},
		"another order":        {"expect: {data: {names: [a, b], ndarray: [[1, 2]]}}", `{"data":{"names":["b","a"],"ndarray":[[2,1]]}}`, report.Passed, "", 0},
		"another value":        {"expect: {data: {names: [a, b], ndarray: [[1, 2]]}}", `{"data":{"names":["b","a"],"ndarray":[[1,2]]}}`, report.Value, "expected 1 at data.ndarray[0][0], got 2", 1},
		"repeated":             {repeated, `{"data":{"names":["a","a","b"],"ndarray":[[1,1,2]]}}`, report.Passed, "", 0},
		"repeated, in a turn":  {repeated, `{"data":{"names":["a","b","a"],"ndarray":[[1,2,9]]}}`, report.Schema, `the answer's names are not those expected (at data.names, expected ["a" "a" "b"], got ["a" "b" "a"])`, 1},
		"names alone":          {"expect: {names: [a, b]}", `{"data":{"names":["b","a"],"ndarray":[[1,2]]}}`, report.Passed, "", 0},
		"names alone repeated": {"expect: {names: [a, a, b]}", `{"data":{"names":["a","b","a"],"ndarray":[[1,2,9]]}}`, report.Schema, "names are", 1},
	}.test(t)
}
