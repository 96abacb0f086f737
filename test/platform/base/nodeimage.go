package base

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// nodeImage is the image of a KIND node: Debian with systemd and containerd,
// the files that kind lays over it, Kubernetes, and the images that a node runs,
// compressed and not yet unpacked. It is in the engine for the cluster and in
// the registry for clusters inside pods.
type nodeImage struct{}

func (nodeImage) Name() string    { return "node-image" }
func (nodeImage) Needs() []string { return []string{"images"} }

// Build makes the node image, loads it into the engine and pushes it.
func (nodeImage) Build(ctx context.Context, env *local.Env) error {
	engine, err := env.Docker()
	if err != nil {
		return err
	}
	if env.Source() == local.Release {
		if err := engine.Fetch(ctx, versions.NodeImage); err != nil {
			return err
		}
		return env.Update(func(s *local.State) { s.NodeImage, s.RegistryNodeImage = versions.NodeImage, versions.NodeImage })
	}
	img, err := nodeImageFromSource(ctx, env)
	if err != nil {
		return err
	}
	const ref = "kindest/node:" + versions.Kubernetes
	if err := engine.LoadImage(ctx, ref, img); err != nil {
		return err
	}
	pushed, err := env.Push(ctx, ref, img)
	if err != nil {
		return err
	}
	return env.Update(func(s *local.State) { s.NodeImage, s.RegistryNodeImage = ref, pushed })
}

// Start has nothing to do: nodes are started by clusters.
func (nodeImage) Start(context.Context, *local.Env) error { return nil }

// Stop has nothing to do: the image is part of the cache.
func (nodeImage) Stop(context.Context, *local.Env) error { return nil }

// Status reports which image there is.
func (nodeImage) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	if env.State.NodeImage == "" {
		return local.Status{Condition: local.Absent}, nil
	}
	return local.Status{Condition: local.Made, Detail: env.State.RegistryNodeImage}, nil
}

// nodePackages are the Debian packages of a node: those of kind's own node, less
// what serves rootless engines and network storage, with Debian's containerd.
var nodePackages = []string{
	"systemd", "systemd-sysv", "conntrack", "iptables", "nftables", "iproute2", "ethtool", "util-linux", "mount", "kmod",
	"libseccomp2", "pigz", "e2fsprogs", "bash", "ca-certificates", "jq", "procps", "containerd", "runc",
	"containernetworking-plugins",
}

// nodeHook prepares the unpacked file system, as kind's recipe does: only the
// services that a node needs, programs where kind expects them, the settings
// that containers on the node start from, and nothing that a node never reads.
const nodeHook = `set -eu
root=$1
cd "$root"
find lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete
rm -f lib/systemd/system/multi-user.target.wants/* etc/systemd/system/*.wants/* lib/systemd/system/local-fs.target.wants/*
rm -f lib/systemd/system/sockets.target.wants/*udev* lib/systemd/system/sockets.target.wants/*initctl* lib/systemd/system/basic.target.wants/*
mkdir -p etc/systemd etc/containerd opt/cni/bin etc/kubernetes/manifests
echo 'ReadKMsg=no' >>etc/systemd/journald.conf
ln -sf /usr/bin/containerd /usr/bin/containerd-shim-runc-v2 /usr/bin/ctr usr/local/bin/
ln -sf /usr/sbin/runc usr/local/sbin/runc
for plugin in host-local loopback ptp portmap bridge; do mv usr/lib/cni/$plugin opt/cni/bin/; done
rm -rf usr/lib/cni
chroot . sh -c 'ctr oci spec | jq ".hooks.createContainer[.hooks.createContainer| length] |= . + {\"path\": \"/kind/bin/mount-product-files.sh\"} | del(.process.rlimits)" >/etc/containerd/cri-base.json'
rm -rf usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/lintian usr/share/bug usr/share/zoneinfo
rm -rf usr/lib/x86_64-linux-gnu/gconv usr/share/bash-completion usr/share/zsh usr/bin/containerd-stress
rm -rf var/lib/apt/lists/* var/cache/apt/* var/cache/debconf/*-old var/log/* usr/lib/udev/hwdb.d usr/lib/systemd/catalog
`

func nodeImageFromSource(ctx context.Context, env *local.Env) (v1.Image, error) {
	root, err := nodeRoot(ctx, env)
	if err != nil {
		return nil, err
	}
	files, err := nodeFiles(ctx, env)
	if err != nil {
		return nil, err
	}
	node, err := image.Build(image.Spec{
		Base: root, Files: files, Zstd: true,
		Entrypoint: []string{"/usr/local/bin/entrypoint", "/sbin/init"},
		Env:        []string{"container=docker", systemPath},
		StopSignal: "SIGRTMIN+3", // SIGTERM makes systemd start over
	})
	if err != nil {
		return nil, err
	}
	contents, err := nodeContents(ctx, env)
	if err != nil {
		return nil, err
	}
	parts := []string{}
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		digest, err := contents[name].Digest()
		if err != nil {
			return nil, err
		}
		parts = append(parts, name, digest.String())
	}
	digest, err := node.Digest()
	if err != nil {
		return nil, err
	}
	key := cache.Key("image-node-"+versions.Kubernetes, append(parts, digest.String(), importScript)...)
	return image.Cached(ctx, env.Cache, key, func(scratch string) (v1.Image, error) {
		env.Logf("put the control plane's images into the node image")
		return withContents(ctx, env, node, contents, scratch)
	})
}

// nodeRoot is the Debian part of the node image.
func nodeRoot(ctx context.Context, env *local.Env) (v1.Image, error) {
	args := append(slices.Clone(debianVariant), "--include="+strings.Join(nodePackages, ","))
	key := cache.Key("image-node-root-"+versions.Debian, append(args, nodeHook)...)
	return image.Cached(ctx, env.Cache, key, func(scratch string) (v1.Image, error) {
		env.Logf("make a node's file system from Debian %s", versions.Debian)
		hook, archive := filepath.Join(scratch, "hook"), filepath.Join(scratch, "root.tar")
		if err := os.WriteFile(hook, []byte("#!/bin/sh\n"+nodeHook), 0o755); err != nil {
			return nil, err
		}
		args := append(args, "--customize-hook="+hook, versions.Debian, archive)
		if err := env.Run(ctx, execute.Cmd{Name: "mmdebstrap", Args: args}); err != nil {
			return nil, err
		}
		layer, err := image.TarLayer(archive, true)
		if err != nil {
			return nil, err
		}
		return image.Build(image.Spec{Layers: []v1.Layer{layer}})
	})
}

// nodeFiles are kind's own files for a node, Kubernetes, and the manifests that
// kind applies to a new cluster.
func nodeFiles(ctx context.Context, env *local.Env) ([]image.File, error) {
	kind, err := env.ModuleDir(ctx, "sigs.k8s.io/kind@"+versions.Kind)
	if err != nil {
		return nil, err
	}
	kube, err := kubeBinary(ctx, env)
	if err != nil {
		return nil, err
	}
	files := []image.File{
		{Path: "/usr/bin/kube", From: kube, Mode: 0o755},
		{Path: "/usr/bin/kubeadm", Link: "kube"}, {Path: "/usr/bin/kubelet", Link: "kube"}, {Path: "/usr/bin/kubectl", Link: "kube"},
		{Path: "/usr/lib/cni", Link: "/opt/cni/bin"}, // where Debian's containerd looks
		{Path: "/kind/version", Data: []byte(versions.Kubernetes)},
		{Path: "/kind/manifests/default-cni.yaml", Data: []byte(cniManifest)},
		{Path: "/kind/manifests/default-storage.yaml", Data: []byte(storageManifest)},
		{Path: "/etc/systemd/system/systemd-binfmt.service", Link: "/dev/null"}, // its settings are the whole kernel's
	}
	for _, service := range []string{"kubelet", "containerd", "undo-mount-hacks"} {
		files = append(files, image.File{
			Path: "/etc/systemd/system/multi-user.target.wants/" + service + ".service",
			Link: "/etc/systemd/system/" + service + ".service",
		})
	}
	base := filepath.Join(kind, "images", "base", "files")
	err = filepath.WalkDir(base, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(base, path)
		if err != nil {
			return err
		}
		file := image.File{Path: "/" + name, Mode: 0o644}
		if strings.HasPrefix(name, "usr/local/bin/") || strings.HasPrefix(name, "kind/bin/") {
			file.Mode = 0o755
		}
		if file.Data, err = os.ReadFile(path); err != nil {
			return err
		}
		switch name {
		case "etc/containerd/config.toml":
			if file.Data, err = containerdConfig(string(file.Data)); err != nil {
				return err
			}
		case "etc/systemd/system/containerd-fuse-overlayfs.service":
			return nil // for rootless engines
		}
		files = append(files, file)
		return nil
	})
	return files, err
}

// containerdConfig changes kind's settings of containerd: the pause image that
// the node holds, no lowering of OOM scores, which a confined machine forbids,
// and registries by directory as newer versions of containerd have it.
func containerdConfig(config string) ([]byte, error) {
	lines := strings.Split(config, "\n")
	changed := 0
	for i, line := range lines {
		switch key, _, _ := strings.Cut(strings.TrimSpace(line), " = "); key {
		case "sandbox_image":
			lines[i] = fmt.Sprintf("  sandbox_image = %q", pauseImageName)
			changed++
		case "restrict_oom_score_adj":
			lines[i] = "  restrict_oom_score_adj = true"
			changed++
		}
	}
	if changed != 2 {
		return nil, fmt.Errorf("kind's settings of containerd have changed: %d of 2 lines found", changed)
	}
	lines = append(lines, `[plugins."io.containerd.grpc.v1.cri".registry]`, `  config_path = "/etc/containerd/certs.d"`, "")
	return []byte(strings.Join(lines, "\n")), nil
}

// importScript gives containerd the images in /images.tar, unpacked when they
// are first used.
const importScript = `set -eu
containerd >/tmp/containerd.log 2>&1 &
pid=$!
for i in $(seq 100); do
  if ctr version >/dev/null 2>&1; then break; fi
  sleep 0.1
done
ctr -n k8s.io images import --all-platforms --no-unpack /images.tar
ctr -n k8s.io images list -q
kill $pid
wait $pid || true
rm -rf /tmp/containerd.log /run/containerd
`

// withContents returns node with contents in the store of its containerd.
func withContents(ctx context.Context, env *local.Env, node v1.Image, contents map[string]v1.Image, scratch string) (v1.Image, error) {
	oci, archive := filepath.Join(scratch, "images"), filepath.Join(scratch, "images.tar")
	path, err := layout.Write(oci, empty.Index)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		if err := path.AppendImage(contents[name], layout.WithAnnotations(map[string]string{"io.containerd.image.name": name})); err != nil {
			return nil, err
		}
	}
	if err := env.Run(ctx, execute.Cmd{Name: "tar", Args: []string{"-cf", archive, "-C", oci, "."}}); err != nil {
		return nil, err
	}
	out := filepath.Join(scratch, "layer.tar")
	err = runScript(ctx, env, script{
		base: node, name: "node", text: importScript, privileged: true, binds: []string{archive + ":/images.tar:ro"},
	}, out)
	if err != nil {
		return nil, err
	}
	layer, err := image.TarLayer(out, true)
	if err != nil {
		return nil, err
	}
	return image.Build(image.Spec{Base: node, Layers: []v1.Layer{layer}})
}
