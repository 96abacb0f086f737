package kind

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/model-delivery/model-delivery/steps/step"
)

// registryStream finds an image in its registry and returns a stream that
// fetches it anew each time: one platform, in the OCI layout, with the layers
// as the registry has them, so that the image keeps its digest.
func registryStream(ctx context.Context, reference string, insecure []string) (stream, error) {
	ref, err := parseReference(reference, insecure)
	if err != nil {
		return stream{}, step.Invalidf("image %q: %w", reference, err)
	}
	image, err := remote.Image(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithPlatform(platform()))
	if err != nil {
		return stream{}, registryError(reference, err)
	}
	return layoutStream(reference+" (from its registry)", ref, image, nil), nil
}

// platform is the nodes'.
func platform() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

func parseReference(reference string, insecure []string) (name.Reference, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, err
	}
	if slices.Contains(insecure, ref.Context().RegistryStr()) {
		return name.ParseReference(reference, name.Insecure)
	}
	return ref, nil
}

// nodeReference is what the kubelet and containerd in a node call an image. The
// library's own name of Docker's registry is another one.
func nodeReference(ref name.Reference) string {
	text := ref.Name()
	if ref.Context().RegistryStr() == name.DefaultRegistry {
		return "docker.io" + strings.TrimPrefix(text, name.DefaultRegistry)
	}
	return text
}

func registryError(reference string, err error) error {
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		switch answer.StatusCode {
		case http.StatusNotFound:
			return step.WithHint(step.Invalidf("image %s is neither in the docker daemon nor in its registry", reference), "check its name and tag; build or push it first")
		case http.StatusUnauthorized, http.StatusForbidden:
			return step.WithHint(step.Infraf("get image %s: %w", reference, err), "log in to the registry (a docker configuration with credentials in DOCKER_CONFIG)")
		}
	}
	return step.Infraf("get image %s: %w", reference, err)
}

// Annotations by which containerd names what it imports.
const (
	containerdNameAnnotation = "io.containerd.image.name"
	refNameAnnotation        = "org.opencontainers.image.ref.name"
)

// layoutStream is an image in the OCI layout, without the layers in left.
func layoutStream(what string, ref name.Reference, image v1.Image, left map[v1.Hash]bool) stream {
	return stream{what, func(context.Context) (io.ReadCloser, error) {
		reader, writer := io.Pipe()
		go func() { writer.CloseWithError(writeLayout(writer, ref, image, left)) }()
		// A reader that goes away ends the writer with its next write.
		return reader, nil
	}}
}

// writeLayout writes an image as a tar archive in the OCI layout, without the
// layers in left.
func writeLayout(w io.Writer, ref name.Reference, image v1.Image, left map[v1.Hash]bool) error {
	archive := tar.NewWriter(w)
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	raw, err := image.RawManifest()
	if err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	index, err := json.Marshal(v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     "application/vnd.oci.image.index.v1+json",
		Manifests: []v1.Descriptor{{
			MediaType: manifest.MediaType, Size: int64(len(raw)), Digest: digest,
			Annotations: map[string]string{containerdNameAnnotation: nodeReference(ref), refNameAnnotation: ref.Identifier()},
		}},
	})
	if err != nil {
		return err
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		data []byte
	}{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", index},
		{blobPath(digest), raw},
		{blobPath(manifest.Config.Digest), config},
	} {
		if err := writeEntry(archive, file.name, int64(len(file.data)), bytes.NewReader(file.data)); err != nil {
			return err
		}
	}
	written := map[v1.Hash]bool{}
	for _, descriptor := range manifest.Layers {
		if written[descriptor.Digest] || left[descriptor.Digest] {
			continue
		}
		written[descriptor.Digest] = true
		if err := writeLayer(archive, image, descriptor); err != nil {
			return err
		}
	}
	return archive.Close()
}

func writeLayer(archive *tar.Writer, image v1.Image, descriptor v1.Descriptor) error {
	layer, err := image.LayerByDigest(descriptor.Digest)
	if err != nil {
		return err
	}
	reader, err := layer.Compressed() // verified against its digest while it is read
	if err != nil {
		return err
	}
	defer reader.Close()
	return writeEntry(archive, blobPath(descriptor.Digest), descriptor.Size, reader)
}

func writeEntry(archive *tar.Writer, name string, size int64, data io.Reader) error {
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o444}); err != nil {
		return err
	}
	_, err := io.Copy(archive, data)
	return err
}

func blobPath(digest v1.Hash) string {
	return fmt.Sprintf("blobs/%s/%s", digest.Algorithm, digest.Hex)
}
