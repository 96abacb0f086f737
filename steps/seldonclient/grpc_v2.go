package seldonclient

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/model-delivery/model-delivery/steps/seldonclient/inferencepb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// toInferRequest turns the JSON form of a V2 request into its message.
func toInferRequest(body any, target Target, raw bool) (*inferencepb.ModelInferRequest, error) {
	object, ok := body.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a request of V2 is an object, this is %s", value.Kind(body))
	}
	r := &inferencepb.ModelInferRequest{ModelName: target.Model, ModelVersion: target.Version}
	r.Id, _ = object["id"].(string)
	var err error
	if r.Parameters, err = toParameters(object["parameters"]); err != nil {
		return nil, err
	}
	inputs, _ := object["inputs"].([]any)
	for i, item := range inputs {
		input, content, err := toInput(item, raw)
		if err != nil {
			return nil, fmt.Errorf("inputs[%d]: %w", i, err)
		}
		r.Inputs = append(r.Inputs, input)
		if content != nil {
			r.RawInputContents = append(r.RawInputContents, content)
		}
	}
	if n := len(r.RawInputContents); n != 0 && n != len(r.Inputs) {
		return nil, fmt.Errorf("either all inputs are binary or none: datatypes FP16 and BF16 always are; set binary: true")
	}
	outputs, _ := object["outputs"].([]any)
	for i, item := range outputs {
		output, _ := item.(map[string]any)
		parameters, err := toParameters(output["parameters"])
		if err != nil {
			return nil, fmt.Errorf("outputs[%d]: %w", i, err)
		}
		name, _ := output["name"].(string)
		r.Outputs = append(r.Outputs, &inferencepb.ModelInferRequest_InferRequestedOutputTensor{Name: name, Parameters: parameters})
	}
	return r, nil
}

func toInput(item any, raw bool) (*inferencepb.ModelInferRequest_InferInputTensor, []byte, error) {
	object, ok := item.(map[string]any)
	if !ok {
		return nil, nil, fmt.Errorf("is %s, not an object", value.Kind(item))
	}
	in := &inferencepb.ModelInferRequest_InferInputTensor{}
	in.Name, _ = object["name"].(string)
	in.Datatype, _ = object["datatype"].(string)
	shape, err := readShape("shape", object["shape"])
	if err != nil {
		return nil, nil, err
	}
	for _, n := range shape {
		in.Shape = append(in.Shape, int64(n))
	}
	if in.Parameters, err = toParameters(object["parameters"]); err != nil {
		return nil, nil, err
	}
	values := Flatten(object["data"])
	if raw || in.Datatype == "FP16" || in.Datatype == "BF16" {
		content, err := encodeRaw(in.Datatype, values)
		if content == nil {
			content = []byte{}
		}
		return in, content, err
	}
	in.Contents, err = toContents(in.Datatype, values)
	return in, nil, err
}

func toContents(datatype string, values []any) (*inferencepb.InferTensorContents, error) {
	c := &inferencepb.InferTensorContents{}
	for i, v := range values {
		f, number := value.Float(v)
		flag, boolean := v.(bool)
		switch {
		case datatype == "BYTES":
			raw, err := bytesOf(v)
			if err != nil {
				return nil, fmt.Errorf("data[%d] %w", i, err)
			}
			c.BytesContents = append(c.BytesContents, raw)
		case datatype == "BOOL" && boolean:
			c.BoolContents = append(c.BoolContents, flag)
		case !number || datatype == "BOOL" || !holds(datatype, v):
			return nil, fmt.Errorf("data[%d] is %s, which does not fit datatype %s", i, value.String(v, 40), datatype)
		default:
			switch datatype {
			case "INT8", "INT16", "INT32":
				c.IntContents = append(c.IntContents, int32(f))
			case "INT64":
				c.Int64Contents = append(c.Int64Contents, asInt(v))
			case "UINT8", "UINT16", "UINT32":
				c.UintContents = append(c.UintContents, uint32(f))
			case "UINT64":
				c.Uint64Contents = append(c.Uint64Contents, asUint(v))
			case "FP32":
				c.Fp32Contents = append(c.Fp32Contents, float32(f))
			case "FP64":
				c.Fp64Contents = append(c.Fp64Contents, f)
			default:
				return nil, fmt.Errorf("datatype %q is not known", datatype)
			}
		}
	}
	return c, nil
}

func toParameters(v any) (map[string]*inferencepb.InferParameter, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, nil
	}
	out := map[string]*inferencepb.InferParameter{}
	for key, v := range object {
		p := &inferencepb.InferParameter{}
		f, number := value.Float(v)
		switch x := v.(type) {
		case bool:
			p.ParameterChoice = &inferencepb.InferParameter_BoolParam{BoolParam: x}
		case string:
			p.ParameterChoice = &inferencepb.InferParameter_StringParam{StringParam: x}
		default:
			switch {
			case !number:
				return nil, fmt.Errorf("parameter %q is %s; gRPC carries booleans, numbers and strings", key, value.Kind(v))
			case f == float64(int64(f)):
				p.ParameterChoice = &inferencepb.InferParameter_Int64Param{Int64Param: asInt(v)}
			default:
				p.ParameterChoice = &inferencepb.InferParameter_DoubleParam{DoubleParam: f}
			}
		}
		out[key] = p
	}
	return out, nil
}

// fromMessage is the JSON form of any answer over gRPC.
func fromMessage(m proto.Message) (map[string]any, error) {
	switch x := m.(type) {
	case *seldonpb.SeldonMessage:
		return fromSeldonMessage(x)
	case *inferencepb.ModelInferResponse:
		return fromInferResponse(x)
	}
	v, err := fromJSON(m)
	if err != nil {
		return nil, err
	}
	object, _ := v.(map[string]any)
	return object, nil
}

func fromInferResponse(r *inferencepb.ModelInferResponse) (map[string]any, error) {
	out := map[string]any{"model_name": r.GetModelName()}
	if r.GetModelVersion() != "" {
		out["model_version"] = r.GetModelVersion()
	}
	if r.GetId() != "" {
		out["id"] = r.GetId()
	}
	if len(r.GetParameters()) > 0 {
		out["parameters"] = fromParameters(r.GetParameters())
	}
	raw := r.GetRawOutputContents()
	if len(raw) != 0 && len(raw) != len(r.GetOutputs()) {
		return nil, fmt.Errorf("%d outputs have %d binary contents", len(r.GetOutputs()), len(raw))
	}
	outputs := make([]any, len(r.GetOutputs()))
	for i, o := range r.GetOutputs() {
		tensor := map[string]any{"name": o.GetName(), "datatype": o.GetDatatype()}
		shape := make([]any, len(o.GetShape()))
		for j, n := range o.GetShape() {
			shape[j] = float64(n)
		}
		tensor["shape"] = shape
		if len(o.GetParameters()) > 0 {
			tensor["parameters"] = fromParameters(o.GetParameters())
		}
		if len(raw) > 0 {
			values, err := decodeRaw(o.GetDatatype(), raw[i])
			if err != nil {
				return nil, fmt.Errorf("output %q: %w", o.GetName(), err)
			}
			tensor["data"] = values
		} else {
			tensor["data"] = fromContents(o.GetContents())
		}
		outputs[i] = tensor
	}
	out["outputs"] = outputs
	return out, nil
}

func fromContents(c *inferencepb.InferTensorContents) []any {
	out := []any{}
	for _, v := range c.GetBoolContents() {
		out = append(out, v)
	}
	for _, v := range c.GetIntContents() {
		out = append(out, float64(v))
	}
	for _, v := range c.GetInt64Contents() {
		out = append(out, value.FromInt(v))
	}
	for _, v := range c.GetUintContents() {
		out = append(out, float64(v))
	}
	for _, v := range c.GetUint64Contents() {
		out = append(out, value.FromUint(v))
	}
	for _, v := range c.GetFp32Contents() {
		out = append(out, widen(v))
	}
	for _, v := range c.GetFp64Contents() {
		out = append(out, v)
	}
	for _, v := range c.GetBytesContents() {
		out = append(out, string(v))
	}
	return out
}

func fromParameters(in map[string]*inferencepb.InferParameter) map[string]any {
	out := make(map[string]any, len(in))
	for key, p := range in {
		switch x := p.GetParameterChoice().(type) {
		case *inferencepb.InferParameter_BoolParam:
			out[key] = x.BoolParam
		case *inferencepb.InferParameter_Int64Param:
			out[key] = value.FromInt(x.Int64Param)
		case *inferencepb.InferParameter_StringParam:
			out[key] = x.StringParam
		case *inferencepb.InferParameter_DoubleParam:
			out[key] = x.DoubleParam
		case *inferencepb.InferParameter_Uint64Param:
			out[key] = value.FromUint(x.Uint64Param)
		}
	}
	return out
}
