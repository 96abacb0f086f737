package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/model-delivery/model-delivery/test/platform/cache"
)

// Cached returns the image of the cache entry key, made by make when the cache
// lacks it. Its layers are kept compressed, so that a later push only has to
// compare digests. make may put files in scratch; they are dropped afterwards.
func Cached(ctx context.Context, store *cache.Cache, key string, make func(scratch string) (v1.Image, error)) (v1.Image, error) {
	dir, err := store.Dir(ctx, key, func(dir string) error {
		scratch, oci := filepath.Join(dir, "scratch"), filepath.Join(dir, "oci")
		for _, old := range []string{scratch, oci} {
			if err := os.RemoveAll(old); err != nil {
				return err
			}
		}
		if err := os.Mkdir(scratch, 0o755); err != nil {
			return err
		}
		img, err := make(scratch)
		if err != nil {
			return err
		}
		path, err := layout.Write(oci, empty.Index)
		if err != nil {
			return fmt.Errorf("keep the image: %w", err)
		}
		if err := path.AppendImage(img); err != nil {
			return fmt.Errorf("keep the image: %w", err)
		}
		return os.RemoveAll(scratch)
	})
	if err != nil {
		return nil, err
	}
	index, err := layout.ImageIndexFromPath(filepath.Join(dir, "oci"))
	if err != nil {
		return nil, fmt.Errorf("read the cached image %s: %w", key, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("read the cached image %s: it holds %d images: %w", key, len(manifest.Manifests), err)
	}
	return index.Image(manifest.Manifests[0].Digest)
}
