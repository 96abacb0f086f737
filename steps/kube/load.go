package kube

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/step"
)

// maxManifestFiles bounds the files of one directory of manifests.
const maxManifestFiles = 2_000

// LoadFile reads the objects of one file below root. Links that lead out of
// root are refused.
func LoadFile(root *os.Root, name string) ([]*unstructured.Unstructured, error) {
	data, err := ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	return Decode(data, name)
}

// ReadFile reads one regular file below root of at most [MaxManifestBytes].
func ReadFile(root *os.Root, name string) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, step.Invalidf("read %s: %w", name, plain(err))
	}
	if !info.Mode().IsRegular() {
		return nil, step.Invalidf("read %s: is no regular file", name)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, step.Invalidf("read %s: %w", name, plain(err))
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxManifestBytes+1))
	if err != nil {
		return nil, step.Infraf("read %s: %w", name, plain(err))
	}
	if len(data) > MaxManifestBytes {
		return nil, step.Invalidf("read %s: larger than %d MiB", name, MaxManifestBytes>>20)
	}
	return data, nil
}

// LoadDir reads the objects of all .yaml, .yml and .json files below a
// directory of root, in the order of their paths. Hidden files and directories
// are left out, as is what cannot be applied: a kustomization.yaml.
func LoadDir(root *os.Root, dir string) ([]*unstructured.Unstructured, error) {
	var names []string
	err := fs.WalkDir(root.FS(), filepath.ToSlash(filepath.Clean(dir)), func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return step.Invalidf("read %s: %w", name, plain(err))
		case entry.IsDir() && hidden(name):
			return fs.SkipDir
		case entry.IsDir() || hidden(name) || !isManifest(name):
			return nil
		case len(names) == maxManifestFiles:
			return step.Invalidf("read %s: more than %d manifests", dir, maxManifestFiles)
		}
		if base := path.Base(name); base == "Chart.yaml" {
			return step.WithHint(step.Invalidf("read %s: is a Helm chart, not manifests", path.Dir(name)),
				"list it in a setup file as a chart, or render it first")
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var objs []*unstructured.Unstructured
	for _, name := range names {
		loaded, err := LoadFile(root, name)
		if err != nil {
			return nil, err
		}
		objs = append(objs, loaded...)
		if len(objs) > MaxObjects {
			return nil, step.Invalidf("read %s: more than %d objects", dir, MaxObjects)
		}
	}
	if len(objs) == 0 {
		return nil, step.WithHint(step.Invalidf("read %s: holds no manifests", dir), "manifests end in .yaml, .yml or .json")
	}
	return objs, nil
}

func hidden(name string) bool {
	base := path.Base(name)
	return base != "." && base != ".." && strings.HasPrefix(base, ".")
}

func isManifest(name string) bool {
	switch path.Base(name) {
	case "kustomization.yaml", "kustomization.yml", "Kustomization":
		return false
	}
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// plain takes the operation and the path, which the message has already, off an
// error of the file system, and says the escape in words people know.
func plain(err error) error {
	if pathErr, ok := err.(*fs.PathError); ok {
		if strings.Contains(pathErr.Err.Error(), "escapes") {
			return fmt.Errorf("leads out of the directory that may be read")
		}
		return pathErr.Err
	}
	return err
}
