//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/model-delivery/model-delivery/test/delivery"
)

// maxImage is how large a step's image may be, compressed, in bytes.
const maxImage = 30 << 20

// Images of steps are small, but for the layers of git below those that run it,
// which .ko.yaml gives as the base of these alone.
func TestImagesAreSmall(t *testing.T) {
	s := connect(t)
	tasks, err := s.Runs.Tekton.TektonV1().Tasks(delivery.RunNamespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	git := layers(t, s.Platform.Images["git"])
	seen := map[string]bool{}
	for _, task := range tasks.Items {
		for _, step := range task.Spec.Steps {
			if seen[step.Image] || !strings.HasPrefix(step.Image, s.Platform.Registry+"/model-delivery/") {
				continue
			}
			seen[step.Image] = true
			var size int64
			for digest, bytes := range layers(t, step.Image) {
				if _, ok := git[digest]; !ok {
					size += bytes
				}
			}
			t.Logf("%.1f MB %s", float64(size)/1e6, step.Image)
			if size > maxImage {
				t.Errorf("%s has %d bytes, more than %d", step.Image, size, maxImage)
			}
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d images of steps were found", len(seen))
	}
}

// layers are the sizes, compressed and in bytes, of an image's layers by digest.
func layers(t *testing.T, image string) map[string]int64 {
	t.Helper()
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	found, err := remote.Image(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := found.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int64{}
	for _, layer := range manifest.Layers {
		sizes[layer.Digest.String()] = layer.Size
	}
	return sizes
}
