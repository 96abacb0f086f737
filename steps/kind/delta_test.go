package kind

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// over returns an image and the layers of its base, of which it has two.
func over(t *testing.T) (made v1.Image, shared []v1.Descriptor) {
	t.Helper()
	base, err := random.Image(2000, 2)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := base.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	layer, err := random.Layer(100, "application/vnd.docker.image.rootfs.diff.tar.gzip")
	if err != nil {
		t.Fatal(err)
	}
	if made, err = mutate.AppendLayers(base, layer); err != nil {
		t.Fatal(err)
	}
	return made, manifest.Layers
}

// Who pushes an image uploads what its base has not, and only that is sent on.
func TestSharedBlobs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		known   int // layers of the base that the registry says it has
		refused bool
	}{
		"all are known": {known: 2},
		"one is not":    {known: 1, refused: true},
		"none is":       {known: 0, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, shared := over(t)
			var refused atomic.Bool
			blobs := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithBlobHandler(newSharedBlobs(shared[:tc.known])))
			server := httptest.NewServer(countUploads(blobs, 2, func() { refused.Store(true) }))
			t.Cleanup(server.Close)
			ref := parsed(t, strings.TrimPrefix(server.URL, "http://")+"/model:v1")
			err := remote.Write(ref, made, remote.WithContext(t.Context()))
			if refused.Load() != tc.refused || (err != nil) != tc.refused {
				t.Fatalf("refused: %v, %v", refused.Load(), err)
			}
			if tc.refused {
				return
			}
			stored, err := remote.Image(ref)
			if err != nil {
				t.Fatal(err)
			}
			d := &delta{image: "model:v1", ref: ref, made: stored, shared: map[v1.Hash]bool{shared[0].Digest: true, shared[1].Digest: true}}
			reader, err := d.stream().open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if files := readTar(t, reader); len(files) != 2+2+1 {
				t.Errorf("%d files are sent, want layout, index, manifest, configuration and one layer", len(files))
			}
		})
	}
}

func parsed(t *testing.T, reference string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}
