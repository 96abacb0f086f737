package predict

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// adapt turns Seldon's data into what another protocol takes, so that the same
// checks can be asked of a model that speaks it. The error says why it cannot.
func adapt(body any, protocol seldonclient.Protocol, d checks.Defaults) (any, error) {
	object, ok := body.(map[string]any)
	if !ok {
		return body, nil
	}
	data, ok := object["data"].(map[string]any)
	if !ok || protocol == seldonclient.Seldon {
		return body, nil
	}
	_, nested, err := seldonclient.ReadData(data)
	if err != nil {
		return body, nil
	}
	out := map[string]any{}
	for key, v := range object {
		if key != "data" && key != "meta" {
			out[key] = v
		}
	}
	if protocol == seldonclient.TensorFlow {
		out["instances"] = nested
		return out, nil
	}
	input, err := tensorOf(nested, d)
	if err != nil {
		return nil, err
	}
	out["inputs"] = []any{input}
	return out, nil
}

// tensorOf is nested data as an input of V2, of the datatype that the defaults
// name, else of the one that its values are of.
func tensorOf(nested any, d checks.Defaults) (map[string]any, error) {
	values := seldonclient.Flatten(nested)
	datatype, err := datatypeOf(values)
	if err != nil {
		return nil, err
	}
	if given := d.Datatype; given != "" && len(values) > 0 {
		if !fits(given, datatype) {
			return nil, fmt.Errorf("data of %s cannot be sent as %s, which defaults.datatype asks for", datatype, given)
		}
		datatype = given
	}
	dims := []any{float64(len(values))}
	if shape, err := seldonclient.ShapeOf(nested); err == nil {
		dims = dims[:0]
		for _, n := range shape {
			dims = append(dims, float64(n))
		}
	}
	return map[string]any{"name": cmp.Or(d.Input, "input-0"), "datatype": datatype, "shape": dims, "data": values}, nil
}

// datatypeOf is the datatype of V2 that all the values have: BYTES, BOOL, INT64
// where all are whole, else FP64.
func datatypeOf(values []any) (string, error) {
	datatype := ""
	for _, v := range values {
		this := ""
		switch x := v.(type) {
		case string, []byte:
			this = "BYTES"
		case bool:
			this = "BOOL"
		case float64:
			this = "FP64"
			if x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
				this = "INT64"
			}
		case int64:
			this = "INT64"
		case uint64, json.Number:
			this = "FP64"
		default:
			return "", fmt.Errorf("%s has no place in a tensor of V2", value.Kind(v))
		}
		var err error
		if datatype, err = widest(datatype, this); err != nil {
			return "", err
		}
	}
	return cmp.Or(datatype, "FP64"), nil
}

// widest is the datatype that values of both have; "" is that of none.
func widest(one, other string) (string, error) {
	switch {
	case one == other || other == "":
		return one, nil
	case one == "":
		return other, nil
	case one == "INT64" && other == "FP64", one == "FP64" && other == "INT64":
		return "FP64", nil
	}
	return "", &mixedError{one, other}
}

// mixedError says that data cannot be one tensor of V2.
type mixedError struct{ one, other string }

func (e *mixedError) Error() string {
	return fmt.Sprintf("the data has %s and %s in it, one tensor of V2 has values of one datatype: write inputs, or keep the check to protocol seldon", e.one, e.other)
}

// fits tells whether values of a datatype can be sent as those of another.
func fits(given, have string) bool {
	switch have {
	case "BYTES", "BOOL":
		return given == have
	case "INT64":
		return given != "BYTES" && given != "BOOL"
	}
	return slices.Contains([]string{"FP16", "BF16", "FP32", "FP64"}, given)
}

// dataOf is rows as Seldon's data.
func dataOf(rows []any, payload string, names []string) map[string]any {
	data := map[string]any{}
	if len(names) > 0 {
		list := make([]any, len(names))
		for i, name := range names {
			list[i] = name
		}
		data["names"] = list
	}
	if payload == "tensor" {
		shape, err := seldonclient.ShapeOf(rows)
		if err == nil {
			dims := make([]any, len(shape))
			for i, n := range shape {
				dims[i] = float64(n)
			}
			data["tensor"] = map[string]any{"shape": dims, "values": seldonclient.Flatten(rows)}
			return map[string]any{"data": data}
		}
	}
	data["ndarray"] = rows
	return map[string]any{"data": data}
}
