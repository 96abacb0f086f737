package image

import (
	"archive/tar"
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// contextOf returns the names in the tar stream of dir, with the content of files and the target of links.
func contextOf(t *testing.T, dir, dockerfile string) map[string]string {
	t.Helper()
	return streamed(t, buildContext{dir: dir, dockerfile: dockerfile, ignore: ".dockerignore"})
}

func streamed(t *testing.T, c buildContext) map[string]string {
	t.Helper()
	var stream bytes.Buffer
	if err := writeContext(&stream, c); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for reader := tar.NewReader(&stream); ; {
		header, err := reader.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		got[header.Name] = string(content) + header.Linkname
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" {
			t.Errorf("%s belongs to %d:%d %q", header.Name, header.Uid, header.Gid, header.Uname)
		}
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, ignore string
		want         []string
	}{
		{"without .dockerignore all goes", "", []string{"Dockerfile", "build/", "build/out", "link", "src/", "src/a.py", "src/b.pyc"}},
		{"what it names stays", "build\n**/*.pyc\n", []string{".dockerignore", "Dockerfile", "link", "src/", "src/a.py"}},
		{"an exception goes", "*\n!src/a.py\n", []string{".dockerignore", "Dockerfile", "src/a.py"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			files := map[string]string{"Dockerfile": "FROM scratch", "src/a.py": "a", "src/b.pyc": "b", "build/out": "o"}
			if tc.ignore != "" {
				files[".dockerignore"] = tc.ignore
			}
			for name, content := range files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
				t.Fatal(err)
			}
			got := contextOf(t, dir, "Dockerfile")
			if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, tc.want) {
				t.Errorf("%v, want %v", names, tc.want)
			}
			if link, ok := got["link"]; ok && link != "/etc/passwd" {
				t.Errorf("the link was followed: %q", link)
			}
		})
	}
}

func TestReference(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"registry:5000/models/{model}:v1":       "registry:5000/models/news-classifier:v1",
		"{model}:dev":                           "news-classifier:dev",
		"plain":                                 "plain",
		"Bad Name":                              "",
		"r/x@sha256:" + strings.Repeat("0", 64): "",
	} {
		got, err := Reference(pattern, "news_classifier")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v, want %q", pattern, got, err, want)
		}
	}
}
