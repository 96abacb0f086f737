package gitops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Bounds of a source: what a model's manifests are, a model repository is not
// trusted to keep to.
const (
	maxFiles     = 500
	maxFileBytes = 1 << 20
	maxBytes     = 10 << 20
)

// DefaultKinds are the kinds of objects that a model may bring to an
// environment: workloads and what belongs to them, nothing that grants rights.
var DefaultKinds = []string{
	"SeldonDeployment", "InferenceService", "Deployment", "StatefulSet", "Service", "ConfigMap", "HorizontalPodAutoscaler",
	"PodDisruptionBudget", "NetworkPolicy", "Ingress", "HTTPRoute", "VirtualService", "Mapping", "ServiceMonitor", "PodMonitor",
	"PrometheusRule", "ScaledObject", "PersistentVolumeClaim", "Kustomization", "Application",
}

// File is one file of a source.
type File struct {
	Path       string // slash-separated, inside the source
	Data       []byte
	Executable bool
}

// SourceRules say what a source may hold.
type SourceRules struct {
	Kinds     []string // allowed kinds of objects
	Namespace string   // the only namespace that objects may name; empty: any
}

// LoadSource reads the directory that is promoted. Anything that could do more
// than add manifests is refused, with the file and the reason: links, devices,
// names that git or a file system gives a meaning to, other kinds of objects,
// other namespaces.
func LoadSource(dir string, rules SourceRules) ([]File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, step.WithHint(step.Invalidf("opening the source: %w", err), "--source is the directory with the model's manifests")
	}
	defer root.Close()
	var files []File
	total := 0
	folded := map[string]string{}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return step.Invalidf("reading the source: %w", err)
		}
		if name == "." {
			return nil
		}
		if err := checkName(name); err != nil {
			return err
		}
		lower := strings.ToLower(name)
		if other, ok := folded[lower]; ok {
			return refuse(name, fmt.Sprintf("differs from %q only in case", other))
		}
		folded[lower] = name
		if entry.IsDir() {
			return nil
		}
		if len(files) == maxFiles {
			return step.Invalidf("the source has more than %d files", maxFiles)
		}
		file, err := readFile(root, name)
		if err != nil {
			return err
		}
		if total += len(file.Data); total > maxBytes {
			return step.Invalidf("the source has more than %d bytes", maxBytes)
		}
		files = append(files, file)
		return checkObjects(file, rules)
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, step.WithHint(step.Invalidf("the source %s has no files", dir), "promoting it would delete what is deployed")
	}
	return files, nil
}

func refuse(name, why string) error {
	return step.WithHint(step.Invalidf("the source's file %q %s", name, why), "nothing was promoted: take the file out of the source")
}

// checkName refuses names that mean something to git, to a file system or to
// who reads a log.
func checkName(name string) error {
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == '\\' || r == ':' {
			return refuse(name, "has a character in its name that is not allowed")
		}
	}
	base := strings.ToLower(strings.TrimRight(path.Base(name), ". "))
	// Invisible characters, which some file systems drop.
	plain := strings.Map(func(r rune) rune {
		if r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x206a && r <= 0x206f || r == 0xfeff {
			return -1
		}
		return r
	}, base)
	if strings.HasPrefix(plain, ".git") || strings.HasPrefix(plain, "git~") {
		return refuse(name, "is one that git gives a meaning to")
	}
	return nil
}

func readFile(root *os.Root, name string) (File, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return File{}, step.Invalidf("reading the source: %w", err)
	}
	if !info.Mode().IsRegular() {
		return File{}, refuse(name, "is no regular file ("+info.Mode().Type().String()+")")
	}
	if info.Size() > maxFileBytes {
		return File{}, refuse(name, fmt.Sprintf("has more than %d bytes", maxFileBytes))
	}
	f, err := root.Open(name)
	if err != nil {
		return File{}, step.Invalidf("reading the source: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return File{}, step.Invalidf("reading the source: %w", err)
	}
	return File{Path: name, Data: data, Executable: info.Mode()&0o111 != 0}, nil
}

// isManifest tells whether a file holds objects. Templates of a Helm chart do
// not parse and are the chart's own business.
func isManifest(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return !strings.Contains("/"+name, "/templates/") && !slices.Contains([]string{"Chart.yaml", "values.yaml", "values.schema.json"}, path.Base(name))
	}
	return false
}

// documents parses a manifest's documents.
func documents(data []byte) ([]*yaml.Node, error) {
	var nodes []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		node := &yaml.Node{}
		err := decoder.Decode(node)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, err
		}
		if len(node.Content) == 1 {
			nodes = append(nodes, node.Content[0])
		}
	}
}

func checkObjects(file File, rules SourceRules) error {
	if !isManifest(file.Path) {
		return nil
	}
	nodes, err := documents(file.Data)
	if err != nil {
		return step.Invalidf("the source's file %q: %w", file.Path, err)
	}
	for _, node := range nodes {
		if node.Kind != yaml.MappingNode {
			continue // an empty document
		}
		kind := scalar(node, "kind")
		if kind == "" {
			return refuse(file.Path, "has a document without a kind")
		}
		if !slices.Contains(rules.Kinds, kind) {
			return refuse(file.Path, fmt.Sprintf("has a %s, which is not among the kinds that are promoted (--allow-kind)", kind))
		}
		namespace := scalar(child(node, "metadata"), "namespace")
		if rules.Namespace != "" && namespace != "" && namespace != rules.Namespace {
			return refuse(file.Path, fmt.Sprintf("has a %s in namespace %s, not %s", kind, namespace, rules.Namespace))
		}
	}
	return nil
}

// child returns the value of a key of a mapping, or nil.
func child(node *yaml.Node, key string) *yaml.Node {
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
	if value := child(node, key); value != nil && value.Kind == yaml.ScalarNode {
		return value.Value
	}
	return ""
}
