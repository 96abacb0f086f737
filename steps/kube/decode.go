package kube

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	yaml3 "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Bounds of what is read as manifests.
const (
	// MaxManifestBytes bounds one file or answer. The largest in use, a
	// generated definition of pods within pods, has 3 MB.
	MaxManifestBytes = 32 << 20
	// MaxObjects bounds the objects of one source.
	MaxObjects = 10_000
)

// sourceAnnotation carries where an object came from until it is applied. It
// never reaches the cluster.
const sourceAnnotation = "model-delivery.dev/source"

// Decode reads the objects of a YAML or JSON stream: several documents, empty
// ones, JSON texts one after the other, and lists (kind List) are understood. source, a file name or a URL, is
// named in errors together with the document's number.
func Decode(data []byte, source string) ([]*unstructured.Unstructured, error) {
	if len(data) > MaxManifestBytes {
		return nil, step.Invalidf("%s: larger than %d MiB", source, MaxManifestBytes>>20)
	}
	var objs []*unstructured.Unstructured
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objs, nil
		}
		if err != nil {
			return nil, step.Invalidf("%s: document %d: %w", source, n, err)
		}
		decoded, err := decodeDocument(document)
		if err != nil {
			return nil, step.Invalidf("%s: document %d: %w", source, n, err)
		}
		for _, obj := range decoded {
			where := source
			if n > 1 {
				where = fmt.Sprintf("%s, document %d", source, n)
			}
			if err := check(obj); err != nil {
				return nil, step.Invalidf("%s: document %d: %w", source, n, err)
			}
			setSource(obj, where)
		}
		if objs = append(objs, decoded...); len(objs) > MaxObjects {
			return nil, step.Invalidf("%s: more than %d objects", source, MaxObjects)
		}
	}
}

func decodeDocument(document []byte) ([]*unstructured.Unstructured, error) {
	if texts := jsonStream(document); texts != nil {
		var objs []*unstructured.Unstructured
		for i, text := range texts {
			decoded, err := decodeJSON(text)
			if err != nil && len(texts) > 1 {
				return nil, fmt.Errorf("JSON text %d: %w", i+1, err)
			}
			if err != nil {
				return nil, err
			}
			objs = append(objs, decoded...)
		}
		return objs, nil
	}
	data, err := sigsyaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
	}
	if err := nothingFollows(document); err != nil {
		return nil, err
	}
	return decodeJSON(data)
}

// jsonStream parts a document that consists of JSON texts, one after the other;
// nil when it does not. JSON may be indented with tabs, YAML may not.
func jsonStream(document []byte) []json.RawMessage {
	if !bytes.HasPrefix(bytes.TrimSpace(document), []byte("{")) {
		return nil
	}
	var texts []json.RawMessage
	for decoder := json.NewDecoder(bytes.NewReader(document)); ; {
		var text json.RawMessage
		switch err := decoder.Decode(&text); {
		case errors.Is(err, io.EOF):
			return texts
		case err != nil:
			return nil // perhaps YAML, which also has braces
		}
		texts = append(texts, text)
	}
}

// mayFollow finds lines with which a second document could begin unmarked.
var mayFollow = regexp.MustCompile(`(?m)^[ \t]*(\{|\.\.\.)`)

// nothingFollows refuses what comes after the end of a YAML document without
// the --- that begins another: it would not be read.
func nothingFollows(document []byte) error {
	if !mayFollow.Match(document) {
		return nil
	}
	var first, second yaml3.Node
	decoder := yaml3.NewDecoder(bytes.NewReader(document))
	if err := decoder.Decode(&first); err != nil {
		return nil // nothing in it, or what the other reader has been content with
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end of the object: objects are parted by lines of ---, or all of them are JSON")
	}
	return nil
}

func decodeJSON(data []byte) ([]*unstructured.Unstructured, error) {
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || bytes.Equal(trimmed, []byte("null")) {
		return nil, nil
	}
	var probe unstructured.Unstructured
	if err := sigsyaml.Unmarshal(data, &probe.Object); err != nil {
		return nil, errors.New("is no object")
	}
	if probe.GetKind() == "" || probe.GetAPIVersion() == "" {
		return nil, errors.New("has no apiVersion and kind")
	}
	if err := probe.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	if !probe.IsList() {
		return []*unstructured.Unstructured{&probe}, nil
	}
	list, err := probe.ToList()
	if err != nil {
		return nil, err
	}
	objs := make([]*unstructured.Unstructured, 0, len(list.Items))
	for i := range list.Items {
		objs = append(objs, &list.Items[i])
	}
	return objs, nil
}

func check(obj *unstructured.Unstructured) error {
	switch {
	case obj.GetKind() == "" || obj.GetAPIVersion() == "":
		return errors.New("an object of the list has no apiVersion and kind")
	case obj.GetName() == "" && obj.GetGenerateName() == "":
		return fmt.Errorf("%s has no metadata.name", obj.GetKind())
	}
	if _, _, err := unstructured.NestedString(obj.Object, "metadata", "namespace"); err != nil {
		return fmt.Errorf("%s: metadata.namespace is no text (YAML reads no, yes, on, off, y and n as truth values: quote them)", obj.GetName())
	}
	return nil
}

func setSource(obj *unstructured.Unstructured, source string) {
	annotations := obj.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[sourceAnnotation] = source
	obj.SetAnnotations(annotations)
}

// Source tells where a decoded object came from, or "".
func Source(obj *unstructured.Unstructured) string { return obj.GetAnnotations()[sourceAnnotation] }

// dropSource removes what only we put there.
func dropSource(obj *unstructured.Unstructured) {
	annotations := obj.GetAnnotations()
	if _, ok := annotations[sourceAnnotation]; !ok {
		return
	}
	delete(annotations, sourceAnnotation)
	if len(annotations) == 0 {
		annotations = nil
	}
	obj.SetAnnotations(annotations)
}
