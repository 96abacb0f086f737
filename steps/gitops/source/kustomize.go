package source

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// pathFields are those of a kustomization whose values name files or
// directories, or inline YAML where nothing else is said.
var pathFields = []string{"resources", "bases", "components", "crds", "configurations", "generators", "transformers", "validators", "patchesStrategicMerge"}

// kustomization checks what a kustomization brings in: files of the source,
// and nothing else.
func (r Rules) kustomization(file File, files []File) error {
	nodes, err := Documents(file.Data)
	if err != nil {
		return step.Invalidf("the source's file %q: %w", file.Path, err)
	}
	for _, node := range nodes {
		fields, err := resolve(node)
		if err != nil {
			return step.Invalidf("the source's file %q: %w", file.Path, err)
		}
		if fields == nil {
			continue
		}
		if o := objectOf(fields); o.kind != "" && !(o.group() == "kustomize.config.k8s.io" && (o.kind == "Kustomization" || o.kind == "Component")) {
			return refuse(file.Path, fmt.Sprintf("has a %s where a kustomization belongs", o.kind))
		}
		if namespace, _ := fields["namespace"].(string); r.Namespace != "" && namespace != "" && namespace != r.Namespace {
			return refuse(file.Path, fmt.Sprintf("puts objects into namespace %s, not %s", namespace, r.Namespace))
		}
		for _, field := range []string{"helmCharts", "helmChartInflationGenerator", "helmGlobals", "openapi"} {
			if fields[field] != nil {
				return refuse(file.Path, "uses "+field+", which brings in what is not in the source")
			}
		}
		for _, field := range pathFields {
			list, _ := fields[field].([]any)
			for _, item := range list {
				name, _ := item.(string)
				if strings.Contains(name, "\n") {
					continue // YAML in the place of a file, applied to what is there
				}
				if !brought(path.Dir(file.Path), name, files) {
					return refuse(file.Path, fmt.Sprintf("brings in %q, which is not in the source", name))
				}
			}
		}
		if name, ok := outside(fields, path.Dir(file.Path)); ok {
			return refuse(file.Path, fmt.Sprintf("names %q, which is not in the source", name))
		}
	}
	return nil
}

// brought tells whether a name in the directory dir is a file of the source, or
// a directory with files of it.
func brought(dir, name string, files []File) bool {
	if name == "" || !inside(dir, name) {
		return false
	}
	full := path.Join(dir, name)
	return slices.ContainsFunc(files, func(f File) bool { return f.Path == full || strings.HasPrefix(f.Path, full+"/") })
}

// inside tells whether a relative path stays in the source.
func inside(dir, name string) bool {
	if strings.HasPrefix(name, "/") || strings.Contains(name, "://") {
		return false
	}
	full := path.Join(dir, name)
	return full != ".." && !strings.HasPrefix(full, "../")
}

// outside looks for a path or file out of the source in the fields that name
// files further down: of patches, replacements and generators.
func outside(value any, dir string) (string, bool) {
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			texts := []any{item}
			if list, ok := item.([]any); ok {
				texts = list
			}
			if slices.Contains([]string{"path", "files", "envs", "env"}, key) {
				for _, text := range texts {
					name, _ := text.(string)
					// files: [KEY=PATH]
					if _, after, ok := strings.Cut(name, "="); ok && key == "files" {
						name = after
					}
					// The path of a JSON patch begins with a slash and is no file.
					if name != "" && !inside(dir, name) && !(key == "path" && value["op"] != nil) {
						return name, true
					}
				}
			}
			if name, ok := outside(item, dir); ok {
				return name, true
			}
		}
	case []any:
		for _, item := range value {
			if name, ok := outside(item, dir); ok {
				return name, true
			}
		}
	}
	return "", false
}
