package components

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// koModule says which manifests of which modules ko resolves. The modules are
// required by a throw-away module, so that one build serves all of them.
type koModule struct {
	name      string
	requires  []string // "path version"
	manifests []string // files or directories of the modules, "path@version" first
	spec      local.KoSpec
}

// resolveModule returns the manifests with the images that ko built, from the
// cache when it and the registry have them.
func resolveModule(ctx context.Context, env *local.Env, module koModule) ([]byte, error) {
	described, err := json.Marshal([]any{module.requires, module.manifests, module.spec, env.State.Registry, env.State.Images["static"]})
	if err != nil {
		return nil, fmt.Errorf("describe the manifests of %s: %w", module.name, err)
	}
	key := cache.Key("manifests-"+module.name, string(described))
	if dir, found := env.Cache.Lookup(key); found {
		manifests, err := os.ReadFile(filepath.Join(dir, "manifests.yaml"))
		if err != nil {
			return nil, fmt.Errorf("read the manifests of %s: %w", module.name, err)
		}
		if pushed(ctx, env.State.Registry, manifests) {
			return manifests, nil
		}
		if err := env.Cache.Remove(ctx, key); err != nil {
			return nil, err
		}
	}
	dir, err := env.Cache.Dir(ctx, key, func(dir string) error {
		env.Logf("build the images of %s with ko", module.name)
		return module.resolve(ctx, env, dir)
	})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "manifests.yaml"))
}

func (m koModule) resolve(ctx context.Context, env *local.Env, dir string) error {
	text := "module build.local/" + m.name + "\n\ngo 1.26.0\n\n"
	for _, require := range m.requires {
		text += "require " + require + "\n"
	}
	spec := m.spec
	spec.Dir = filepath.Join(dir, "src")
	if err := cache.WriteFile(filepath.Join(spec.Dir, "go.mod"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write a module for ko: %w", err)
	}
	for _, manifest := range m.manifests {
		path, err := inModule(ctx, env, manifest)
		if err != nil {
			return err
		}
		spec.Manifests = append(spec.Manifests, path)
	}
	manifests, err := env.KoResolve(ctx, spec)
	if err != nil {
		return err
	}
	return cache.WriteFile(filepath.Join(dir, "manifests.yaml"), manifests, 0o644)
}

// moduleVersion matches the module at the start of path@version/file.
var moduleVersion = regexp.MustCompile(`^[^@]+@[^/]+`)

// inModule returns where a file of a module is on this machine.
func inModule(ctx context.Context, env *local.Env, file string) (string, error) {
	module := moduleVersion.FindString(file)
	if module == "" {
		return "", fmt.Errorf("%q is no file of a module", file)
	}
	dir, err := env.ModuleDir(ctx, module)
	return filepath.Join(dir, file[len(module):]), err
}

// pushed says whether the registry has every image of its own that the
// manifests name by digest.
func pushed(ctx context.Context, registry string, manifests []byte) bool {
	for _, found := range imagesOf(registry, manifests) {
		ref, err := name.NewDigest(found)
		if err != nil {
			return false
		}
		if _, err := remote.Head(ref, remote.WithContext(ctx)); err != nil {
			return false
		}
	}
	return true
}

// imagesOf returns the images of the registry that the manifests name by digest.
func imagesOf(registry string, manifests []byte) []string {
	pattern := regexp.MustCompile(regexp.QuoteMeta(registry) + `/[a-zA-Z0-9._/-]+@sha256:[0-9a-f]{64}`)
	found := pattern.FindAllString(string(manifests), -1)
	slices.Sort(found)
	return slices.Compact(found)
}
