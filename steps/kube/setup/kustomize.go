package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// buildKustomization builds the kustomization in a directory below root. Files
// outside of root and resources from the network are refused.
func buildKustomization(root, dir string) ([]*unstructured.Unstructured, error) {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, step.Invalidf("kustomization %s: %w", dir, err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, step.Invalidf("kustomization %s: %w", dir, err)
	}
	fsys := &confined{FileSystem: filesys.MakeFsOnDisk(), root: real}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fsys, filepath.Join(real, dir))
	if fsys.refused != nil {
		return nil, step.WithHint(step.Invalidf("kustomization %s: %w", dir, fsys.refused),
			"what comes from the network goes under `manifests` with its sha256, or into the repository")
	}
	if err != nil {
		return nil, step.Invalidf("kustomization %s: %w", dir, err)
	}
	data, err := resources.AsYaml()
	if err != nil {
		return nil, step.Invalidf("kustomization %s: %w", dir, err)
	}
	return kube.Decode(data, "kustomization "+dir)
}

// confined is a file system of which only what lies below root can be read, and
// whose kustomizations name nothing on the network: kustomize would fetch that
// with git or HTTP, unpinned, as a side effect of reading.
type confined struct {
	filesys.FileSystem
	root    string
	refused error // the first refusal, which kustomize would bury in others
}

func (c *confined) allowed(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if real, err = filepath.Abs(real); err != nil {
		return err
	}
	if real == c.root || strings.HasPrefix(real, c.root+string(filepath.Separator)) {
		return nil
	}
	return c.refuse(fmt.Errorf("%s leads out of the directory that may be read", path))
}

func (c *confined) refuse(err error) error {
	if c.refused == nil {
		c.refused = err
	}
	return err
}

// ReadFile implements filesys.FileSystem.
func (c *confined) ReadFile(path string) ([]byte, error) {
	if err := c.allowed(path); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Size() > kube.MaxManifestBytes {
		return nil, c.refuse(fmt.Errorf("%s is larger than %d MiB", path, kube.MaxManifestBytes>>20))
	}
	data, err := c.FileSystem.ReadFile(path)
	if err == nil && slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, filepath.Base(path)) {
		err = c.checkLocal(data, filepath.Dir(path))
	}
	return data, err
}

// Open implements filesys.FileSystem.
func (c *confined) Open(path string) (filesys.File, error) {
	if err := c.allowed(path); err != nil {
		return nil, err
	}
	return c.FileSystem.Open(path)
}

// ReadDir implements filesys.FileSystem.
func (c *confined) ReadDir(path string) ([]string, error) {
	if err := c.allowed(path); err != nil {
		return nil, err
	}
	return c.FileSystem.ReadDir(path)
}

// checkLocal refuses a kustomization that names something that is not there:
// whatever is not a local path, kustomize takes for an address.
func (c *confined) checkLocal(data []byte, dir string) error {
	var kustomization map[string]any
	if err := yaml.Unmarshal(data, &kustomization); err != nil {
		return nil // kustomize says so better
	}
	for _, field := range []string{"resources", "bases", "components", "crds", "configurations", "generators", "transformers",
		"validators", "patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "configMapGenerator", "secretGenerator", "openapi"} {
		for _, name := range paths(kustomization[field], field) {
			if strings.Contains(name, "://") || strings.HasPrefix(name, "git@") {
				return c.refuse(fmt.Errorf("%s: %s is on the network", filepath.Base(dir), name))
			}
			if field != "resources" && field != "bases" && field != "components" || strings.ContainsAny(name, "\n") {
				continue
			}
			if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
				return c.refuse(fmt.Errorf("%s: %s is not in the repository", filepath.Base(dir), name))
			}
		}
	}
	return nil
}

// paths lists the strings of a field that kustomize takes for paths.
func paths(value any, field string) []string {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		var out []string
		for _, item := range value {
			out = append(out, paths(item, field)...)
		}
		return out
	case map[string]any:
		var out []string
		for _, key := range []string{"path", "files", "envs", "env"} {
			for _, text := range paths(value[key], field) {
				if key == "files" {
					if _, after, named := strings.Cut(text, "="); named {
						text = after
					}
				}
				out = append(out, text)
			}
		}
		return out
	}
	return nil
}
