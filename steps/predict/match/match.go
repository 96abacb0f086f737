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
	"regexp"
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
