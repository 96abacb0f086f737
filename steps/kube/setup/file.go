package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/step"
)

// APIVersion and Kind of setup files.
const (
	APIVersion = "model-delivery.dev/v1"
	Kind       = "ClusterSetup"
)

// maxFileBytes bounds a setup file, maxEntries what it lists.
const (
	maxFileBytes = 1 << 20
	maxEntries   = 200
)

// File is a setup file.
type File struct {
	APIVersion string  `yaml:"apiVersion"`
	Kind       string  `yaml:"kind"`
	Install    []Entry `yaml:"install"`
}

// Entry is one thing to install. Exactly one of Profile, Chart, Kustomize and
// Manifests says what.
type Entry struct {
	// Name of the entry and of a chart's release. Empty: the profile's or the
	// chart's name.
	Name string `yaml:"name"`
	// Namespace for objects that name none. It is made when it is missing.
	// Empty: the profile's, else the entry's name.
	Namespace string     `yaml:"namespace"`
	Profile   string     `yaml:"profile"`
	Chart     *Chart     `yaml:"chart"`
	Kustomize *Kustomize `yaml:"kustomize"`
	Manifests []Manifest `yaml:"manifests"`
	// Values go over those of the profile's chart.
	Values yaml.Node `yaml:"values"`
	// Needs names the entries that have to be ready before.
	Needs []string `yaml:"needs"`
	// Timeout bounds the entry, from the moment that what it needs is ready.
	// Zero: whatever is left of the whole.
	Timeout Duration `yaml:"timeout"`

	where string         // the setup file's name, for errors
	lines map[string]int // of its fields; "" is the entry's own
	root  string         // directory that may be read
	dir   string         // below root, where its paths are relative to
}

// Chart is a Helm chart. Exactly one of Repository, OCI and Path is set.
type Chart struct {
	Repository  string    `yaml:"repository"`
	OCI         string    `yaml:"oci"`
	Path        string    `yaml:"path"`
	Name        string    `yaml:"name"`
	Version     string    `yaml:"version"`
	SHA256      string    `yaml:"sha256"`
	ValuesFiles []string  `yaml:"valuesFiles"`
	Values      yaml.Node `yaml:"values"`
	SkipCRDs    bool      `yaml:"skipCRDs"`
}

// Kustomize is a directory with a kustomization.
type Kustomize struct {
	Path string `yaml:"path"`
}

// Manifest is where manifests are read from. Exactly one of File, Directory
// and URL is set; a URL needs a checksum.
type Manifest struct {
	File      string `yaml:"file"`
	Directory string `yaml:"directory"`
	URL       string `yaml:"url"`
	SHA256    string `yaml:"sha256"`
}

// Duration is a time.Duration written as 90s or 5m.
type Duration time.Duration

// UnmarshalYAML implements [yaml.Unmarshaler].
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := time.ParseDuration(node.Value)
	if err != nil || parsed <= 0 {
		return fmt.Errorf("line %d: %q is no duration such as 90s or 5m", node.Line, node.Value)
	}
	*d = Duration(parsed)
	return nil
}

// hintFields reminds of the format where a field is not known.
const hintFields = "an entry has: name, namespace, needs, timeout and one of " +
	"profile (with values), " +
	"chart {repository|oci|path, name, version, sha256, values, valuesFiles, skipCRDs}, " +
	"kustomize {path}, " +
	"manifests [{file|directory|url, sha256}]"

// Parse reads a setup file strictly: fields that are not known, given twice or
// of the wrong type are errors, each with its line. source is the file's name in
// errors. Entries are checked one by one; that they fit together is checked by
// [NewPlan].
func Parse(data []byte, source string) (*File, error) {
	if len(data) > maxFileBytes {
		return nil, step.Invalidf("%s: larger than %d MiB", source, maxFileBytes>>20)
	}
	var file File
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, step.Invalidf("%s: is empty", source)
		}
		return nil, step.WithHint(step.Invalid(located(source, err)), hintFields)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, step.Invalidf("%s: holds more than one document", source)
	}
	if file.APIVersion != APIVersion || file.Kind != Kind {
		return nil, step.Invalidf("%s: is %s %q of %q, not %s of %s", source, "kind", file.Kind, file.APIVersion, Kind, APIVersion)
	}
	if len(file.Install) == 0 || len(file.Install) > maxEntries {
		return nil, step.Invalidf("%s: lists %d entries under install; 1 to %d are possible", source, len(file.Install), maxEntries)
	}
	locate(&file, data, source)
	var problems []error
	for i := range file.Install {
		problems = append(problems, file.Install[i].check()...)
	}
	if len(problems) > 0 {
		return nil, step.WithHint(step.Invalid(errors.Join(problems...)), hintFields)
	}
	return &file, nil
}

// locate notes the line of each entry and of its fields.
func locate(file *File, data []byte, source string) {
	var root yaml.Node
	if yaml.Unmarshal(data, &root) != nil || len(root.Content) == 0 {
		return
	}
	install := child(root.Content[0], "install")
	for i := range file.Install {
		entry := &file.Install[i]
		entry.where, entry.lines = source, map[string]int{}
		if install == nil || i >= len(install.Content) {
			continue
		}
		node := install.Content[i]
		if node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		entry.lines[""] = node.Line
		for k := 0; k+1 < len(node.Content); k += 2 {
			entry.lines[node.Content[k].Value] = node.Content[k].Line
		}
	}
}

func child(node *yaml.Node, key string) *yaml.Node {
	for k := 0; node.Kind == yaml.MappingNode && k+1 < len(node.Content); k += 2 {
		if node.Content[k].Value == key {
			return node.Content[k+1]
		}
	}
	return nil
}

// errorf makes an error that names the file and the line of a field.
func (e *Entry) errorf(field, format string, args ...any) error {
	where := e.where
	if line := e.lines[field]; line > 0 {
		where += ":" + strconv.Itoa(line)
	} else if line := e.lines[""]; line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	title := ""
	if e.Name != "" {
		title = "entry " + e.Name + ": "
	}
	return fmt.Errorf("%s: %s%s", where, title, fmt.Sprintf(format, args...))
}

var (
	lineError = regexp.MustCompile(`line (\d+): (.*)`)
	inType    = regexp.MustCompile(` (not found|already set) in type \S+`)
)

// located turns what the YAML library says into FILE:LINE: MESSAGE.
func located(source string, err error) error {
	var out []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		match := lineError.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		message := inType.ReplaceAllStringFunc(match[2], func(found string) string {
			if strings.Contains(found, "already") {
				return " is given twice"
			}
			return " is not known"
		})
		message = regexp.MustCompile(` into (setup\.\S+|\[\]\S+|map\[\S+|string|bool)`).ReplaceAllString(message, " here")
		out = append(out, fmt.Errorf("%s:%s: %s", source, match[1], message))
	}
	if len(out) == 0 {
		return fmt.Errorf("%s: %w", source, err)
	}
	return errors.Join(out...)
}
