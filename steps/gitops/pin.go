package gitops

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/model-delivery/model-delivery/steps/step"
)

// ImagePin says which image a container gets.
type ImagePin struct {
	Container string // name of the container; empty: the one whose image has the same repository, or the only one
	Image     string // reference with digest
}

var pinned = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

// ParseImagePin reads CONTAINER=IMAGE@sha256:DIGEST, or the image alone.
func ParseImagePin(text string) (ImagePin, error) {
	container, image, ok := strings.Cut(text, "=")
	if !ok {
		container, image = "", text
	}
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return ImagePin{}, step.Invalidf("image %q: %w", text, err)
	}
	if !pinned.MatchString(image) {
		return ImagePin{}, step.WithHint(step.Invalidf("image %q is not pinned by digest", text), "promote what was tested: CONTAINER=IMAGE@sha256:DIGEST")
	}
	return ImagePin{Container: container, Image: image}, nil
}

// edit is one scalar of a file and its new value.
type edit struct {
	line, column int // from 1, as the parser counts
	old          *yaml.Node
	value        string
}

// PinImages sets images in every pod spec, SeldonDeployment and kustomization
// of the files. It changes the bytes of those scalars and no others, so that
// comments, order and style stay. An image that no container takes is an error.
func PinImages(files []File, pins []ImagePin) ([]File, error) {
	out := slices.Clone(files)
	used := make([]bool, len(pins))
	for i, file := range out {
		if !isManifest(file.Path) {
			continue
		}
		nodes, err := documents(file.Data)
		if err != nil {
			return nil, step.Invalidf("the source's file %q: %w", file.Path, err)
		}
		var edits []edit
		for _, node := range nodes {
			edits = append(edits, pinNode(node, pins, used)...)
		}
		if out[i].Data, err = apply(file.Data, edits); err != nil {
			return nil, step.Invalidf("the source's file %q: %w", file.Path, err)
		}
	}
	for i, pin := range pins {
		if !used[i] {
			return nil, step.WithHint(step.Invalidf("no container takes the image %s", describe(pin)), "containers are named in the manifests of the source")
		}
	}
	return out, nil
}

func describe(pin ImagePin) string {
	if pin.Container == "" {
		return pin.Image
	}
	return pin.Container + "=" + pin.Image
}

func pinNode(node *yaml.Node, pins []ImagePin, used []bool) []edit {
	var edits []edit
	switch node.Kind {
	case yaml.SequenceNode:
		for _, item := range node.Content {
			edits = append(edits, pinNode(item, pins, used)...)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i].Value, node.Content[i+1]
			if (key == "containers" || key == "initContainers") && value.Kind == yaml.SequenceNode {
				edits = append(edits, pinContainers(value.Content, pins, used)...)
				continue
			}
			edits = append(edits, pinNode(value, pins, used)...)
		}
	}
	return edits
}

func pinContainers(containers []*yaml.Node, pins []ImagePin, used []bool) []edit {
	var edits []edit
	for _, container := range containers {
		image := child(container, "image")
		if image == nil || image.Kind != yaml.ScalarNode {
			continue
		}
		for i, pin := range pins {
			if !takes(pin, scalar(container, "name"), image.Value, len(containers)) {
				continue
			}
			used[i] = true
			if image.Value != pin.Image {
				edits = append(edits, edit{line: image.Line, column: image.Column, old: image, value: pin.Image})
			}
			break
		}
	}
	return edits
}

func takes(pin ImagePin, container, image string, containers int) bool {
	if pin.Container != "" {
		return pin.Container == container
	}
	want, errWant := reference.ParseNormalizedNamed(pin.Image)
	has, errHas := reference.ParseNormalizedNamed(image)
	return errWant == nil && errHas == nil && want.Name() == has.Name() || containers == 1
}

// apply replaces scalars in data, the last first so that positions stay right.
func apply(data []byte, edits []edit) ([]byte, error) {
	slices.SortFunc(edits, func(a, b edit) int {
		if a.line != b.line {
			return b.line - a.line
		}
		return b.column - a.column
	})
	for _, e := range edits {
		start, err := offset(data, e.line, e.column)
		if err != nil {
			return nil, err
		}
		length, err := scalarLength(data[start:], e.old)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", e.line, err)
		}
		text := e.value
		if quote := data[start]; quote == '"' || quote == '\'' {
			text = string(quote) + text + string(quote)
		}
		data = slices.Concat(data[:start], []byte(text), data[start+length:])
	}
	return data, nil
}

// offset is the byte at a line and column. The parser counts characters.
func offset(data []byte, line, column int) (int, error) {
	at := 0
	for range line - 1 {
		next := bytes.IndexByte(data[at:], '\n')
		if next < 0 {
			return 0, fmt.Errorf("there is no line %d", line)
		}
		at += next + 1
	}
	rest := []rune(string(data[at:]))
	if column-1 > len(rest) {
		return 0, fmt.Errorf("line %d has no column %d", line, column)
	}
	return at + len(string(rest[:column-1])), nil
}

// scalarLength is how many bytes a plain or quoted scalar on one line has.
func scalarLength(data []byte, node *yaml.Node) (int, error) {
	for _, quote := range []string{"", `"`, "'"} {
		if text := quote + node.Value + quote; node.Value != "" && bytes.HasPrefix(data, []byte(text)) {
			return len(text), nil
		}
	}
	return 0, fmt.Errorf("image %q is not written as one plain or quoted word", node.Value)
}
