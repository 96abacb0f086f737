package seldonclient

import (
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

const (
	// LargeAnswer is from how many bytes on an answer is large: what it holds may
	// take so much memory that few of them should be looked at at a time.
	LargeAnswer = 1 << 20
	// shownBody is how much of a large answer's JSON form is kept.
	shownBody = 64 << 10
	// maxMessage bounds what a message takes, in bytes as [messageCost] counts
	// them. It is needed only until its JSON form is made.
	maxMessage = 256 << 20
)

// Large tells whether few such answers should be looked at at a time.
func (a *Answer) Large() bool { return len(a.Body) > LargeAnswer || len(a.wire) > LargeAnswer }

// decode fills in the JSON form of what came. Of a large answer only the
// beginning of the text is kept, and its tree is made again where it is asked for.
func (i *invocation) decode(a *Answer) {
	if !a.Large() {
		a.tree, a.broken = treeOf(a.wire, i.answer())
		if a.broken != nil {
			a.Body = a.wire
			return
		}
		a.Body = value.Append(nil, a.tree)
		return
	}
	i.client.large <- struct{}{}
	defer func() { <-i.client.large }()
	tree, err := treeOf(a.wire, i.answer())
	if err != nil {
		a.Body, a.broken = a.wire[:shownBody], err
		return
	}
	text := value.Append(nil, tree)
	a.Body = append([]byte(nil), text[:min(len(text), shownBody)]...)
	a.message = i.answer
}

// treeOf is the JSON form of a message.
func treeOf(wire []byte, into proto.Message) (map[string]any, error) {
	if messageCost(into.ProtoReflect().Descriptor(), wire, maxMessage, 0) > maxMessage {
		return nil, schemaErrorf("the answer takes more than %d MiB of memory", maxMessage>>20)
	}
	err := proto.Unmarshal(wire, into)
	var tree map[string]any
	if err == nil {
		tree, err = fromMessage(into)
	}
	if err != nil {
		return nil, schemaErrorf("the answer is malformed: %s", strings.ReplaceAll(err.Error(), "\u00a0", " "))
	}
	return tree, nil
}

// messageCost estimates what a message takes once it is decoded, and stops
// counting beyond limit. What is malformed is for the decoder to tell.
func messageCost(d protoreflect.MessageDescriptor, wire []byte, limit, depth int) int {
	// A message, what of it is in the JSON form, and a number that is packed.
	const perField, perMessage, perPacked = 16, 80, 32
	cost := 0
	if depth > value.MaxDepth*3 { // an array in an array is three messages
		return math.MaxInt32
	}
	for len(wire) > 0 && cost <= limit {
		number, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return cost
		}
		m := protowire.ConsumeFieldValue(number, kind, wire[n:])
		if m < 0 {
			return cost
		}
		content := wire[n : n+m]
		wire = wire[n+m:]
		cost += perField
		if kind != protowire.BytesType {
			cost += perField
			continue
		}
		content, _ = protowire.ConsumeBytes(content)
		field := d.Fields().ByNumber(number)
		switch {
		case field == nil:
			cost += len(content)
		case field.Message() != nil:
			cost += perMessage + messageCost(field.Message(), content, limit-cost, depth+1)
		case field.Kind() == protoreflect.StringKind, field.Kind() == protoreflect.BytesKind:
			cost += perField + 2*len(content)
		default:
			cost += perPacked * packed(field.Kind(), content)
		}
	}
	return cost
}

// packed is how many elements a packed field has.
func packed(kind protoreflect.Kind, content []byte) int {
	switch kind {
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return len(content) / 8
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return len(content) / 4
	}
	n := 0
	for _, b := range content {
		if b < 0x80 {
			n++
		}
	}
	return n
}
