package kind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/moby/client"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
)

// maxDelta is how many bytes an image may have more than its base to be sent
// without it. The daemon compresses what it hands over, which for more would
// take longer than to send the whole.
const maxDelta = 64 << 20

// delta is an image of the daemon that shares its first layers with a base, as
// a registry would have it.
type delta struct {
	image string
	base  string // by digest
	ref   name.Reference
	made  v1.Image
	// shared are the layers that the nodes get with the base.
	shared map[v1.Hash]bool
}

// loadDelta lets the nodes fetch the layers that an image shares with its base,
// and sends only the others. What it returns is why that cannot be done; the
// image can be sent as a whole then.
func (s *session) loadDelta(ctx context.Context, image string, o LoadOptions, list []nodes.Node) error {
	start := time.Now()
	ctx, stop := context.WithCancel(ctx) // and with it what serves the image's own layers
	defer stop()
	d, err := s.delta(ctx, image, o)
	if err != nil {
		return err
	}
	var sent int64
	for _, node := range list {
		if err := s.pullInto(ctx, node, d.base); err != nil {
			return fmt.Errorf("fetch %s into %s: %w", d.base, node, err)
		}
		snapshotter, err := s.snapshotter(ctx, node)
		if err != nil {
			return err
		}
		if sent, err = s.sendOnce(ctx, d.stream(), node, snapshotter); err != nil {
			return fmt.Errorf("send %s: %w", image, commandError(err))
		}
		if err := s.complete(ctx, node, snapshotter, d.ref); err != nil {
			return err
		}
		s.Log("loaded %s into %s over %s: %.1f MiB in %s", image, node, o.Base, float64(sent)/(1<<20), since(start))
	}
	return nil
}

func (d *delta) stream() stream {
	return layoutStream(d.image, d.ref, d.made, d.shared)
}

// complete asks whether a node has all of an image, unpacked.
func (s *session) complete(ctx context.Context, node nodes.Node, snapshotter string, ref name.Reference) error {
	var out limitedBuffer
	err := node.CommandContext(ctx, "ctr", "--namespace=k8s.io", "images", "check", "--quiet", "--snapshotter="+snapshotter, "name=="+nodeReference(ref)).
		SetStdout(&out).Run()
	if err != nil {
		return fmt.Errorf("look at %s in %s: %w", ref, node, commandError(err))
	}
	if !slices.Contains(strings.Fields(out.String()), nodeReference(ref)) {
		return fmt.Errorf("%s lacks layers of %s", node, ref)
	}
	return nil
}

// delta lets the daemon push the image to a registry within this process, which
// says of the base's layers that it has them. Only a daemon on this machine
// reaches it.
func (s *session) delta(ctx context.Context, image string, o LoadOptions) (*delta, error) {
	if !strings.HasPrefix(s.endpoint.Host, "unix://") {
		return nil, errors.New("the daemon is not on this machine")
	}
	b, err := s.base(ctx, image, o)
	if err != nil {
		return nil, err
	}
	ref, err := name.ParseReference(image)
	if err != nil {
		return nil, err
	}
	made, err := s.pushed(ctx, image, b)
	if err != nil {
		return nil, err
	}
	manifest, err := made.Manifest()
	if err != nil {
		return nil, err
	}
	d := &delta{image: image, base: b.reference, ref: ref, made: made, shared: map[v1.Hash]bool{}}
	for i, layer := range b.layers {
		if i >= len(manifest.Layers) || manifest.Layers[i].Digest != layer.Digest {
			return nil, errUnknownLayer
		}
		d.shared[layer.Digest] = true
	}
	return d, nil
}

var errUnknownLayer = errors.New("the daemon does not know the base's layers by their registry")

// base is what an image shares with another one.
type base struct {
	reference string          // by digest
	layers    []v1.Descriptor // as the registry has them
	own       int             // how many layers the image has besides
}

// base looks up the base, once it is clear that image is made of it and not much
// more.
func (s *session) base(ctx context.Context, image string, o LoadOptions) (base, error) {
	whole, err := s.docker.ImageInspect(ctx, image)
	if err != nil {
		return base{}, fmt.Errorf("look for image %s: %w", image, err)
	}
	part, err := s.docker.ImageInspect(ctx, o.Base)
	if err != nil {
		return base{}, fmt.Errorf("look for image %s: %w", o.Base, err)
	}
	n := len(part.RootFS.Layers)
	switch {
	case n == 0 || len(whole.RootFS.Layers) < n || !slices.Equal(whole.RootFS.Layers[:n], part.RootFS.Layers):
		return base{}, fmt.Errorf("%s is not made of the layers of %s", image, o.Base)
	case whole.Size-part.Size > maxDelta:
		return base{}, fmt.Errorf("%s has %d MiB more than %s", image, (whole.Size-part.Size)>>20, o.Base)
	}
	ref, err := parseReference(o.Base, o.InsecureRegistries)
	if err != nil {
		return base{}, err
	}
	// A tag may have moved on since the daemon pulled it.
	i := slices.IndexFunc(part.RepoDigests, func(digest string) bool {
		known, err := name.NewDigest(digest)
		return err == nil && known.Context().Name() == ref.Context().Name()
	})
	if i < 0 {
		return base{}, fmt.Errorf("the daemon did not get %s from its registry", o.Base)
	}
	if ref, err = parseReference(part.RepoDigests[i], o.InsecureRegistries); err != nil {
		return base{}, err
	}
	origin, err := remote.Image(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithPlatform(platform()))
	if err != nil {
		return base{}, registryError(o.Base, err)
	}
	manifest, err := origin.Manifest()
	if err != nil {
		return base{}, err
	}
	if len(manifest.Layers) != n {
		return base{}, fmt.Errorf("%s has %d layers in its registry and %d in the daemon", o.Base, len(manifest.Layers), n)
	}
	return base{part.RepoDigests[i], manifest.Layers, len(whole.RootFS.Layers) - n}, nil
}

// untagTimeout bounds the removal of a name that only the push needed.
const untagTimeout = 5 * time.Second

// pushed is the image as the daemon pushes it to where the layers are already.
// Its own layers can be read until ctx ends.
func (s *session) pushed(ctx context.Context, image string, b base) (v1.Image, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	pushing, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	quiet := log.New(io.Discard, "", 0)
	blobs := registry.New(registry.Logger(quiet), registry.WithBlobHandler(newSharedBlobs(b.layers)))
	server := &http.Server{
		// Its own layers and its configuration.
		Handler:  countUploads(blobs, int64(b.own)+1, func() { refuse(errUnknownLayer) }),
		ErrorLog: quiet, ReadHeaderTimeout: time.Minute,
	}
	go server.Serve(listener)
	context.AfterFunc(ctx, func() { server.Close() })
	target := listener.Addr().String() + "/model-delivery/" + s.Name + ":load"
	if _, err := s.docker.ImageTag(ctx, client.ImageTagOptions{Source: image, Target: target}); err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), untagTimeout)
		defer cancel()
		_, _ = s.docker.ImageRemove(ctx, target, client.ImageRemoveOptions{}) // a name too many is no failure
	}()
	progress, err := s.docker.ImagePush(pushing, target, client.ImagePushOptions{RegistryAuth: "e30="}) // nobody's
	if err == nil {
		err = progress.Wait(pushing)
	}
	if err != nil {
		return nil, fmt.Errorf("hand over %s: %w", image, cmp.Or(context.Cause(pushing), err))
	}
	ref, err := name.ParseReference(target)
	if err != nil {
		return nil, err
	}
	return remote.Image(ref, remote.WithContext(ctx))
}

// countUploads lets so many blobs be uploaded. More are layers of the base, which
// the daemon would compress all anew: refuse is called then.
func countUploads(next http.Handler, most int64, refuse func()) http.Handler {
	var begun atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && begun.Add(1) > most {
			refuse()
			http.Error(w, "nothing more is taken", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sharedBlobs keeps blobs, and has those of a base without their content.
type sharedBlobs struct {
	registry.BlobHandler
	sizes map[v1.Hash]int64
}

func newSharedBlobs(layers []v1.Descriptor) sharedBlobs {
	b := sharedBlobs{registry.NewInMemoryBlobHandler(), map[v1.Hash]int64{}}
	for _, layer := range layers {
		b.sizes[layer.Digest] = layer.Size
	}
	return b
}

// Stat is asked before a blob is uploaded.
func (b sharedBlobs) Stat(ctx context.Context, repository string, h v1.Hash) (int64, error) {
	if size, ok := b.sizes[h]; ok {
		return size, nil
	}
	return b.BlobHandler.(registry.BlobStatHandler).Stat(ctx, repository, h)
}

// Put keeps what is uploaded.
func (b sharedBlobs) Put(ctx context.Context, repository string, h v1.Hash, data io.ReadCloser) error {
	return b.BlobHandler.(registry.BlobPutHandler).Put(ctx, repository, h, data)
}
