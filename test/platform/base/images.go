package base

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// images are the base images that others are built on: Debian, Debian with git,
// one with nothing but certificates and users for static binaries, and one with
// a shell.
type images struct{}

func (images) Name() string    { return "images" }
func (images) Needs() []string { return []string{"registry"} }

// published are the base images of a release, which need not be built.
var published = map[string]string{
	"debian":  "docker.io/library/debian:trixie-slim",
	"static":  "gcr.io/distroless/static-debian13:nonroot",
	"git":     "docker.io/alpine/git:v2.49.1",
	"busybox": "docker.io/library/busybox:1.37",
}

// Build makes the base images and pushes them to the registry.
func (images) Build(ctx context.Context, env *local.Env) error {
	setDebian(env)
	if env.Source() == local.Release {
		return env.Update(func(s *local.State) { s.Images = merge(s.Images, published) })
	}
	makers := []struct {
		name, tag string
		make      func(context.Context, *local.Env) (v1.Image, error)
	}{
		{"debian", versions.Debian, debianBase},
		{"static", "nonroot", staticImage},
		{"busybox", versions.Debian, busyboxImage},
		{"git", versions.Debian, func(ctx context.Context, env *local.Env) (v1.Image, error) {
			return debianWith(ctx, env, "git", "git", "openssh-client")
		}},
	}
	for _, maker := range makers {
		img, err := maker.make(ctx, env)
		if err != nil {
			return fmt.Errorf("make the base image %s: %w", maker.name, err)
		}
		ref, err := env.Push(ctx, "model-delivery/base/"+maker.name+":"+maker.tag, img)
		if err != nil {
			return err
		}
		if err := env.Update(func(s *local.State) { s.Images = merge(s.Images, map[string]string{maker.name: ref}) }); err != nil {
			return err
		}
	}
	return nil
}

func merge(into, from map[string]string) map[string]string {
	if into == nil {
		into = map[string]string{}
	}
	for key, value := range from {
		into[key] = value
	}
	return into
}

// setDebian makes Env.Debian work for later components.
func setDebian(env *local.Env) {
	env.SetDebian(func(ctx context.Context, name string, packages ...string) (v1.Image, error) {
		return debianWith(ctx, env, name, packages...)
	})
}

// Start has nothing to do: the images are in the registry.
func (images) Start(context.Context, *local.Env) error { return nil }

// Stop has nothing to do: the images are part of the cache.
func (images) Stop(context.Context, *local.Env) error { return nil }

// Status reports which images there are.
func (images) Status(_ context.Context, env *local.Env) (local.Status, error) {
	if len(env.State.Images) == 0 {
		return local.Status{Condition: local.Absent}, nil
	}
	return local.Status{Condition: local.Made, Detail: fmt.Sprintf("%d base images", len(env.State.Images))}, nil
}

// debianVariant is how a Debian file system is made: as small as it can be
// while apt still works in it.
var debianVariant = []string{
	"--variant=minbase", "--include=ca-certificates", "--aptopt=Acquire::Languages \"none\"",
	"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright",
	"--dpkgopt=path-exclude=/usr/share/info/*",
}

// debianBase returns the Debian image that others are built on.
func debianBase(ctx context.Context, env *local.Env) (v1.Image, error) {
	key := cache.Key("image-debian-"+versions.Debian, debianVariant...)
	return image.Cached(ctx, env.Cache, key, func(scratch string) (v1.Image, error) {
		env.Logf("make a Debian %s base from its packages", versions.Debian)
		if err := hostPackages(ctx, env, map[string]string{"mmdebstrap": "mmdebstrap"}); err != nil {
			return nil, err
		}
		archive := filepath.Join(scratch, "root.tar")
		args := append(debianVariant[:len(debianVariant):len(debianVariant)], versions.Debian, archive)
		if err := env.Run(ctx, execute.Cmd{Name: "mmdebstrap", Args: args}); err != nil {
			return nil, err
		}
		layer, err := image.TarLayer(archive, false)
		if err != nil {
			return nil, err
		}
		return image.Build(image.Spec{
			Layers: []v1.Layer{layer}, Cmd: []string{"bash"},
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		})
	})
}

// certificates is where Debian keeps the certificate authorities it trusts.
const certificates = "etc/ssl/certs/ca-certificates.crt"

// staticImage returns the base of static binaries: users, certificates, /tmp.
func staticImage(ctx context.Context, env *local.Env) (v1.Image, error) {
	debian, err := debianBase(ctx, env)
	if err != nil {
		return nil, err
	}
	trusted, err := fileOf(debian, certificates)
	if err != nil {
		return nil, err
	}
	return image.Build(image.Spec{
		Files: []image.File{
			{Path: "/etc/passwd", Data: []byte("root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n")},
			{Path: "/etc/group", Data: []byte("root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n")},
			{Path: "/etc/nsswitch.conf", Data: []byte("hosts: files dns\n")},
			{Path: "/" + certificates, Data: trusted},
			{Path: "/home/nonroot", Mode: fs.ModeDir | 0o700, UID: 65532, GID: 65532},
			{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		},
		User:       "65532",
		WorkingDir: "/home/nonroot",
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE=/" + certificates},
	})
}

// fileOf returns the content of one file of the image.
func fileOf(img v1.Image, path string) ([]byte, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			return nil, err
		}
		data, err := findInTar(content, path)
		content.Close()
		if data != nil || err != nil {
			return data, err
		}
	}
	return nil, fmt.Errorf("the image has no file %s", path)
}

func findInTar(content io.Reader, path string) ([]byte, error) {
	archive := tar.NewReader(content)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if strings.TrimPrefix(header.Name, "./") == path && header.Typeflag == tar.TypeReg {
			return io.ReadAll(archive)
		}
	}
}

// busyboxImage returns an image with a shell and the usual small programs.
func busyboxImage(ctx context.Context, env *local.Env) (v1.Image, error) {
	return image.Cached(ctx, env.Cache, cache.Key("image-busybox-"+versions.Debian, "1"), func(scratch string) (v1.Image, error) {
		if err := extract(ctx, env, scratch, "busybox-static"); err != nil {
			return nil, err
		}
		busybox := filepath.Join(scratch, "usr", "bin", "busybox")
		if _, err := os.Stat(busybox); err != nil {
			busybox = filepath.Join(scratch, "bin", "busybox")
		}
		list, err := env.Output(ctx, execute.Cmd{Name: busybox, Args: []string{"--list"}})
		if err != nil {
			return nil, err
		}
		files := []image.File{
			{Path: "/bin/busybox", From: busybox, Mode: 0o755},
			{Path: "/etc/passwd", Data: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\nnonroot:x:65532:65532:nonroot:/:/bin/sh\n")},
			{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		}
		for _, applet := range strings.Fields(string(list)) {
			if applet != "busybox" {
				files = append(files, image.File{Path: "/bin/" + applet, Link: "busybox"})
			}
		}
		return image.Build(image.Spec{Files: files, Cmd: []string{"sh"}, Env: []string{"PATH=/bin"}})
	})
}

// extract unpacks Debian packages and what they need into dir, without running
// their scripts.
func extract(ctx context.Context, env *local.Env, dir string, packages ...string) error {
	archive := filepath.Join(dir, "packages.tar")
	err := env.Run(ctx, execute.Cmd{Name: "mmdebstrap", Args: []string{
		"--variant=extract", "--include=" + strings.Join(packages, ","), versions.Debian, archive,
	}})
	if err != nil {
		return err
	}
	if err := env.Run(ctx, execute.Cmd{Name: "tar", Args: []string{"-xf", archive, "-C", dir, "--exclude=./dev/*"}}); err != nil {
		return err
	}
	return os.Remove(archive)
}
