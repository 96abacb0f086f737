package gobuild_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/gobuild"
)

// builder returns a builder with a cache of its own; log gets what it says.
func builder(t *testing.T, log *bytes.Buffer) *gobuild.Builder {
	t.Helper()
	store, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &gobuild.Builder{
		Cache: store, Run: &execute.Runner{Log: log},
		Logf: func(format string, args ...any) { fmt.Fprintf(log, format+"\n", args...) },
	}
}

// answer is what a built program prints.
func answer(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

const hello = `package main

var version = "none"

func main() { print2(version) }
`

const print2 = `package main

import "fmt"

func print2(s string) { fmt.Print("hello ", s) }
`

// own is a program of the standard library alone.
func own() gobuild.Tool {
	return gobuild.Tool{
		Name: "hello", Version: "1", LDFlags: "-X main.version=one", Packages: []string{"./hello"},
		Files: map[string]string{"hello/main.go": hello, "hello/print.go": print2},
	}
}

func TestBuildsOwnSourcesOnce(t *testing.T) {
	var log bytes.Buffer
	b := builder(t, &log)
	bin, err := b.Build(t.Context(), own())
	if err != nil {
		t.Fatal(err)
	}
	if got := answer(t, filepath.Join(bin, "hello")); got != "hello one" {
		t.Errorf("the program prints %q", got)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(bin), "src")); !os.IsNotExist(err) {
		t.Errorf("the sources are kept: %v", err)
	}
	log.Reset()
	again, err := b.Build(t.Context(), own())
	if err != nil || again != bin || log.Len() > 0 {
		t.Errorf("the second build = %q, %v, and did %q", again, err, log.String())
	}
	other := own()
	other.LDFlags = "-X main.version=two"
	bin, err = b.Build(t.Context(), other)
	if err != nil || answer(t, filepath.Join(bin, "hello")) != "hello two" {
		t.Errorf("with other flags: %q, %v", bin, err)
	}
}

// TestFailureShowsTheCompiler: and is tried anew, from sources written anew.
func TestFailureShowsTheCompiler(t *testing.T) {
	var log bytes.Buffer
	b := builder(t, &log)
	broken := own()
	delete(broken.Files, "hello/print.go")
	_, err := b.Build(t.Context(), broken)
	if err == nil || !strings.Contains(err.Error(), "build hello 1") || !strings.Contains(err.Error(), "undefined: print2") {
		t.Errorf("Build() = %v", err)
	}
	if _, err := b.Build(t.Context(), broken); err == nil {
		t.Error("a failed build counts as done")
	}
}

// TestSettingsOfTheCallerDoNotCount: what is built does not depend on the
// environment of who builds it.
func TestSettingsOfTheCallerDoNotCount(t *testing.T) {
	t.Setenv("GOFLAGS", "-tags=surprise -mod=vendor")
	t.Setenv("GOOS", "windows")
	t.Setenv("GOWORK", filepath.Join(t.TempDir(), "go.work"))
	var log bytes.Buffer
	tool := own()
	tool.Files["hello/surprise.go"] = "//go:build surprise\n\npackage main\n\nfunc init() { print2(\"surprise \") }\n"
	bin, err := builder(t, &log).Build(t.Context(), tool)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer(t, filepath.Join(bin, "hello")); got != "hello one" {
		t.Errorf("the program prints %q", got)
	}
}

// publish makes the test's go command take modules from a directory that has
// those given: "path@version" and their files.
func publish(t *testing.T, modules map[string]map[string]string) {
	t.Helper()
	proxy, store := t.TempDir(), t.TempDir()
	for module, files := range modules {
		path, version, _ := strings.Cut(module, "@")
		var content bytes.Buffer
		archive := zip.NewWriter(&content)
		for name, text := range files {
			file, err := archive.Create(module + "/" + name)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(file, text)
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string]string{
			".info": fmt.Sprintf(`{"Version": %q}`, version), ".mod": files["go.mod"], ".zip": content.String(),
		} {
			if err := cache.WriteFile(filepath.Join(proxy, path, "@v", version+name), []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for key, value := range map[string]string{"GOPROXY": "file://" + proxy, "GOSUMDB": "off", "GOMODCACHE": store, "GONOPROXY": "none", "GOPRIVATE": ""} {
		t.Setenv(key, value)
	}
	// Modules are unpacked read-only.
	t.Cleanup(func() {
		clean := exec.Command("go", "clean", "-modcache")
		clean.Env = append(os.Environ(), "GOMODCACHE="+store)
		if out, err := clean.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// greeter is a module with a program in a directory that is named after its
// version, and one that it needs.
func greeter(goMod string) map[string]map[string]string {
	word := func(text string) map[string]string {
		return map[string]string{
			"go.mod":  "module example.org/word\n\ngo 1.26.0\n",
			"word.go": fmt.Sprintf("package word\n\nconst Word = %q\n", text),
		}
	}
	return map[string]map[string]string{
		"example.org/word@v1.0.0": word("first"),
		"example.org/word@v1.1.0": word("second"),
		"example.org/greeter/v2@v2.0.1": {
			"go.mod":  goMod,
			"main.go": "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.org/word\"\n)\n\nfunc main() { fmt.Print(word.Word) }\n",
		},
	}
}

func TestBuildsModules(t *testing.T) {
	const goMod = "module example.org/greeter/v2\n\ngo 1.26.0\n\nrequire example.org/word v1.0.0\n"
	tool := gobuild.Tool{Name: "greeter", Module: "example.org/greeter/v2", Version: "v2.0.1"}
	with := func(change func(*gobuild.Tool)) gobuild.Tool {
		changed := tool
		change(&changed)
		return changed
	}
	for name, test := range map[string]struct {
		goMod string
		tool  gobuild.Tool
		want  string
	}{
		"as published":                       {goMod, tool, "first"},
		"another version":                    {goMod, with(func(t *gobuild.Tool) { t.Requires = []string{"example.org/word v1.1.0"} }), "second"},
		"replaced":                           {goMod, with(func(t *gobuild.Tool) { t.Replaces = []string{"example.org/word => example.org/word v1.1.0"} }), "second"},
		"its own replace lines do not count": {goMod + "replace example.org/word => example.org/word v1.1.0\n", tool, "first"},
		"unless its go.mod is the seed": {
			goMod + "replace example.org/word => example.org/word v1.1.0\n", with(func(t *gobuild.Tool) { t.SeedGoMod = true }), "second",
		},
	} {
		t.Run(name, func(t *testing.T) {
			publish(t, greeter(test.goMod))
			var log bytes.Buffer
			bin, err := builder(t, &log).Build(t.Context(), test.tool)
			if err != nil {
				t.Fatal(err)
			}
			if got := answer(t, filepath.Join(bin, gobuild.BinaryName(tool.Module))); got != test.want {
				t.Errorf("the program prints %q, want %q", got, test.want)
			}
		})
	}
}

func TestModuleDir(t *testing.T) {
	publish(t, greeter("module example.org/greeter/v2\n"))
	var log bytes.Buffer
	b := builder(t, &log)
	dir, err := b.ModuleDir(t.Context(), "example.org/word@v1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "word.go"))
	if err != nil || !strings.Contains(string(data), "second") {
		t.Errorf("word.go is %q, %v", data, err)
	}
	if _, err := b.ModuleDir(t.Context(), "example.org/word@v9.9.9"); err == nil || !strings.Contains(err.Error(), "example.org/word@v9.9.9") {
		t.Errorf("ModuleDir() of what is not published = %v", err)
	}
}

func TestBinaryName(t *testing.T) {
	t.Parallel()
	for pkg, want := range map[string]string{
		"go.etcd.io/etcd/server/v3":                            "server",
		"github.com/distribution/distribution/v3/cmd/registry": "registry",
		"example.org/v":                      "v",
		"example.org/v2x":                    "v2x",
		"./pause":                            "pause",
		"github.com/argoproj/argo-cd/v3/cmd": "cmd",
	} {
		if got := gobuild.BinaryName(pkg); got != want {
			t.Errorf("BinaryName(%q) = %q, want %q", pkg, got, want)
		}
	}
}
