package base

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/model-delivery/model-delivery/test/platform/image"
)

func TestFileOf(t *testing.T) {
	t.Parallel()
	base, err := image.Build(image.Spec{Files: []image.File{{Path: "/etc/a", Data: []byte("first")}}})
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.Build(image.Spec{Base: base, Zstd: true, Files: []image.File{
		{Path: "/etc/ssl/certs/ca", Data: []byte("trusted")}, {Path: "/etc/link", Link: "a"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"etc/a": "first", "etc/ssl/certs/ca": "trusted"} {
		if got, err := fileOf(img, path); err != nil || string(got) != want {
			t.Errorf("fileOf(%q) = %q, %v; want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"etc/none", "etc/link", "etc"} {
		if got, err := fileOf(img, path); err == nil {
			t.Errorf("fileOf(%q) = %q, want an error", path, got)
		}
	}
}

// TestProxyFiles: programs and libraries of the packet filter, and nothing else
// of the packages that they come in.
func TestProxyFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, root, map[string]string{
		"usr/sbin/xtables-nft-multi":                 "x",
		"usr/sbin/nft":                               "n",
		"usr/sbin/other":                             "o",
		"usr/lib/x86_64-linux-gnu/libc.so.6":         "c",
		"usr/lib/x86_64-linux-gnu/gconv/UTF-16.so":   "g",
		"usr/lib/x86_64-linux-gnu/perl-base/List.pm": "p",
		"usr/share/doc/nft/copyright":                "d",
		"usr/lib64/ld-linux-x86-64.so.2":             "l",
	})
	if err := os.Symlink("libc.so.6", filepath.Join(root, "usr/lib/x86_64-linux-gnu/libc.so")); err != nil {
		t.Fatal(err)
	}
	files, err := proxyFiles(root)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]image.File{}
	for _, file := range files {
		got[file.Path] = file
	}
	for path, link := range map[string]string{
		"/usr/sbin/xtables-nft-multi": "", "/usr/sbin/nft": "", "/usr/lib/x86_64-linux-gnu/libc.so.6": "", "/usr/lib64/ld-linux-x86-64.so.2": "",
		"/usr/lib/x86_64-linux-gnu/libc.so": "libc.so.6", "/usr/sbin/iptables": "xtables-nft-multi", "/lib64": "usr/lib64",
	} {
		if file, ok := got[path]; !ok || file.Link != link {
			t.Errorf("%s: %+v, %t; want a link to %q", path, file, ok, link)
		}
	}
	for path := range got {
		if strings.Contains(path, "gconv") || strings.Contains(path, "perl") || strings.Contains(path, "other") || strings.Contains(path, "doc") {
			t.Errorf("%s is in the image", path)
		}
	}
	if _, err := image.Layer(files, false); err != nil {
		t.Errorf("the files make no layer: %v", err)
	}
}

func TestNotReady(t *testing.T) {
	t.Parallel()
	node := func(conditions ...corev1.NodeCondition) corev1.Node {
		return corev1.Node{Status: corev1.NodeStatus{Conditions: conditions}}
	}
	for _, test := range []struct {
		node corev1.Node
		want string
	}{
		{node(), "it has not reported yet"},
		{node(corev1.NodeCondition{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue}), "it has not reported yet"},
		{node(corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Message: "no network"}), "no network"},
		{node(corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Message: "all is well"}), ""},
	} {
		if got := notReady(test.node); got != test.want {
			t.Errorf("notReady(%v) = %q, want %q", test.node.Status.Conditions, got, test.want)
		}
	}
}
