package predict

import (
	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// adapt turns Seldon's data into what another protocol takes, so that the same
// checks can be asked of a model that speaks it.
func adapt(body any, protocol seldonclient.Protocol, d checks.Defaults) any {
	object, ok := body.(map[string]any)
	if !ok {
		return body
	}
	data, ok := object["data"].(map[string]any)
	if !ok || protocol == seldonclient.Seldon {
		return body
	}
	_, nested, err := seldonclient.ReadData(data)
	if err != nil {
		return body
	}
	out := map[string]any{}
	for key, v := range object {
		if key != "data" && key != "meta" {
			out[key] = v
		}
	}
	if protocol == seldonclient.TensorFlow {
		out["instances"] = nested
		return out
	}
	out["inputs"] = []any{tensorOf(nested, d.Input)}
	return out
}

// tensorOf is nested data as an input of V2.
func tensorOf(nested any, name string) map[string]any {
	if name == "" {
		name = "input-0"
	}
	values := seldonclient.Flatten(nested)
	datatype := "FP64"
	if len(values) > 0 {
		switch values[0].(type) {
		case string:
			datatype = "BYTES"
		case bool:
			datatype = "BOOL"
		}
	}
	dims := []any{float64(len(values))}
	if shape, err := seldonclient.ShapeOf(nested); err == nil {
		dims = dims[:0]
		for _, n := range shape {
			dims = append(dims, float64(n))
		}
	}
	return map[string]any{"name": name, "datatype": datatype, "shape": dims, "data": values}
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
