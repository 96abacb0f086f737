package source_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/model-delivery/model-delivery/steps/git/gittest"
	"github.com/model-delivery/model-delivery/steps/gitops/source"
	"github.com/model-delivery/model-delivery/steps/step"
)

// tree makes a directory with a model's manifest and more files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "charts")
	gittest.Write(t, filepath.Join(dir, "model.yaml"), "apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\nmetadata: {name: news}\n")
	for name, text := range files {
		gittest.Write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func rules() source.Rules { return source.Rules{Kinds: source.DefaultKinds(), Namespace: "staging"} }

const service = "apiVersion: v1\nkind: Service\nmetadata: {name: x"

// Everything that is refused: with the file, the reason and exit code 2.
func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	one := func(name, text string) map[string]string { return map[string]string{name: text} }
	many := map[string]string{}
	for i := range 501 {
		many[fmt.Sprintf("f%d.txt", i)] = ""
	}
	for _, tc := range []struct {
		name  string
		files map[string]string
		make  func(dir string) error
		want  string
	}{
		{name: "a link to a file", make: func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "x.yaml")) }, want: `"x.yaml" is no regular file (L`},
		{name: "a link to a file of the source", make: func(dir string) error { return os.Symlink("model.yaml", filepath.Join(dir, "x.yaml")) }, want: `"x.yaml" is no regular file (L`},
		{name: "a link to a directory", make: func(dir string) error { return os.Symlink("/etc", filepath.Join(dir, "etc")) }, want: `"etc" is no regular file (L`},
		{name: "a link that leads nowhere", make: func(dir string) error { return os.Symlink("nowhere", filepath.Join(dir, "x")) }, want: "is no regular file (L"},
		{name: "a pipe", make: func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644) }, want: `"pipe" is no regular file (p`},
		{name: "a socket", make: func(dir string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer syscall.Close(fd)
			return syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Join(dir, "s")})
		}, want: `"s" is no regular file (S`},
		{name: "a file that runs as its owner", files: one("x.sh", ""), make: func(dir string) error { return os.Chmod(filepath.Join(dir, "x.sh"), 0o755|fs.ModeSetuid) }, want: "runs as another user"},
		{name: "a repository in it", files: one("sub/.git/config", ""), want: `"sub/.git" is one that git gives a meaning to`},
		{name: "a submodule", files: one("sub/.git", "gitdir: ../../x"), want: "is one that git gives a meaning to"},
		{name: "submodules", files: one(".gitmodules", ""), want: "is one that git gives a meaning to"},
		{name: "attributes", files: one(".gitattributes", "* filter=x"), want: "is one that git gives a meaning to"},
		{name: "ignored files", files: one("a/.gitignore", "*"), want: "is one that git gives a meaning to"},
		{name: ".GIT in capitals", files: one("sub/.GIT/config", ""), want: "is one that git gives a meaning to"},
		{name: ".git with an invisible letter", files: one(".g\u200cit/config", ""), want: "has an invisible character"},
		{name: ".git in other letters", files: one("．git/config", ""), want: "is one that git gives a meaning to"},
		{name: ".git as Windows shortens it", files: one("GIT~1/config", ""), want: "is one that git gives a meaning to"},
		{name: "a file that Argo CD takes for settings", files: one(".argocd-source.yaml", ""), want: "is hidden"},
		{name: "a name with a newline", files: one("a\nb.yaml", ""), want: `"a\nb.yaml" has a character`},
		{name: "a name with an escape", files: one("a\x1b[31m.yaml", ""), want: "has a character"},
		{name: "a name that is no text", files: one("a\xff.yaml", ""), want: "has a character"},
		{name: "a name of another file system", files: one(`a\..\b`, ""), want: "has a character"},
		{name: "a stream of another file system", files: one("a:b", ""), want: "has a character"},
		{name: "a name that is an option", files: one("-rf", ""), want: "begins or ends with"},
		{name: "a name that ends with a dot", files: one("a.", ""), want: "begins or ends with"},
		{name: "a long name", files: one(strings.Repeat("x", 201), ""), want: "more than 200 bytes"},
		{name: "names that differ in case", files: map[string]string{"A.txt": "", "a.txt": ""}, want: "is the same name as"},
		{name: "directories that differ in case", files: map[string]string{"A/x": "", "a/y": ""}, want: "is the same name as"},
		{name: "names that differ in how é is written", files: map[string]string{"\u00e9": "", "e\u0301": ""}, want: "is the same name as"},
		{name: "a huge file", files: one("big.bin", strings.Repeat("x", 1<<20+1)), want: "more than 1048576 bytes"},
		{name: "much in all", files: func() map[string]string {
			files := map[string]string{}
			for i := range 11 {
				files[fmt.Sprint(i)] = strings.Repeat("x", 1<<20)
			}
			return files
		}(), want: "has more than 10485760 bytes"},
		{name: "many files", files: many, want: "more than 500 files"},
		{name: "deep directories", files: one(strings.Repeat("d/", 18)+"x", ""), want: "more than 16 directories deep"},
		{name: "rights", files: one("rb.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n"), want: `"rb.yaml" has a ClusterRoleBinding.rbac`},
		{name: "rights in a second document", files: one("two.yaml", service+"}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n"), want: "has a Role.rbac"},
		{name: "rights in JSON", files: one("rb.json", `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role"}`), want: "has a Role.rbac"},
		{name: "rights by an anchor", files: one("a.yaml", "x: &k Role\nkind: *k\napiVersion: rbac.authorization.k8s.io/v1\n"), want: "has a Role.rbac"},
		{name: "rights by a merged key", files: one("a.yaml", "x: &m {kind: Role, apiVersion: rbac.authorization.k8s.io/v1}\n<<: *m\n"), want: "has a Role.rbac"},
		{name: "a kind of another group", files: one("a.yaml", "apiVersion: evil.example/v1\nkind: Deployment\n"), want: "has a Deployment.evil.example"},
		{name: "a list of objects", files: one("a.yaml", "apiVersion: v1\nkind: List\nitems: [{kind: Role}]\n"), want: "has a List"},
		{name: "another application", files: one("a.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"), want: "has a Application.argoproj.io"},
		{name: "a secret", files: one("a.yaml", "apiVersion: v1\nkind: Secret\n"), want: "has a Secret"},
		{name: "a kind given twice", files: one("a.yaml", "apiVersion: v1\nkind: Service\nkind: Secret\n"), want: "already"},
		{name: "no kind", files: one("a.yaml", "a: 1\n"), want: "has a document without a kind"},
		{name: "no object", files: one("a.yaml", "- a\n"), want: "a document is no object"},
		{name: "another namespace", files: one("s.yaml", service+", namespace: kube-system}\n"), want: "in namespace kube-system, not staging"},
		{name: "another letters' encoding", files: one("s.yaml", "\xff\xfek\x00"), want: "it is not in UTF-8"},
		{name: "broken YAML", files: one("s.yaml", "a: [\n"), want: `the source's file "s.yaml"`},
		{name: "YAML that grows", files: one("s.yaml", bomb()), want: `the source's file "s.yaml"`},
		{name: "a program", files: one("x.jsonnet", "{}"), want: "is a program"},
		{name: "a kustomization that leads out", files: one("kustomization.yaml", "resources: [../../other]\n"), want: `brings in "../../other"`},
		{name: "a kustomization from elsewhere", files: one("kustomization.yaml", "resources: ['https://evil.example/x?ref=main']\n"), want: "brings in"},
		{name: "a kustomization of a repository", files: one("kustomization.yaml", "resources: ['github.com/evil/x']\n"), want: "brings in"},
		{name: "a generator that reads a file outside", files: one("kustomization.yaml", "configMapGenerator: [{name: x, files: [passwd=/etc/passwd]}]\n"), want: `names "/etc/passwd"`},
		{name: "a generator that runs", files: map[string]string{"kustomization.yaml": "generators: [g.yaml]\n", "g.yaml": "apiVersion: x/v1\nkind: Exec\n"}, want: "has a Exec.x"},
		{name: "a kustomization with charts", files: one("kustomization.yaml", "helmCharts: [{name: x}]\n"), want: "uses helmCharts"},
		{name: "a kustomization for another namespace", files: one("kustomization.yaml", "namespace: kube-system\n"), want: "puts objects into namespace kube-system"},
		{name: "a chart from elsewhere", files: one("c/Chart.yaml", "name: c\ndependencies: [{name: d, repository: 'https://evil.example'}]\n"), want: "takes chart d from https://evil.example"},
		{name: "a chart from outside", files: one("c/Chart.yaml", "name: c\ndependencies: [{name: d, repository: 'file://../../d'}]\n"), want: "takes chart d from file://../../d"},
		{name: "a packed chart", files: map[string]string{"c/Chart.yaml": "name: c\n", "c/charts/d.tgz": "x"}, want: "is a packed chart"},
		{name: "rights in a template", files: map[string]string{"c/Chart.yaml": "name: c\n", "c/templates/r.yaml": "{{ if true }}\nkind: ClusterRole\n{{ end }}\n"}, want: "has a ClusterRole"},
		{name: "a template whose kind is a value", files: map[string]string{"c/Chart.yaml": "name: c\n", "c/templates/r.yaml": "kind: {{ .Values.kind }}\n"}, want: "makes the kind of an object from values"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, tc.files)
			if tc.make != nil {
				if err := tc.make(dir); err != nil {
					t.Fatal(err)
				}
			}
			files, err := source.Load(dir, nil, rules())
			if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(fmt.Sprint(err), tc.want) {
				t.Errorf("%d files, error %v, want %q", len(files), err, tc.want)
			}
			if err != nil && strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("the error has characters of the name: %q", err)
			}
		})
	}
}

// bomb is YAML whose aliases make a few bytes billions of nodes.
func bomb() string {
	var out strings.Builder
	out.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&out, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return out.String()
}

func TestRefusedDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gittest.Run(t, "", "git", "init", "--quiet", dir)
	gittest.Write(t, filepath.Join(dir, "models/a/charts/x.txt"), "x")
	for from, to := range map[string]string{"models/b": "a", "models/c/charts": "../a/charts", "etc": "/etc"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, from)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"models/b/charts": "leads through the symbolic link", "models/c/charts": "leads through the symbolic link", "etc": "leads through the symbolic link",
		"empty": "has no files", "nothing": "no such file", "models/a/charts/x.txt": "not a directory",
	} {
		if _, err := source.Load(filepath.Join(dir, name), nil, rules()); step.ExitCode(err) != step.ExitInvalid || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"kustomization.yaml":         "resources: [model.yaml, more]\npatches: [{path: patch.yaml}, {patch: '[{op: add, path: /metadata/labels, value: {}}]'}]\n",
		"more/kustomization.yaml":    "resources: [../more/s.yaml]\n",
		"more/s.yaml":                service + ", namespace: staging}\n",
		"patch.yaml":                 "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
		"chart/Chart.yaml":           "name: c\nversion: 1.0.0\n",
		"chart/values.yaml":          "a: 1\n",
		"chart/templates/model.yaml": "kind: SeldonDeployment\nmetadata: {namespace: {{ .Release.Namespace }}}\n",
		"Größe.txt":                  "\x00\xff\r\n",
		"run.sh":                     "#!/bin/sh\n",
	})
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	overlay := t.TempDir()
	gittest.Write(t, filepath.Join(overlay, "more/s.yaml"), service+", labels: {a: b}}\n")
	gittest.Write(t, filepath.Join(overlay, "extra.txt"), "extra\n")
	files, err := source.Load(dir, []string{overlay}, rules())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]source.File{}
	for i, file := range files {
		got[file.Path] = file
		if i > 0 && files[i-1].Path >= file.Path {
			t.Errorf("%s comes after %s", file.Path, files[i-1].Path)
		}
	}
	if len(files) != 11 || !strings.Contains(string(got["more/s.yaml"].Data), "labels") || string(got["Größe.txt"].Data) != "\x00\xff\r\n" || !got["run.sh"].Executable || got["model.yaml"].Executable {
		t.Errorf("%d files: %v", len(files), got)
	}
	clash := t.TempDir()
	gittest.Write(t, filepath.Join(clash, "Model.YAML"), "")
	if _, err := source.Load(dir, []string{clash}, rules()); step.ExitCode(err) != step.ExitInvalid {
		t.Errorf("an overlay with a name that differs in case: %v", err)
	}
}
