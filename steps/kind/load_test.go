package kind

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/model-delivery/model-delivery/steps/step"
)

// pushed puts a random image into a registry on loopback.
func pushed(t *testing.T, repository string) (reference string, image v1.Image) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	reference = strings.TrimPrefix(server.URL, "http://") + "/" + repository
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	image, err = random.Image(2000, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	return reference, image
}

// An image from a registry reaches the node as the registry has it, so that
// its digest stays, and can be sent twice.
func TestRegistryStream(t *testing.T) {
	t.Parallel()
	reference, image := pushed(t, "team/model:v1")
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	source, err := registryStream(t.Context(), reference, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		reader, err := source.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		files := readTar(t, reader)
		var index v1.IndexManifest
		if err := json.Unmarshal(files["index.json"], &index); err != nil {
			t.Fatal(err)
		}
		if d := index.Manifests[0]; d.Digest != digest || d.Annotations[containerdNameAnnotation] != reference {
			t.Errorf("index names %s as %q", d.Digest, d.Annotations)
		}
		for path, data := range files {
			if hash, found := strings.CutPrefix(path, "blobs/sha256/"); found {
				if got, _, _ := v1.SHA256(bytes.NewReader(data)); got.Hex != hash {
					t.Errorf("blob %s holds %s", hash, got.Hex)
				}
			}
		}
		if len(files) != 2+2+3 {
			t.Errorf("%d files, want layout, index, manifest, configuration and three layers", len(files))
		}
	}
}

func readTar(t *testing.T, r io.ReadCloser) map[string][]byte {
	t.Helper()
	defer r.Close()
	files := map[string][]byte{}
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

// dockerAPI is a daemon that has one image.
func dockerAPI(t *testing.T, image string) Target {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.45")
		switch {
		case r.URL.Path == "/_ping":
		case strings.HasSuffix(r.URL.Path, "/images/"+image+"/json"):
			w.Write([]byte(`{"Id":"sha256:1"}`))
		case strings.HasSuffix(r.URL.Path, "/info"):
			w.Write([]byte(`{"Driver":"overlay2"}`))
		case strings.HasSuffix(r.URL.Path, "/images/get"):
			w.Write([]byte("saved " + strings.Join(r.URL.Query()["names"], " ")))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return Target{Name: "kind", Host: strings.Replace(server.URL, "http://", "tcp://", 1)}
}

// session makes one without touching the process's environment.
func testSession(t *testing.T, target Target) *session {
	t.Helper()
	s, err := connect(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// The kubelet looks for an image under the name that it has for it.
func TestNodeReference(t *testing.T) {
	t.Parallel()
	for reference, want := range map[string]string{
		"busybox":                     "docker.io/library/busybox:latest",
		"seldonio/executor:1.16.0":    "docker.io/seldonio/executor:1.16.0",
		"index.docker.io/a/b:1":       "docker.io/a/b:1",
		"registry.example/team/m:v1":  "registry.example/team/m:v1",
		"localhost:5000/index.docker": "localhost:5000/index.docker:latest",
	} {
		ref, err := name.ParseReference(reference)
		if err != nil {
			t.Fatal(err)
		}
		if got := nodeReference(ref); got != want {
			t.Errorf("nodeReference(%s) = %s, want %s", reference, got, want)
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	remoteImage, _ := pushed(t, "model:v1")
	s := testSession(t, dockerAPI(t, "built:v1"))
	archive := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(archive, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	streams, err := s.plan(t.Context(), LoadOptions{Images: []string{"built:v1", remoteImage}, Archives: []string{archive}})
	if err != nil || len(streams) != 3 {
		t.Fatalf("got %d streams, %v", len(streams), err)
	}
	reader, err := streams[2].open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if data, err := io.ReadAll(reader); err != nil || string(data) != "saved built:v1" {
		t.Errorf("from the daemon came %q, %v", data, err)
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	remoteImage, _ := pushed(t, "model:v1")
	s := testSession(t, dockerAPI(t, "built:v1"))
	missing := strings.Replace(remoteImage, "model", "other", 1)
	for name, o := range map[string]LoadOptions{
		"archive that is not there":         {Archives: []string{"/no/such.tar"}},
		"archive that is a directory":       {Archives: []string{t.TempDir()}},
		"image that is nowhere":             {Images: []string{missing}},
		"image that the daemon lacks":       {Images: []string{remoteImage}, Source: SourceDaemon},
		"image that the registry lacks":     {Images: []string{missing}, Source: SourceRegistry},
		"reference that is not a reference": {Images: []string{"A:b:c"}, Source: SourceRegistry},
	} {
		if _, err := s.plan(t.Context(), o); step.ExitCode(err) != step.ExitInvalid {
			t.Errorf("%s: got %v (exit code %d), want exit code 2", name, err, step.ExitCode(err))
		}
	}
}

func TestOpenArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write([]byte("content"))
	w.Close()
	for name, data := range map[string][]byte{"plain.tar": []byte("content"), "packed.tar.gz": packed.Bytes()} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		reader, err := openArchive(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(reader); err != nil || string(got) != "content" {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestParseSnapshotter(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"fuse-overlayfs\"\n": "fuse-overlayfs",
		"version = 3\n[plugins.\"io.containerd.cri.v1.images\"]\nsnapshotter = \"overlayfs\"\n":               "overlayfs",
		"version = 9\n": "",
		"=":             "",
	} {
		got, err := parseSnapshotter(config)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", config, got, err)
		}
	}
}
