package seldonclient

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/tensorpb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// toSeldonMessage turns the JSON form of a request into Seldon's message.
func toSeldonMessage(body any) (*seldonpb.SeldonMessage, error) {
	object, ok := body.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a request of Seldon is an object, this is %s", value.Kind(body))
	}
	m := &seldonpb.SeldonMessage{}
	for key, v := range object {
		switch key {
		case "meta":
			m.Meta = &seldonpb.Meta{}
			if err := viaJSON(v, m.Meta); err != nil {
				return nil, fmt.Errorf("meta: %w", err)
			}
		case "status":
			m.Status = &seldonpb.Status{}
			if err := viaJSON(v, m.Status); err != nil {
				return nil, fmt.Errorf("status: %w", err)
			}
		case "data":
			data, err := toDefaultData(v)
			if err != nil {
				return nil, fmt.Errorf("data: %w", err)
			}
			m.DataOneof = &seldonpb.SeldonMessage_Data{Data: data}
		case "strData":
			text, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("strData is %s, not a string", value.Kind(v))
			}
			m.DataOneof = &seldonpb.SeldonMessage_StrData{StrData: text}
		case "binData":
			raw, err := decodeBase64(v)
			if err != nil {
				return nil, fmt.Errorf("binData %w", err)
			}
			m.DataOneof = &seldonpb.SeldonMessage_BinData{BinData: raw}
		case "jsonData":
			json, err := toStruct(v)
			if err != nil {
				return nil, fmt.Errorf("jsonData: %w", err)
			}
			m.DataOneof = &seldonpb.SeldonMessage_JsonData{JsonData: json}
		default:
			return nil, fmt.Errorf("field %q cannot be sent over gRPC", key)
		}
	}
	return m, nil
}

func toDefaultData(v any) (*seldonpb.DefaultData, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("is %s, not an object", value.Kind(v))
	}
	d := &seldonpb.DefaultData{}
	for key, v := range object {
		switch key {
		case "names":
			list, _ := v.([]any)
			for _, name := range list {
				d.Names = append(d.Names, fmt.Sprint(name))
			}
		case "ndarray":
			list, err := toStruct(v)
			if err != nil {
				return nil, fmt.Errorf("ndarray: %w", err)
			}
			if list.GetListValue() == nil {
				return nil, fmt.Errorf("ndarray is %s, not an array", value.Kind(v))
			}
			d.DataOneof = &seldonpb.DefaultData_Ndarray{Ndarray: list.GetListValue()}
		case "tensor":
			tensor := &seldonpb.Tensor{}
			object, _ := v.(map[string]any)
			shape, err := readShape("tensor.shape", object["shape"])
			if err != nil {
				return nil, err
			}
			for _, n := range shape {
				tensor.Shape = append(tensor.Shape, int32(n))
			}
			values, err := numbers("tensor.values", object["values"])
			if err != nil {
				return nil, err
			}
			tensor.Values = make([]float64, len(values))
			for i, number := range values {
				tensor.Values[i], _ = value.Float(number)
			}
			d.DataOneof = &seldonpb.DefaultData_Tensor{Tensor: tensor}
		case "tftensor":
			tensor := &tensorpb.TensorProto{}
			if err := viaJSON(v, tensor); err != nil {
				return nil, fmt.Errorf("tftensor: %w", err)
			}
			d.DataOneof = &seldonpb.DefaultData_Tftensor{Tftensor: tensor}
		default:
			return nil, fmt.Errorf("field %q is not known", key)
		}
	}
	return d, nil
}

func toFeedback(body any) (*seldonpb.Feedback, error) {
	object, ok := body.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("feedback is an object, this is %s", value.Kind(body))
	}
	f := &seldonpb.Feedback{}
	for key, v := range object {
		var err error
		switch key {
		case "request":
			f.Request, err = toSeldonMessage(v)
		case "response":
			f.Response, err = toSeldonMessage(v)
		case "truth":
			f.Truth, err = toSeldonMessage(v)
		case "reward":
			reward, ok := value.Float(v)
			if !ok {
				err = fmt.Errorf("is %s, not a number", value.Kind(v))
			}
			f.Reward = float32(reward)
		default:
			err = fmt.Errorf("is not a field of feedback")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return f, nil
}

// fromSeldonMessage is the JSON form of an answer. Numbers of ndarrays and
// tensors stay as they are; JSON of protobuf's own would spell NaN as a string.
func fromSeldonMessage(m *seldonpb.SeldonMessage) (map[string]any, error) {
	out := map[string]any{}
	for key, part := range map[string]proto.Message{"meta": m.GetMeta(), "status": m.GetStatus()} {
		if part.ProtoReflect().IsValid() {
			v, err := fromJSON(part)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			out[key] = v
		}
	}
	switch x := m.GetDataOneof().(type) {
	case *seldonpb.SeldonMessage_StrData:
		out["strData"] = x.StrData
	case *seldonpb.SeldonMessage_BinData:
		out["binData"] = x.BinData
	case *seldonpb.SeldonMessage_JsonData:
		out["jsonData"] = fromStruct(x.JsonData)
	case *seldonpb.SeldonMessage_CustomData:
		out["customData"] = map[string]any{"@type": x.CustomData.GetTypeUrl(), "value": x.CustomData.GetValue()}
	case *seldonpb.SeldonMessage_Data:
		data, err := fromDefaultData(x.Data)
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		out["data"] = data
	}
	return out, nil
}

func fromDefaultData(d *seldonpb.DefaultData) (map[string]any, error) {
	out := map[string]any{}
	if len(d.GetNames()) > 0 {
		names := make([]any, len(d.GetNames()))
		for i, name := range d.GetNames() {
			names[i] = name
		}
		out["names"] = names
	}
	switch x := d.GetDataOneof().(type) {
	case *seldonpb.DefaultData_Ndarray:
		out["ndarray"] = fromList(x.Ndarray)
	case *seldonpb.DefaultData_Tensor:
		shape, values := make([]any, len(x.Tensor.GetShape())), make([]any, len(x.Tensor.GetValues()))
		for i, n := range x.Tensor.GetShape() {
			shape[i] = float64(n)
		}
		for i, f := range x.Tensor.GetValues() {
			values[i] = f
		}
		out["tensor"] = map[string]any{"shape": shape, "values": values}
	case *seldonpb.DefaultData_Tftensor:
		v, err := fromJSON(x.Tftensor)
		if err != nil {
			return nil, err
		}
		out["tftensor"] = v
	}
	return out, nil
}
