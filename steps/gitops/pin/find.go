package pin

import (
	"fmt"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// maxNodes bounds how many nodes are looked at: aliases can make a small file
// a large tree.
const maxNodes = 1_000_000

// finder collects the edits that pins ask for.
type finder struct {
	pins  []Pin
	used  []bool
	edits []change
	seen  int
}

// set makes a scalar the value, unless it is already.
func (f *finder) set(node *yaml.Node, value string) {
	node = deref(node)
	if node.Value == value && node.Kind == yaml.ScalarNode {
		return
	}
	for _, e := range f.edits {
		if e.node == node && e.value == value {
			return // reached by an alias, too
		}
	}
	f.edits = append(f.edits, change{node: node, value: value})
}

// containers looks for lists of containers anywhere below node: in a pod, in
// what makes pods, in a SeldonDeployment.
func (f *finder) containers(node *yaml.Node) {
	node = deref(node)
	if f.seen++; f.seen > maxNodes || node == nil {
		return
	}
	switch node.Kind {
	case yaml.SequenceNode:
		for _, item := range node.Content {
			f.containers(item)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			value := deref(node.Content[i+1])
			switch node.Content[i].Value {
			case "containers", "initContainers", "ephemeralContainers":
				if value.Kind == yaml.SequenceNode {
					f.list(value.Content)
					continue
				}
			}
			f.containers(value)
		}
	}
}

func (f *finder) list(containers []*yaml.Node) {
	for _, container := range containers {
		image := child(container, "image")
		if target := deref(image); target == nil || target.Kind != yaml.ScalarNode {
			continue
		}
		for i, p := range f.pins {
			if p.File == "" && takes(p, scalar(container, "name"), deref(image).Value, len(containers)) {
				f.used[i] = true
				f.set(image, p.Image.String())
				break
			}
		}
	}
}

func takes(p Pin, container, image string, containers int) bool {
	if p.Name != "" {
		return p.Name == container
	}
	return sameRepository(p.Image.Repository, image) || containers == 1
}

// kustomization sets entries of the field images: newName and digest, and no
// newTag beside the digest.
func (f *finder) kustomization(root *yaml.Node) {
	images := deref(child(root, "images"))
	if images == nil || images.Kind != yaml.SequenceNode {
		return
	}
	for _, entry := range images.Content {
		entry = deref(entry)
		name := scalar(entry, "name")
		for i, p := range f.pins {
			if p.File != "" || !(p.Name == name && name != "" || p.Name == "" && (sameRepository(p.Image.Repository, name) || len(images.Content) == 1)) {
				continue
			}
			f.used[i] = true
			if name != p.Image.Repository || child(entry, "newName") != nil {
				f.key(entry, "newName", p.Image.Repository)
			}
			f.key(entry, "digest", p.Image.Digest)
			if child(entry, "newTag") != nil {
				f.edits = append(f.edits, change{node: entry, remove: "newTag"})
			}
			break
		}
	}
}

// key sets a key of a mapping, which gets it when it has none.
func (f *finder) key(mapping *yaml.Node, key, value string) {
	if node := child(mapping, key); node != nil {
		f.set(node, value)
		return
	}
	f.edits = append(f.edits, change{node: mapping, insert: key, value: value})
}

// application sets parameters of an Argo CD Application: Helm parameters by
// their name, and kustomize images.
func (f *finder) application(root *yaml.Node) {
	spec := child(root, "spec")
	sources := []*yaml.Node{child(spec, "source")}
	if list := deref(child(spec, "sources")); list != nil && list.Kind == yaml.SequenceNode {
		sources = append(sources, list.Content...)
	}
	for _, from := range sources {
		if parameters := deref(child(child(from, "helm"), "parameters")); parameters != nil && parameters.Kind == yaml.SequenceNode {
			for _, parameter := range parameters.Content {
				f.parameter(parameter)
			}
		}
		if images := deref(child(child(from, "kustomize"), "images")); images != nil && images.Kind == yaml.SequenceNode {
			for _, image := range images.Content {
				f.kustomizeImage(image, len(images.Content))
			}
		}
	}
}

// parameter sets NAME, or NAME.repository, NAME.tag and NAME.digest.
func (f *finder) parameter(parameter *yaml.Node) {
	name, value := scalar(parameter, "name"), child(parameter, "value")
	if value == nil || deref(value).Kind != yaml.ScalarNode {
		return
	}
	for i, p := range f.pins {
		if p.File != "" || p.Name == "" {
			continue
		}
		switch name {
		case p.Name:
			f.set(value, p.Image.String())
		case p.Name + ".repository":
			f.set(value, p.Image.Repository)
		case p.Name + ".tag":
			f.set(value, p.Image.tag())
		case p.Name + ".digest":
			f.set(value, p.Image.Digest)
		default:
			continue
		}
		f.used[i] = true
		return
	}
}

// kustomizeImage sets an override NAME=IMAGE or IMAGE.
func (f *finder) kustomizeImage(node *yaml.Node, overrides int) {
	target := deref(node)
	if target.Kind != yaml.ScalarNode {
		return
	}
	name, _, named := strings.Cut(target.Value, "=")
	for i, p := range f.pins {
		switch {
		case p.File != "":
		case named && (p.Name == name || p.Name == "" && overrides == 1):
			f.used[i] = true
			f.set(node, name+"="+p.Image.String())
			return
		case !named && (p.Name == "" && (overrides == 1 || sameRepository(p.Image.Repository, target.Value)) || p.Name != "" && sameRepository(p.Name, target.Value)):
			f.used[i] = true
			f.set(node, p.Image.String())
			return
		}
	}
}

// tag is what a chart that knows no digests takes for a tag: it writes
// REPOSITORY:TAG.
func (i Image) tag() string {
	tag := i.Tag
	if tag == "" {
		tag = "latest"
	}
	return tag + "@" + i.Digest
}

// value sets what pin number i names by its path.
func (f *finder) value(root *yaml.Node, i int) error {
	p := f.pins[i]
	node := root
	for _, key := range p.Path {
		node = child(node, key)
	}
	target := deref(node)
	switch {
	case target == nil:
		return fmt.Errorf("%s: %w", strings.Join(p.Path, "."), errNoValue)
	case target.Kind == yaml.ScalarNode:
		f.set(node, p.Image.String())
	case target.Kind == yaml.MappingNode && child(target, "repository") != nil:
		repository := p.Image.Repository
		if registry := child(target, "registry"); registry != nil {
			host, rest, ok := strings.Cut(repository, "/")
			if !ok {
				return fmt.Errorf("%s: the image %s names no registry", strings.Join(p.Path, "."), p.Image)
			}
			f.set(registry, host)
			repository = rest
		}
		f.set(child(target, "repository"), repository)
		if digest := child(target, "digest"); digest != nil {
			f.set(digest, p.Image.Digest)
			if tag := child(target, "tag"); tag != nil && p.Image.Tag != "" {
				f.set(tag, p.Image.Tag)
			}
		} else {
			f.key(target, "tag", p.Image.tag())
		}
	default:
		return fmt.Errorf("%s is neither a reference nor a mapping with repository, tag and digest", strings.Join(p.Path, "."))
	}
	f.used[i] = true
	return nil
}
