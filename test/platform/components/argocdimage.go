package components

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// argocdRefs are the images that Argo CD runs.
type argocdRefs struct {
	built  bool   // one image of our own that is all of it
	argocd string // "" leaves what the manifests name
	redis  string
}

// argocdImages makes the images, or in a release takes those that are named.
func argocdImages(ctx context.Context, env *local.Env) (argocdRefs, error) {
	if env.Source() == local.Release {
		return argocdRefs{}, nil
	}
	img, err := argocdImage(ctx, env)
	if err != nil {
		return argocdRefs{}, err
	}
	ref, err := env.Push(ctx, "argoproj/argocd:"+versions.ArgoCD, img)
	return argocdRefs{built: true, argocd: ref, redis: ref}, err
}

// argocdPrograms are names by which Argo CD's one binary knows what to be.
var argocdPrograms = []string{
	"argocd-application-controller", "argocd-repo-server", "argocd-cmp-server", "argocd-k8s-auth",
}

// argocdImage is Debian with git, Redis and Argo CD, laid out as the published
// image is.
func argocdImage(ctx context.Context, env *local.Env) (v1.Image, error) {
	bin, err := env.GoTool(ctx, gobuild.Tool{
		Name: "argocd", Module: argocdModule, Version: versions.ArgoCD, SeedGoMod: true,
		Packages: []string{argocdModule + "/cmd"},
		LDFlags:  "-X " + argocdModule + "/common.version=" + strings.TrimPrefix(versions.ArgoCD, "v"),
	})
	if err != nil {
		return nil, err
	}
	base, err := env.Debian(ctx, "argocd", "git", "gpg", "openssh-client", "redis-server", "tini")
	if err != nil {
		return nil, err
	}
	digest, err := base.Digest()
	if err != nil {
		return nil, err
	}
	key := cache.Key("image-argocd-"+versions.ArgoCD, digest.String(), filepath.Dir(bin), "1")
	return image.Cached(ctx, env.Cache, key, func(string) (v1.Image, error) {
		const user, folder = 999, fs.ModeDir | 0o755
		files := []image.File{
			{Path: "/usr/local/bin/argocd", From: filepath.Join(bin, "cmd"), Mode: 0o755},
			{Path: "/etc/passwd", Data: []byte("root:x:0:0:root:/root:/bin/sh\nargocd:x:999:999:Argo CD:/home/argocd:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n")},
			{Path: "/etc/group", Data: []byte("root:x:0:\nargocd:x:999:\nnogroup:x:65534:\n")},
			{Path: "/home/argocd", Mode: folder, UID: user},
			{Path: "/app/config/ssh", Mode: folder},
			{Path: "/app/config/tls", Mode: folder},
			{Path: "/app/config/gpg/source", Mode: folder},
			{Path: "/app/config/gpg/keys", Mode: fs.ModeDir | 0o700, UID: user},
			{Path: "/etc/ssh/ssh_known_hosts", Link: "/app/config/ssh/ssh_known_hosts"},
		}
		for _, program := range argocdPrograms {
			files = append(files, image.File{Path: "/usr/local/bin/" + program, Link: "argocd"})
		}
		return image.Build(image.Spec{
			Base: base, Files: files, Zstd: true,
			Entrypoint: []string{"/usr/bin/tini", "--"}, User: "999", WorkingDir: "/home/argocd",
			Env: []string{"USER=argocd", "HOME=/home/argocd"},
		})
	})
}
