package setup

import (
	"encoding/hex"
	"errors"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"
)

// check tells all that is wrong with an entry by itself, and fills in what it
// leaves out.
func (e *Entry) check() []error {
	var problems []error
	add := func(field, format string, args ...any) { problems = append(problems, e.errorf(field, format, args...)) }

	e.fillNames()
	if e.Name == "" {
		add("", "has no name")
	} else if messages := validation.IsDNS1123Label(e.Name); len(messages) > 0 {
		add("name", "name %q: %s", e.Name, messages[0])
	}
	if e.Namespace != "" {
		if messages := validation.IsDNS1123Label(e.Namespace); len(messages) > 0 {
			add("namespace", "namespace %q: %s", e.Namespace, messages[0])
		}
	}
	sources := 0
	for _, given := range []bool{e.Profile != "", e.Chart != nil, e.Kustomize != nil, e.Manifests != nil} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		add("", "needs exactly one of profile, chart, kustomize and manifests, has %d", sources)
	}
	if !e.Values.IsZero() && e.Profile == "" {
		add("values", "values belong to a profile; those of a chart go below chart")
	}
	if e.Profile != "" {
		if _, ok := profileFiles[e.Profile]; !ok {
			add("profile", "profile %q is not known; there are %s", e.Profile, strings.Join(Profiles(), ", "))
		}
		problems = append(problems, e.checkMapping("values", &e.Values)...)
	}
	problems = append(problems, e.checkChart()...)
	if e.Kustomize != nil {
		if err := local(e.Kustomize.Path); err != nil {
			add("kustomize", "kustomize.path %q: %v", e.Kustomize.Path, err)
		}
	}
	if e.Manifests != nil && len(e.Manifests) == 0 {
		add("manifests", "manifests is empty")
	}
	for _, m := range e.Manifests {
		problems = append(problems, e.checkManifest(m)...)
	}
	if slices.Contains(e.Needs, e.Name) {
		add("needs", "needs itself")
	}
	return problems
}

// fillNames takes a name from what is installed where the entry has none.
func (e *Entry) fillNames() {
	if e.Name == "" {
		e.Name = e.Profile
	}
	if e.Name == "" && e.Chart != nil {
		e.Name = e.Chart.Name
	}
}

func (e *Entry) checkChart() []error {
	c := e.Chart
	if c == nil {
		return nil
	}
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, e.errorf("chart", format, args...)) }
	sources := slices.DeleteFunc([]string{c.Repository, c.OCI, c.Path}, func(s string) bool { return s == "" })
	if len(sources) != 1 {
		add("chart needs exactly one of repository, oci and path, has %d", len(sources))
	}
	if c.Repository != "" {
		if err := webURL(c.Repository); err != nil {
			add("chart.repository %v", err)
		}
		if c.Name == "" {
			add("chart.name is missing")
		}
	}
	if c.OCI != "" && (!strings.HasPrefix(c.OCI, "oci://") || strings.Contains(c.OCI, "@")) {
		add("chart.oci %q has not the form oci://REGISTRY/PATH", c.OCI)
	}
	if c.Path == "" && c.Version == "" {
		add("chart.version is missing: what is not pinned changes by itself")
	}
	for _, file := range append(slices.Clone(c.ValuesFiles), c.Path) {
		if err := local(file); file != "" && err != nil {
			add("chart: %q: %v", file, err)
		}
	}
	if err := checksum(c.SHA256); err != nil {
		add("chart.sha256: %v", err)
	}
	return append(problems, e.checkMapping("chart", &c.Values)...)
}

func (e *Entry) checkManifest(m Manifest) []error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, e.errorf("manifests", format, args...)) }
	sources := slices.DeleteFunc([]string{m.File, m.Directory, m.URL}, func(s string) bool { return s == "" })
	if len(sources) != 1 {
		add("each of manifests needs exactly one of file, directory and url, one has %d", len(sources))
	}
	for _, path := range []string{m.File, m.Directory} {
		if err := local(path); path != "" && err != nil {
			add("manifests: %q: %v", path, err)
		}
	}
	if m.URL != "" {
		if err := webURL(m.URL); err != nil {
			add("manifests: %v", err)
		}
		if m.SHA256 == "" {
			add("manifests: url %s needs a sha256: what is behind it can change", m.URL)
		}
	}
	if m.Directory != "" && m.SHA256 != "" {
		add("manifests: a directory has no sha256")
	}
	if err := checksum(m.SHA256); err != nil {
		add("manifests: sha256: %v", err)
	}
	return problems
}

func (e *Entry) checkMapping(field string, node *yaml.Node) []error {
	if !node.IsZero() && node.Kind != yaml.MappingNode && node.Kind != yaml.AliasNode && node.ShortTag() != "!!null" {
		return []error{e.errorf(field, "values is no mapping")}
	}
	return nil
}

// local tells whether path can lie below the directory that may be read. What
// links do is seen when it is read.
func local(path string) error {
	switch {
	case path == "":
		return errors.New("is empty")
	case filepath.IsAbs(path):
		return errors.New("is absolute; paths are relative to the setup file")
	case strings.ContainsAny(path, "\x00\n"):
		return errors.New("is no path")
	}
	return nil
}

func webURL(text string) error {
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("is no URL")
	case parsed.Scheme != "https" && parsed.Scheme != "http", parsed.Host == "":
		return errors.New(text + " is no http or https URL")
	case parsed.User != nil:
		return errors.New("of " + parsed.Host + " holds a password; a setup file is no place for one")
	}
	return nil
}

func checksum(text string) error {
	raw, err := hex.DecodeString(strings.TrimPrefix(text, "sha256:"))
	if text != "" && (err != nil || len(raw) != 32) {
		return errors.New("is not 64 hexadecimal digits")
	}
	return nil
}

// Profiles lists the names of the profiles that come with the bundle.
func Profiles() []string { return slices.Sorted(maps.Keys(profileFiles)) }
