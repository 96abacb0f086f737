//go:build e2e

// Package image tests model-image as a built binary against the docker engine
// and the registry of the local platform.
package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

const builderRecipe = `FROM %s
LABEL io.openshift.s2i.scripts-url=image:///s2i
COPY assemble run /s2i/
RUN mkdir -p /opt/app && chown 1001:0 /opt/app
USER 1001
`

// TestBuild makes images by each strategy, and finds the very image that was
// made in the registry.
func TestBuild(t *testing.T) {
	platform, err := local.Load("")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "model-image")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/model-delivery/model-delivery/cmd/model-image").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	env := append(append(os.Environ(), platform.Environ()...), "DOCKER_BUILDKIT=0")
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		if name == "docker" {
			cmd.Path = filepath.Join(platform.DockerPath, "docker")
		}
		var stderr bytes.Buffer
		cmd.Env, cmd.Stderr = env, &stderr
		out, err := cmd.Output()
		t.Logf("%s: %s", strings.Join(args, " "), stderr.String())
		if err != nil {
			t.Fatalf("%v", err)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(files map[string]string) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "news_classifier")
		for name, text := range files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	tag := func(name string) string { return fmt.Sprintf("e2e-%s-%d", name, os.Getpid()) }
	keep := func(ref string) string {
		t.Cleanup(func() {
			cmd := exec.Command(filepath.Join(platform.DockerPath, "docker"), "rmi", "--force", ref)
			cmd.Env = env
			cmd.Run()
		})
		return ref
	}
	base := keep(tag("base") + ":v1")
	run("docker", "pull", "--quiet", platform.Images["busybox"])
	run("docker", "tag", platform.Images["busybox"], base)
	builder := keep(tag("builder") + ":v1")
	run("docker", "build", "--tag", builder, write(map[string]string{
		"Dockerfile": fmt.Sprintf(builderRecipe, base),
		"assemble":   "#!/bin/sh\nset -e\nmv /tmp/src/app /opt/app/app\necho \"assembled by $(id -u) for $MODEL_NAME\" >/opt/app/note\n",
		"run":        "#!/bin/sh\ncat /opt/app/note /opt/app/app\nls /tmp/src\n",
	}))
	for _, tc := range []struct {
		name, strategy string
		files          map[string]string
		args           []string
		says           string
	}{
		{"source to image", "s2i", map[string]string{"app": "the app", "secret.txt": "x", ".s2iignore": "secret.txt\n.s2i*\n", ".s2i/environment": "MODEL_NAME=\"News\" $HOME\n"},
			[]string{"--builder", builder}, "assembled by 1001 for \"News\" $HOME\nthe app"},
		{"source with a script of its own", "s2i", map[string]string{"app": "the app", ".s2i/bin/run": "#!/bin/sh\necho own run\n"},
			[]string{"--base-image", builder}, "own run"},
		{"Dockerfile", "dockerfile", map[string]string{"Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG WORD\nENV WORD=${WORD}\nCMD [\"sh\", \"-c\", \"echo $WORD\"]\n"},
			[]string{"--base-image", base, "--build-arg", "WORD=said"}, "said"},
		{"make", "make", map[string]string{"Makefile": "build:\n\tdocker build --build-arg BASE_IMAGE=$(BASE_IMAGE) --tag $(IMAGE) .\n", "Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCMD [\"echo\", \"made\"]\n"},
			[]string{"--base-image", base}, "made"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			image := keep(tag(strings.ReplaceAll(strings.ToLower(tc.name), " ", "-")) + ":v1")
			target := keep(platform.Registry + "/e2e/" + image)
			args := append([]string{"--strategy", tc.strategy, "--model-dir", write(tc.files), "--tag", image, "--push", target, "--results-dir", t.TempDir()}, tc.args...)
			var results map[string]string
			if err := json.Unmarshal([]byte(run(binary, args...)), &results); err != nil {
				t.Fatal(err)
			}
			if got := run("docker", "run", "--rm", results["image-id"]); got != tc.says {
				t.Errorf("the image says %q, want %q", got, tc.says)
			}
			digest, err := crane.Digest(target)
			if err != nil || digest != results["IMAGE_DIGEST"] || results["IMAGE_URL"] != target {
				t.Errorf("results %v; the registry has %s, %v", results, digest, err)
			}
		})
	}
}
