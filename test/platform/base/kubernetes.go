package base

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// Names under which kubeadm and containerd look for images. The versions are
// those that this release of kubeadm asks for; what is in them may be newer.
const (
	pauseImageName     = "registry.k8s.io/pause:3.10.1"
	etcdImageName      = "registry.k8s.io/etcd:3.6.5-0"
	corednsImageName   = "registry.k8s.io/coredns/coredns:v1.12.1"
	nodeagentImageName = "docker.io/model-delivery/nodeagent:v1"
)

// kubeComponents are the names that the one binary of Kubernetes answers to.
var kubeComponents = []string{
	"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet",
}

// kubeBinary builds all of Kubernetes into one binary and returns its path.
func kubeBinary(ctx context.Context, env *local.Env) (string, error) {
	module, err := env.ModuleDir(ctx, "k8s.io/kubernetes@"+versions.Kubernetes)
	if err != nil {
		return "", err
	}
	replaces, err := stagingReplaces(filepath.Join(module, "go.mod"))
	if err != nil {
		return "", err
	}
	source, err := sources.ReadFile("kube/kube.go")
	if err != nil {
		return "", err
	}
	const version = "k8s.io/component-base/version."
	parts := strings.SplitN(strings.TrimPrefix(versions.Kubernetes, "v"), ".", 3)
	bin, err := env.GoTool(ctx, gobuild.Tool{
		Name: "kubernetes", Module: "k8s.io/kubernetes", Version: versions.Kubernetes, Replaces: replaces,
		Files: map[string]string{"kube.go": string(source)}, Packages: []string{"kube.go"},
		// kubeadm refuses to work without a version.
		LDFlags: fmt.Sprintf("-X %[1]sgitVersion=%[2]s -X %[1]sgitMajor=%[3]s -X %[1]sgitMinor=%[4]s -X %[1]sgitTreeState=clean",
			version, versions.Kubernetes, parts[0], parts[1]),
	})
	return filepath.Join(bin, "kube"), err
}

// stagingReplaces returns a replacement for every module that the go.mod of
// k8s.io/kubernetes takes from its own staging directory.
func stagingReplaces(goMod string) ([]string, error) {
	file, err := os.Open(goMod)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var replaces []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		module, target, found := strings.Cut(strings.TrimSpace(lines.Text()), " => ")
		if found && strings.HasPrefix(target, "./staging/") {
			replaces = append(replaces, module+" => "+module+" "+versions.KubernetesStaging)
		}
	}
	slices.Sort(replaces)
	return slices.Compact(replaces), lines.Err()
}

// nodeContents are the images that a node holds from the start, by name.
func nodeContents(ctx context.Context, env *local.Env) (map[string]v1.Image, error) {
	kube, err := kubeImage(ctx, env)
	if err != nil {
		return nil, err
	}
	proxy, err := proxyImage(ctx, env, kube)
	if err != nil {
		return nil, err
	}
	pause, err := pauseImage(ctx, env)
	if err != nil {
		return nil, err
	}
	bin, err := smallPrograms(ctx, env)
	if err != nil {
		return nil, err
	}
	agent, err := image.Build(image.Spec{
		Files:      []image.File{{Path: "/nodeagent", From: filepath.Join(bin, "nodeagent"), Mode: 0o755}},
		Entrypoint: []string{"/nodeagent"}, Zstd: true,
	})
	if err != nil {
		return nil, err
	}
	etcd, err := etcdImage(ctx, env)
	if err != nil {
		return nil, err
	}
	coredns, err := corednsImage(ctx, env)
	if err != nil {
		return nil, err
	}
	contents := map[string]v1.Image{
		pauseImageName: pause, nodeagentImageName: agent, etcdImageName: etcd, corednsImageName: coredns,
		"registry.k8s.io/kube-proxy:" + versions.Kubernetes: proxy,
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		contents["registry.k8s.io/"+name+":"+versions.Kubernetes] = kube
	}
	return contents, nil
}

// systemPath is PATH in the images of a node.
const systemPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// kubeImage is the image of every part of the control plane.
func kubeImage(ctx context.Context, env *local.Env) (v1.Image, error) {
	kube, err := kubeBinary(ctx, env)
	if err != nil {
		return nil, err
	}
	return image.Cached(ctx, env.Cache, cache.Key("image-kube-"+versions.Kubernetes, kube, "1"), func(string) (v1.Image, error) {
		files := []image.File{
			{Path: "/usr/local/bin/kube", From: kube, Mode: 0o755},
			{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		}
		for _, name := range kubeComponents {
			files = append(files, image.File{Path: "/usr/local/bin/" + name, Link: "kube"})
		}
		return image.Build(image.Spec{Files: files, Env: []string{systemPath}, Zstd: true})
	})
}

// proxyImage is kube with what kube-proxy needs besides: the programs of the
// packet filter and their libraries.
func proxyImage(ctx context.Context, env *local.Env, kube v1.Image) (v1.Image, error) {
	digest, err := kube.Digest()
	if err != nil {
		return nil, err
	}
	key := cache.Key("image-kube-proxy-"+versions.Kubernetes, digest.String(), versions.Debian, "1")
	return image.Cached(ctx, env.Cache, key, func(scratch string) (v1.Image, error) {
		env.Logf("take the packet filter's programs from Debian %s", versions.Debian)
		if err := extract(ctx, env, scratch, "iptables", "nftables", "conntrack"); err != nil {
			return nil, err
		}
		files, err := proxyFiles(scratch)
		if err != nil {
			return nil, err
		}
		return image.Build(image.Spec{Base: kube, Files: files, Zstd: true})
	})
}

// proxyFiles picks programs and shared libraries out of unpacked packages.
func proxyFiles(root string) ([]image.File, error) {
	files := []image.File{{Path: "/lib64", Link: "usr/lib64"}, {Path: "/lib", Link: "usr/lib"}, {Path: "/sbin", Link: "usr/sbin"}, {Path: "/bin", Link: "usr/bin"}}
	for _, name := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"} {
		files = append(files, image.File{Path: "/usr/sbin/" + name, Link: "xtables-nft-multi"})
	}
	wanted := []string{"usr/sbin/xtables-nft-multi", "usr/sbin/nft", "usr/sbin/conntrack", "usr/lib64/", "usr/lib/x86_64-linux-gnu/"}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(wanted, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) ||
			strings.Contains(name, "/gconv/") || strings.Contains(name, "/perl") {
			return nil
		}
		file := image.File{Path: "/" + name, From: path}
		if entry.Type()&fs.ModeSymlink != 0 {
			file.From = ""
			if file.Link, err = os.Readlink(path); err != nil {
				return err
			}
		} else if !entry.Type().IsRegular() {
			return nil
		}
		files = append(files, file)
		return nil
	})
	return files, err
}

func etcdImage(ctx context.Context, env *local.Env) (v1.Image, error) {
	bin, err := env.GoTool(ctx, gobuild.Tool{Name: "etcd", Module: "go.etcd.io/etcd/server/v3", Version: versions.Etcd})
	if err != nil {
		return nil, err
	}
	return image.Build(image.Spec{
		Files: []image.File{{Path: "/usr/local/bin/etcd", From: filepath.Join(bin, "server"), Mode: 0o755}},
		Env:   []string{systemPath}, Entrypoint: []string{"/usr/local/bin/etcd"}, Zstd: true,
	})
}

func corednsImage(ctx context.Context, env *local.Env) (v1.Image, error) {
	bin, err := env.GoTool(ctx, gobuild.Tool{
		Name: "coredns", Module: "github.com/coredns/coredns", Version: versions.CoreDNS,
		Files: map[string]string{"main.go": corednsMain()}, Packages: []string{"main.go"},
	})
	if err != nil {
		return nil, err
	}
	return image.Build(image.Spec{
		Files:      []image.File{{Path: "/coredns", From: filepath.Join(bin, "main"), Mode: 0o755}},
		Entrypoint: []string{"/coredns"}, Zstd: true,
	})
}

// corednsMain is CoreDNS with the plugins that a cluster's Corefile uses, in
// the order in which they handle a query. Those left out, for the clouds' name
// services, are most of its size and of the time that it takes to build.
func corednsMain() string {
	plugins := []string{
		"reload", "health", "ready", "metrics", "errors", "log", "cache", "loadbalance",
		"hosts", "kubernetes", "loop", "forward",
	}
	var text strings.Builder
	text.WriteString("package main\n\nimport (\n")
	for _, pkg := range append([]string{"core/dnsserver", "coremain"}, prefixed("plugin/", plugins)...) {
		underscore := "_ "
		if !strings.HasPrefix(pkg, "plugin/") {
			underscore = ""
		}
		fmt.Fprintf(&text, "\t%s%q\n", underscore, "github.com/coredns/coredns/"+pkg)
	}
	text.WriteString(")\n\nfunc main() {\n\tdnsserver.Directives = []string{")
	for _, plugin := range plugins {
		if plugin == "metrics" {
			plugin = "prometheus" // the name of its directive
		}
		fmt.Fprintf(&text, "%q, ", plugin)
	}
	text.WriteString("}\n\tcoremain.Run()\n}\n")
	return text.String()
}

func prefixed(prefix string, names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, prefix+name)
	}
	return out
}
