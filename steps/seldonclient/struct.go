package seldonclient

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// viaJSON fills a message from its JSON form.
func viaJSON(v any, into proto.Message) error {
	err := protojson.Unmarshal(value.Append(nil, spellNumbers(v)), into)
	if err != nil {
		// protojson varies the blank in its messages on purpose.
		return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), "\u00a0", " "))
	}
	return nil
}

// spellNumbers writes NaN and the infinities as protobuf's JSON does: as strings.
func spellNumbers(v any) any {
	return value.Map(v, func(v any) any {
		if f, ok := v.(float64); ok && !value.IsFinite(f) {
			return value.String(f, 0)
		}
		return v
	})
}

// toStruct turns a value into protobuf's form of JSON, which holds every
// number as a float64.
func toStruct(v any) (*structpb.Value, error) {
	switch x := v.(type) {
	case nil:
		return structpb.NewNullValue(), nil
	case bool:
		return structpb.NewBoolValue(x), nil
	case string:
		return structpb.NewStringValue(x), nil
	case []any:
		list := &structpb.ListValue{Values: make([]*structpb.Value, len(x))}
		for i, item := range x {
			out, err := toStruct(item)
			if err != nil {
				return nil, err
			}
			list.Values[i] = out
		}
		return structpb.NewListValue(list), nil
	case map[string]any:
		object := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(x))}
		for key, item := range x {
			out, err := toStruct(item)
			if err != nil {
				return nil, err
			}
			object.Fields[key] = out
		}
		return structpb.NewStructValue(object), nil
	}
	f, ok := value.Float(v)
	if !ok || !value.Equal(f, v) {
		return nil, fmt.Errorf("%s cannot be sent without loss over gRPC", value.String(v, 60))
	}
	return structpb.NewNumberValue(f), nil
}

func fromStruct(v *structpb.Value) any {
	switch x := v.GetKind().(type) {
	case *structpb.Value_BoolValue:
		return x.BoolValue
	case *structpb.Value_NumberValue:
		return x.NumberValue
	case *structpb.Value_StringValue:
		return x.StringValue
	case *structpb.Value_ListValue:
		return fromList(x.ListValue)
	case *structpb.Value_StructValue:
		out := make(map[string]any, len(x.StructValue.GetFields()))
		for key, item := range x.StructValue.GetFields() {
			out[key] = fromStruct(item)
		}
		return out
	}
	return nil
}

func fromList(list *structpb.ListValue) []any {
	out := make([]any, len(list.GetValues()))
	for i, item := range list.GetValues() {
		out[i] = fromStruct(item)
	}
	return out
}

// fromJSON is a message's JSON form.
func fromJSON(m proto.Message) (any, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	return value.Decode(text)
}
