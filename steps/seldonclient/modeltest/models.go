package modeltest

import "fmt"

// Sum answers each row with an array of its sum.
func Sum(rows []any) ([]any, error) {
	out := make([]any, len(rows))
	for i, row := range rows {
		sum, err := sumOf(row)
		if err != nil {
			return nil, err
		}
		out[i] = []any{sum}
	}
	return out, nil
}

// Sign answers each row with the scores of two classes: the second leads where
// the row's sum is positive.
func Sign(rows []any) ([]any, error) {
	out := make([]any, len(rows))
	for i, row := range rows {
		sum, err := sumOf(row)
		if err != nil {
			return nil, err
		}
		if out[i] = any([]any{0.75, 0.25}); sum > 0 {
			out[i] = []any{0.25, 0.75}
		}
	}
	return out, nil
}

// Echo answers each row with itself.
func Echo(rows []any) ([]any, error) { return rows, nil }

func sumOf(row any) (float64, error) {
	switch x := row.(type) {
	case float64:
		return x, nil
	case string:
		return float64(len(x)), nil
	case []any:
		sum := 0.0
		for _, item := range x {
			f, err := sumOf(item)
			if err != nil {
				return 0, err
			}
			sum += f
		}
		return sum, nil
	}
	return 0, fmt.Errorf("%v is neither number nor text", row)
}
