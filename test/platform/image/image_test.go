package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/image"
)

func build(t *testing.T, spec image.Spec) v1.Image {
	t.Helper()
	img, err := image.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	whole(t, img)
	return img
}

// whole holds the image's layers against the digests that it names.
func whole(t *testing.T, img v1.Image) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for i, layer := range layers {
		for what, read := range map[string]struct {
			want    func() (v1.Hash, error)
			content func() (io.ReadCloser, error)
		}{"compressed": {layer.Digest, layer.Compressed}, "uncompressed": {layer.DiffID, layer.Uncompressed}} {
			want, err := read.want()
			if err != nil {
				t.Fatal(err)
			}
			content, err := read.content()
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := v1.SHA256(content)
			content.Close()
			if err != nil || got != want {
				t.Errorf("layer %d, %s: %v, %v; the image names %v", i, what, got, err, want)
			}
		}
	}
}

// contents lists the entries of the image's layers, with mode, owner and what
// is in them.
func contents(t *testing.T, img v1.Image) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		archive := tar.NewReader(content)
		for {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, fmt.Sprintf("%s %o %d:%d %s%s", header.Name, header.Mode, header.Uid, header.Gid, header.Linkname, data))
		}
		content.Close()
	}
	return list
}

func TestFiles(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("elf"), 0o700); err != nil {
		t.Fatal(err)
	}
	img := build(t, image.Spec{Files: []image.File{
		{Path: "/usr/bin/program", From: program},
		{Path: "/usr/bin/other", Link: "program"},
		{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		{Path: "/home/nonroot", Mode: fs.ModeDir | 0o700, UID: 65532, GID: 65533},
		{Path: "/home/nonroot/.profile", Data: []byte("x")},
		{Path: "/usr/bin/su", Data: []byte("s"), Mode: fs.ModeSetuid | 0o755},
	}})
	want := []string{
		"home/ 755 0:0 ",
		"home/nonroot/ 700 65532:65533 ",
		"home/nonroot/.profile 644 0:0 x",
		"tmp/ 1777 0:0 ",
		"usr/ 755 0:0 ",
		"usr/bin/ 755 0:0 ",
		"usr/bin/other 777 0:0 program",
		"usr/bin/program 755 0:0 elf",
		"usr/bin/su 4755 0:0 s",
	}
	if got := contents(t, img); !slices.Equal(got, want) {
		t.Errorf("the image holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := image.Build(image.Spec{Files: []image.File{{Path: "/a", From: "/nonexistent"}}}); err == nil || !strings.Contains(err.Error(), "/a") {
		t.Errorf("Build() with a file that is not there = %v", err)
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	base := build(t, image.Spec{
		Entrypoint: []string{"/old"}, Cmd: []string{"old"}, Env: []string{"PATH=/bin", "A=1"}, User: "0", WorkingDir: "/w",
		Labels: map[string]string{"a": "1"}, Volumes: []string{"/v"},
	})
	config := func(img v1.Image) v1.Config {
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if file.OS != "linux" || file.Architecture != "amd64" {
			t.Errorf("the image is for %s/%s", file.OS, file.Architecture)
		}
		return file.Config
	}
	got := config(build(t, image.Spec{
		Base: base, Entrypoint: []string{"/new"}, Env: []string{"A=2", "B=3", "B=4"}, User: "65532", StopSignal: "SIGINT",
		Labels: map[string]string{"b": "2"}, Volumes: []string{"/data"},
	}))
	if !slices.Equal(got.Entrypoint, []string{"/new"}) || got.Cmd != nil {
		t.Errorf("entrypoint %q, arguments %q: those of the base belong to its entrypoint", got.Entrypoint, got.Cmd)
	}
	if want := []string{"PATH=/bin", "A=2", "B=4"}; !slices.Equal(got.Env, want) {
		t.Errorf("environment %q, want %q", got.Env, want)
	}
	if got.User != "65532" || got.WorkingDir != "/w" || got.StopSignal != "SIGINT" || len(got.Volumes) != 2 || got.Labels["a"] != "1" || got.Labels["b"] != "2" {
		t.Errorf("configuration %+v", got)
	}
	if kept := config(base); kept.User != "0" || len(kept.Volumes) != 1 || len(kept.Labels) != 1 || !slices.Equal(kept.Env, []string{"PATH=/bin", "A=1"}) {
		t.Errorf("the base has changed: %+v", kept)
	}
}

// TestEqualSpecsGiveEqualDigests: in whatever order files are listed, and
// whenever they were made.
func TestEqualSpecsGiveEqualDigests(t *testing.T) {
	t.Parallel()
	for _, zstd := range []bool{false, true} {
		digests := map[string]bool{}
		for i := range 2 {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, []byte("content"), 0o644); err != nil {
				t.Fatal(err)
			}
			files := []image.File{{Path: "/a/x", From: file}, {Path: "/b", Data: []byte("b")}}
			if i == 1 {
				slices.Reverse(files)
			}
			img := build(t, image.Spec{Files: files, Zstd: zstd})
			digest, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			digests[digest.String()] = true
			layers, err := img.Layers()
			if err != nil || len(layers) != 1 {
				t.Fatalf("%d layers, %v", len(layers), err)
			}
			want := types.OCILayer
			if zstd {
				want = types.OCILayerZStd
			}
			if media, err := layers[0].MediaType(); err != nil || media != want {
				t.Errorf("zstd %t: the layer is %s, %v", zstd, media, err)
			}
		}
		if len(digests) != 1 {
			t.Errorf("zstd %t: digests %v", zstd, digests)
		}
	}
}

func TestTarLayer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "layer.tar")
	var data bytes.Buffer
	archive := tar.NewWriter(&data)
	header := archive.WriteHeader(&tar.Header{Name: "x", Size: 1, Mode: 0o600, Typeflag: tar.TypeReg})
	_, content := archive.Write([]byte("1"))
	if err := errors.Join(header, content, archive.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, zstd := range []bool{false, true} {
		layer, err := image.TarLayer(path, zstd)
		if err != nil {
			t.Fatal(err)
		}
		if got := contents(t, build(t, image.Spec{Layers: []v1.Layer{layer}})); !slices.Equal(got, []string{"x 600 0:0 1"}) {
			t.Errorf("zstd %t: the layer holds %q", zstd, got)
		}
	}
}

// TestPush: an image that the registry has is not sent again.
func TestPush(t *testing.T) {
	t.Parallel()
	var writes atomic.Int32
	var refuse atomic.Bool
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse.Load() {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		if r.Method == http.MethodPut || r.Method == http.MethodPost || r.Method == http.MethodPatch {
			writes.Add(1)
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/base/git"
	img := build(t, image.Spec{Files: []image.File{{Path: "/a", Data: []byte("a")}}})
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		ref, err := image.Push(t.Context(), repository+":v1", img)
		if want := repository + "@" + digest.String(); err != nil || ref != want {
			t.Fatalf("Push() = %q, %v; want %q", ref, err, want)
		}
		if i == 0 && writes.Swap(0) == 0 {
			t.Error("nothing was written")
		}
	}
	if writes.Load() != 0 {
		t.Errorf("the second push wrote %d times", writes.Load())
	}
	changed := build(t, image.Spec{Files: []image.File{{Path: "/a", Data: []byte("b")}}})
	if ref, err := image.Push(t.Context(), repository+":v1", changed); err != nil || strings.Contains(ref, digest.String()) || writes.Load() == 0 {
		t.Errorf("Push() of another image to the same tag = %q, %v", ref, err)
	}
	refuse.Store(true)
	if _, err := image.Push(t.Context(), repository+":v2", img); err == nil || !strings.Contains(err.Error(), repository) {
		t.Errorf("Push() to a registry that refuses = %v", err)
	}
}

// TestCached: an image is made once, scratch files go, and what a failed attempt
// left is in nobody's way.
func TestCached(t *testing.T) {
	t.Parallel()
	store, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	attempts := 0
	make := func(scratch string) (v1.Image, error) {
		attempts++
		left, err := os.ReadDir(scratch)
		if err != nil || len(left) > 0 {
			t.Errorf("attempt %d finds %v, %v", attempts, left, err)
		}
		file := filepath.Join(scratch, "file")
		if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
			return nil, err
		}
		if attempts == 1 {
			return nil, errors.New("no network")
		}
		return image.Build(image.Spec{Files: []image.File{{Path: "/file", From: file}}})
	}
	if _, err := image.Cached(t.Context(), store, "k", make); err == nil {
		t.Error("Cached() of an image that cannot be made is no error")
	}
	var digests []string
	for range 2 {
		img, err := image.Cached(t.Context(), store, "k", make)
		if err != nil {
			t.Fatal(err)
		}
		whole(t, img)
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest.String())
	}
	if attempts != 2 || digests[0] != digests[1] {
		t.Errorf("%d attempts, digests %v", attempts, digests)
	}
	dir, _ := store.Lookup("k")
	if _, err := os.Stat(filepath.Join(dir, "scratch")); !os.IsNotExist(err) {
		t.Errorf("scratch files are kept: %v", err)
	}
}
