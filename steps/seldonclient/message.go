package seldonclient

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// Message is an answer's content in one form for all protocols.
type Message struct {
	// Kind names what carries the payload: ndarray, tensor, tftensor, strData,
	// binData, jsonData, customData, outputs or predictions.
	Kind string
	// Value is the payload: nested arrays, a string, bytes or any JSON. With
	// several outputs it is nil.
	Value any
	// Names are those of data.names.
	Names []string
	// Outputs are those of V2, or of TensorFlow's column form, by name.
	Outputs []Tensor
	// Meta is Seldon's meta.
	Meta map[string]any
	// Failure is set when the answer says that it is an error, whatever its
	// HTTP status.
	Failure *Failure
	// Tree is the whole answer as JSON.
	Tree any
	// Model and Version are those that a V2 answer names.
	Model, Version string
}

// Tensor is one output of V2 or TensorFlow, which tells no datatype, and no name
// where it is the only one.
type Tensor struct {
	Name, Datatype string
	Shape          []int
	Value          any
}

// Failure is an error in an answer's own words.
type Failure struct {
	Code         int
	Info, Reason string
}

func (f *Failure) String() string {
	var parts []string
	for _, part := range []string{f.Reason, f.Info} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if f.Code != 0 {
		parts = append(parts, fmt.Sprintf("code %d", f.Code))
	}
	if len(parts) == 0 {
		return "no reason given"
	}
	return strings.Join(parts, ", ")
}

// Tree is the answer's body as JSON. What is not JSON is a [*SchemaError] that
// says what it is instead.
func (a *Answer) Tree() (any, error) {
	switch {
	case a.broken != nil:
		return nil, a.broken
	case a.tree != nil:
		return a.tree, nil
	case a.message != nil:
		return treeOf(a.wire, a.message())
	}
	body := a.Body
	if header, ok, err := a.binaryHeader(); err != nil {
		return nil, err
	} else if ok {
		body = body[:header]
	}
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, schemaErrorf("the answer is empty")
	}
	tree, err := value.Decode(body)
	if err != nil {
		if title, ok := htmlTitle(body); ok {
			return nil, schemaErrorf("the answer is a page of HTML%s, as gateways and proxies send it: %w", title, err)
		}
		if encoding := a.Header.Get("Content-Encoding"); encoding != "" {
			return nil, schemaErrorf("the answer is encoded as %q though that was not asked for", encoding)
		}
		return nil, schemaErrorf("the answer is %w", err)
	}
	return tree, nil
}

var titlePattern = regexp.MustCompile(`(?is)<title[^>]*>(.{0,200}?)</title>`)

func htmlTitle(body []byte) (string, bool) {
	start := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 4096)]))
	if !bytes.HasPrefix(start, []byte("<")) {
		return "", false
	}
	if m := titlePattern.FindSubmatch(body[:min(len(body), 4096)]); m != nil {
		return fmt.Sprintf(" titled %q", strings.Join(strings.Fields(html.UnescapeString(string(m[1]))), " ")), true
	}
	return "", bytes.HasPrefix(start, []byte("<!doctype")) || bytes.HasPrefix(start, []byte("<html"))
}

// Message reads the answer as its protocol defines it. What does not fit is a
// [*SchemaError].
func (a *Answer) Message() (*Message, error) {
	tree, err := a.Tree()
	if err != nil {
		return nil, err
	}
	if a.method == Metadata || a.method == ServerMetadata || a.method == Live || a.method == Ready {
		return &Message{Kind: "jsonData", Value: tree, Tree: tree}, nil
	}
	switch a.protocol {
	case V2:
		return a.readV2(tree)
	case TensorFlow:
		return readTensorFlow(tree)
	}
	if a.method == Explain {
		if object, ok := tree.(map[string]any); ok && object["status"] == nil && object["data"] == nil && object["jsonData"] == nil {
			return &Message{Kind: "jsonData", Value: tree, Tree: tree}, nil
		}
	}
	return readSeldon(tree)
}
