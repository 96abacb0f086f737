// Package gobuild builds programs from Go modules, one throw-away module for
// each program, because their dependencies' versions clash.
package gobuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/execute"
)

// Tool says what to build.
type Tool struct {
	Name    string // readable name, for the cache and for progress
	Module  string // module path; "" when Files need nothing but the standard library
	Version string // exact module version

	// Packages are the import paths to build; none means the module's root. A
	// binary is named after the last element of its path that is not a version.
	Packages []string
	// Files are sources of packages of our own inside the throw-away module
	// (path in the module: text), built when Packages names "./DIR" or a file.
	Files map[string]string

	// SeedGoMod starts from copies of the module's own go.mod and go.sum: for
	// a module whose go.mod has replace lines.
	SeedGoMod bool
	// Requires and Replaces are further lines of the throw-away go.mod:
	// "path version" and "old => new version".
	Requires []string
	Replaces []string

	Tags    []string // build tags
	CGO     bool     // with the C compiler; off gives a static binary
	LDFlags string   // linker flags besides "-s -w"
}

// Builder builds tools into a cache.
type Builder struct {
	Cache *cache.Cache
	Run   *execute.Runner
	Logf  func(format string, args ...any)
}

// Build returns the directory that holds the tool's binaries, made when the
// cache lacks them. An interrupted build goes on from Go's own build cache.
func (b *Builder) Build(ctx context.Context, tool Tool) (string, error) {
	key, err := tool.key()
	if err != nil {
		return "", err
	}
	dir, err := b.Cache.Dir(ctx, key, func(dir string) error {
		b.Logf("build %s %s from its module", tool.Name, tool.Version)
		return b.build(ctx, tool, dir)
	})
	if err != nil {
		return "", fmt.Errorf("build %s %s: %w", tool.Name, tool.Version, err)
	}
	return filepath.Join(dir, "bin"), nil
}

func (t Tool) key() (string, error) {
	spec, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("describe %s: %w", t.Name, err)
	}
	return cache.Key(t.Name+"-"+t.Version, string(spec), runtime.Version(), runtime.GOARCH), nil
}

func (b *Builder) build(ctx context.Context, tool Tool, dir string) error {
	src := filepath.Join(dir, "src")
	if err := errors.Join(os.RemoveAll(src), os.MkdirAll(src, 0o755)); err != nil {
		return err
	}
	if err := b.writeGoMod(ctx, tool, src); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(tool.Files)) {
		if err := cache.WriteFile(filepath.Join(src, name), []byte(tool.Files[name]), 0o644); err != nil {
			return err
		}
	}
	packages := tool.Packages
	if len(packages) == 0 {
		packages = []string{tool.Module}
	}
	bin := filepath.Join(dir, "bin") + string(filepath.Separator)
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	args := []string{"build", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags", strings.TrimSpace("-s -w " + tool.LDFlags), "-o", bin}
	if len(tool.Tags) > 0 {
		args = append(args, "-tags", strings.Join(tool.Tags, ","))
	}
	err := b.Run.Run(ctx, execute.Cmd{Name: "go", Args: append(args, packages...), Dir: src, Env: goEnv(tool.CGO)})
	if err != nil {
		return err
	}
	return os.RemoveAll(src)
}

func (b *Builder) writeGoMod(ctx context.Context, tool Tool, src string) error {
	text := "module build.local/" + tool.Name + "\n\ngo 1.26.0\n"
	if tool.SeedGoMod {
		dir, err := b.ModuleDir(ctx, tool.Module+"@"+tool.Version)
		if err != nil {
			return err
		}
		own, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			return err
		}
		text = strings.Replace(string(own), "module "+tool.Module, "module build.local/"+tool.Name, 1)
		sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.WriteFile(filepath.Join(src, "go.sum"), sums, 0o644); err != nil {
			return err
		}
	}
	var lines strings.Builder
	fmt.Fprintf(&lines, "%s\n", text)
	if tool.Module != "" {
		fmt.Fprintf(&lines, "require %s %s\n", tool.Module, tool.Version)
	}
	for _, line := range tool.Requires {
		fmt.Fprintf(&lines, "require %s\n", line)
	}
	for _, line := range tool.Replaces {
		fmt.Fprintf(&lines, "replace %s\n", line)
	}
	return os.WriteFile(filepath.Join(src, "go.mod"), []byte(lines.String()), 0o644)
}

// ModuleDir returns the directory of the module's unpacked source, given as
// path@version. It is read-only.
func (b *Builder) ModuleDir(ctx context.Context, module string) (string, error) {
	out, err := b.Run.Output(ctx, execute.Cmd{
		Name: "go", Args: []string{"mod", "download", "-json", module},
		Dir: b.Cache.Root(), Env: goEnv(false),
	})
	if err != nil {
		return "", fmt.Errorf("download the module %s: %w", module, err)
	}
	var answer struct{ Dir string }
	if err := json.Unmarshal(out, &answer); err != nil || answer.Dir == "" {
		return "", fmt.Errorf("download the module %s: unexpected answer %.200q", module, out)
	}
	return answer.Dir, nil
}

// BinaryName is the file name that the go command gives the package's binary.
func BinaryName(pkg string) string {
	base := path.Base(pkg)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(pkg))
	}
	return base
}

// goEnv is the environment of a go command: settings of the caller that would
// change what is built are undone.
func goEnv(cgo bool) []string {
	enabled := "0"
	if cgo {
		enabled = "1"
	}
	return []string{"CGO_ENABLED=" + enabled, "GOFLAGS=-buildvcs=false", "GOWORK=off", "GO111MODULE=on", "GOTOOLCHAIN=local", "GOOS=linux"}
}
