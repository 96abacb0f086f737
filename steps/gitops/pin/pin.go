// Package pin sets images in manifests by changing the bytes of those values
// and no others: comments, order, style and line ends stay.
package pin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/model-delivery/model-delivery/steps/gitops/source"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Pin says which image goes where.
type Pin struct {
	// Name is that of a container, of an entry of a kustomization's images, or
	// of a parameter of an Argo CD Application. Empty: what has an image of
	// the same repository, or the only container.
	Name string
	// File and Path name a value of a Helm values file instead: File in the
	// source, and the keys to it. The value is a reference, or a mapping with
	// repository, tag and digest.
	File  string
	Path  []string
	Image Image
}

// Image is a reference with a digest.
type Image struct {
	Repository string // with the registry
	Tag        string // may be empty
	Digest     string // sha256:…
}

// String is the whole reference.
func (i Image) String() string {
	if i.Tag != "" {
		return i.Repository + ":" + i.Tag + "@" + i.Digest
	}
	return i.Repository + "@" + i.Digest
}

var digestRule = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Parse reads IMAGE, NAME=IMAGE or FILE:KEY.KEY=IMAGE, where IMAGE is a
// reference with a digest.
func Parse(text string) (Pin, error) {
	var p Pin
	name, image, ok := strings.Cut(text, "=")
	if !ok {
		name, image = "", text
	}
	if file, keys, ok := strings.Cut(name, ":"); ok {
		p.File, p.Path = file, strings.Split(keys, ".")
		if file == "" || slices.Contains(p.Path, "") {
			return Pin{}, step.WithHint(step.Invalidf("image %q: a value is named FILE:KEY.KEY", text), "values.yaml:model.image=IMAGE@sha256:DIGEST")
		}
	} else {
		p.Name = name
	}
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return Pin{}, step.Invalidf("image %q: %w", text, err)
	}
	repository, digest, _ := strings.Cut(image, "@")
	if !digestRule.MatchString(digest) {
		return Pin{}, step.WithHint(step.Invalidf("image %q is not pinned by digest", text), "promote what was tested: CONTAINER=IMAGE@sha256:DIGEST")
	}
	p.Image = Image{Repository: repository, Digest: digest}
	if at := strings.LastIndexByte(repository, ':'); at > strings.LastIndexByte(repository, '/') {
		p.Image.Repository, p.Image.Tag = repository[:at], repository[at+1:]
	}
	return p, nil
}

// String names a pin for people.
func (p Pin) String() string {
	switch {
	case p.File != "":
		return p.File + ":" + strings.Join(p.Path, ".") + "=" + p.Image.String()
	case p.Name != "":
		return p.Name + "=" + p.Image.String()
	}
	return p.Image.String()
}

// Apply returns the files with the images set. A pin that nothing takes is an
// error.
func Apply(files []source.File, pins []Pin) ([]source.File, error) {
	if len(pins) == 0 {
		return files, nil
	}
	out := slices.Clone(files)
	used := make([]bool, len(pins))
	for i, file := range out {
		// Templates of charts are no YAML; their images come from values.
		if !isYAML(file.Path) || strings.Contains("/"+file.Path, "/templates/") {
			continue
		}
		data, err := inFile(file, pins, used)
		if err != nil {
			return nil, step.Invalidf("the source's file %q: %w", file.Path, err)
		}
		out[i].Data = data
	}
	for i, p := range pins {
		if !used[i] {
			return nil, step.WithHint(step.Invalidf("no container takes the image %s", p), "names are those of containers, of a kustomization's images, or FILE:KEY.KEY of Helm values, in the manifests of the source")
		}
	}
	return out, nil
}

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".json") || source.IsKustomization(name)
}

// inFile sets the images of one file.
func inFile(file source.File, pins []Pin, used []bool) ([]byte, error) {
	nodes, err := source.Documents(file.Data)
	if err != nil {
		return nil, err
	}
	f := &finder{pins: pins, used: used}
	for _, document := range nodes {
		if len(document.Content) != 1 {
			continue
		}
		root := document.Content[0]
		for i, p := range pins {
			if p.File == file.Path {
				if err := f.value(root, i); err != nil {
					return nil, err
				}
			}
		}
		switch {
		case source.IsKustomization(file.Path):
			f.kustomization(root)
		case scalar(root, "kind") == "Application" && strings.HasPrefix(scalar(root, "apiVersion"), "argoproj.io/"):
			f.application(root)
		default:
			f.containers(root)
		}
	}
	if len(f.edits) == 0 {
		return file.Data, nil
	}
	return edit(file.Data, f.edits)
}

// deref follows an alias to what it stands for.
func deref(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// child returns the value of a key of a mapping, or nil.
func child(node *yaml.Node, key string) *yaml.Node {
	node = deref(node)
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// scalar returns the text of a scalar under a key, or "".
func scalar(node *yaml.Node, key string) string {
	if value := deref(child(node, key)); value != nil && value.Kind == yaml.ScalarNode {
		return value.Value
	}
	return ""
}

func sameRepository(a, b string) bool {
	x, errX := reference.ParseNormalizedNamed(a)
	y, errY := reference.ParseNormalizedNamed(b)
	return errX == nil && errY == nil && x.Name() == y.Name()
}

var errNoValue = fmt.Errorf("there is no such value")
