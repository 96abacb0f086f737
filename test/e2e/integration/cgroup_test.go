//go:build e2e

package integration

import (
	"bytes"
	"context"
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/vm"
	"github.com/model-delivery/model-delivery/test/stepbin"
)

//go:embed testdata/cgroup2.sh
var guestScript []byte

// On cgroup v2 what the sidecar's engine runs counts towards the pod, is bound
// by its limits, and leaves no group. The machine has cgroup v2 whatever this one has.
func TestSidecarOnCgroupV2(t *testing.T) {
	binaries, err := stepbin.Build("docker-wait")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(binaries) })
	task, err := readTask(taskName)
	if err != nil {
		t.Fatal(err)
	}
	files := []image.File{
		{Path: vm.Main, Data: guestScript, Mode: 0o755},
		{Path: "/vm/sidecar.sh", Data: []byte(task.Spec.Sidecars[0].Script)},
		{Path: "/vm/busybox.tar", From: imageArchive(t, platform.Images["busybox"], "busybox:e2e")},
		{Path: "/vm/docker-wait", From: filepath.Join(binaries, "docker-wait"), Mode: 0o755},
	}
	want := map[string]string{
		"file-system":             "cgroup2fs",
		"engine-cgroup-version":   "2",
		"sidecar-says":            "",
		"processes-beside-groups": "0",
		"container-group":         "/sys/fs/cgroup/kubepods/pod/SIDECAR/docker/CONTAINER",
		"controller-cpu":          "there",
		"controller-memory":       "there",
		"controller-pids":         "there",
		"eater-exit-code":         "137",
		"killed-for-the-limit":    "1",
		"sidecar-after-it":        "running",
		"asked-to-end":            "0",
		"groups-after-end":        "0",
		"killed":                  "137",
		"groups-after-kill":       "0",
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var console bytes.Buffer
	code, err := vm.Boot(ctx, vm.Machine{Image: vm.In(platform.Value("vm", "image")), Files: files, Memory: 3072, Log: &console})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the machine's console:\n%s", console.String())
		}
	})
	if err != nil || code != 0 {
		t.Errorf("the machine ended with %d, %v", code, err)
	}
	got := map[string]string{}
	for line := range strings.Lines(console.String()) {
		if fields, ok := strings.CutPrefix(strings.TrimSpace(line), "fact "); ok {
			key, value, _ := strings.Cut(fields, " ")
			got[key] = value
		}
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %q, want %q", key, got[key], value)
		}
	}
}

// imageArchive is an archive of an image that docker loads by the tag.
func imageArchive(t *testing.T, ref, tag string) string {
	t.Helper()
	img, err := crane.Pull(ref)
	if err != nil {
		t.Fatal(err)
	}
	as, err := name.NewTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(path, as, img); err != nil {
		t.Fatal(err)
	}
	return path
}
