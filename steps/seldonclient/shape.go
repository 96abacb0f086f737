package seldonclient

import (
	"fmt"
	"math"
	"slices"
)

// maxRank is how many dimensions a tensor may have.
const maxRank = 32

// Reshape arranges values, in row-major order, as nested arrays. A shape of no
// dimensions gives the single value itself.
func Reshape(values []any, shape []int) (any, error) {
	if len(shape) > maxRank {
		return nil, schemaErrorf("a shape has %d dimensions, more than %d", len(shape), maxRank)
	}
	want := 1
	for _, n := range shape {
		if n < 0 {
			return nil, schemaErrorf("shape %v has a negative dimension", shape)
		}
		if n > 0 && want > math.MaxInt32/n {
			return nil, schemaErrorf("shape %v is too large", shape)
		}
		want *= n
	}
	if want != len(values) {
		return nil, schemaErrorf("shape %v asks for %d values, there are %d", shape, want, len(values))
	}
	if len(shape) == 0 {
		return values[0], nil
	}
	if want == 0 && slices.Index(shape, 0) > 0 {
		// Empty rows: only their number can be shown, and it costs nothing
		// when it is bounded.
		if shape[0] > 1<<16 {
			return nil, schemaErrorf("shape %v is too large", shape)
		}
		rows := make([]any, shape[0])
		for i := range rows {
			rows[i] = []any{}
		}
		return rows, nil
	}
	return nest(values, shape), nil
}

func nest(values []any, shape []int) any {
	if len(shape) == 1 {
		return values
	}
	step := len(values)
	if shape[0] > 0 {
		step = len(values) / shape[0]
	}
	out := make([]any, 0, shape[0])
	for i := range shape[0] {
		out = append(out, nest(values[i*step:(i+1)*step:(i+1)*step], shape[1:]))
	}
	return out
}

// Flatten returns the values of nested arrays in row-major order.
func Flatten(v any) []any {
	list, ok := v.([]any)
	if !ok {
		return []any{v}
	}
	var out []any
	for _, item := range list {
		if _, nested := item.([]any); nested {
			out = append(out, Flatten(item)...)
		} else {
			out = append(out, item)
		}
	}
	return out
}

// ShapeOf counts the dimensions of nested arrays. The error says where rows
// differ in length.
func ShapeOf(v any) ([]int, error) {
	list, ok := v.([]any)
	if !ok {
		return []int{}, nil
	}
	shape := []int{len(list)}
	for i, item := range list {
		inner, err := ShapeOf(item)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			shape = append(shape, inner...)
		} else if !slices.Equal(shape[1:], inner) {
			return nil, fmt.Errorf("row %d has shape %v, those before it %v", i, inner, shape[1:])
		}
	}
	return shape, nil
}
