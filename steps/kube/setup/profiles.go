package setup

import (
	"embed"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

//go:embed profiles/*.yaml
var profileFS embed.FS

// profileFiles are the profiles that come with the bundle.
var profileFiles = map[string]string{
	"seldon-core": "profiles/seldon-core.yaml",
	"ambassador":  "profiles/ambassador.yaml",
}

// profile is a set of charts that are known to work with the bundle. The last
// entry is what the profile is about, those before it are what that one needs.
type profile struct {
	Install  []Entry `yaml:"install"`
	Registry []Entry `yaml:"registry"` // instead of Install, with a chart registry
}

// expand replaces an entry that names a profile by the profile's entries, with
// charts taken from a registry (oci://HOST/PATH) when one is given. The last
// one keeps the entry's name and gets its values.
func (e Entry) expand(registry string) ([]Entry, error) {
	if e.Profile == "" {
		return []Entry{e}, nil
	}
	data, err := profileFS.ReadFile(profileFiles[e.Profile])
	if err != nil {
		return nil, fmt.Errorf("read profile %s: %w", e.Profile, err)
	}
	var p profile
	if err := yaml.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("read profile %s: %w", e.Profile, err)
	}
	entries := p.Install
	if registry != "" && p.Registry != nil {
		entries = p.Registry
	}
	names := map[string]string{} // the profile's to the expanded
	for i := range entries {
		out := &entries[i]
		name := e.Name
		if i < len(entries)-1 {
			name = e.Name + "-" + out.Name
		}
		names[out.Name] = name
		for k, need := range out.Needs {
			out.Needs[k] = names[need]
		}
		out.Name, out.where, out.lines, out.root, out.dir = name, e.where, e.lines, e.root, e.dir
		out.Needs = append(out.Needs, e.Needs...)
		out.Timeout = e.Timeout
		if e.Namespace != "" {
			out.Namespace = e.Namespace
		}
		if registry != "" {
			out.Chart.Repository, out.Chart.OCI = "", registry
		}
	}
	entries[len(entries)-1].Values = e.Values
	return slices.Clip(entries), nil
}
