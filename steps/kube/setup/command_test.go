package setup_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/kube/setup"
	"github.com/model-delivery/model-delivery/steps/step"
)

func execute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	args = append(args, "--results-dir", t.TempDir())
	code = step.Execute(t.Context(), setup.Command(), args, func(string) string { return "" }, &out, &errs)
	return code, out.String(), errs.String()
}

func TestDryRunNeedsNoCluster(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"setup.yaml": header + "- {name: b, needs: [a], manifests: [{file: c.yaml}]}\n- {name: a, manifests: [{file: c.yaml}]}\n",
		"c.yaml":     configMap("c"),
	})
	code, stdout, stderr := execute(t, "--dry-run", "--file", filepath.Join(dir, "setup.yaml"))
	if want := "a in namespace a: 1 ConfigMap\nb in namespace b: 1 ConfigMap; needs a\n"; code != 0 || !strings.Contains(stdout, want) {
		t.Errorf("exit code %d, output %q, errors %q; want %q", code, stdout, stderr, want)
	}
}

func TestDryRunTellsImages(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"setup.yaml": header + "- {name: a, manifests: [{file: a.yaml}]}\n",
		"a.yaml": `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {template: {spec: {
  initContainers: [{name: i, image: "init:1"}],
  containers: [{name: c, image: "operator:2", env: [{name: EXECUTOR_CONTAINER_IMAGE_AND_VERSION, value: "executor:3"}, {name: OTHER_IMAGE, value: "other:4"}]}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: b}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: "init:1"}]}}}}}}
`,
	})
	code, stdout, stderr := execute(t, "--dry-run", "--file", filepath.Join(dir, "setup.yaml"))
	if want := `"images":["executor:3","init:1","operator:2"]`; code != 0 || !strings.Contains(stdout, want) {
		t.Errorf("exit code %d, output %q, errors %q; want %q", code, stdout, stderr, want)
	}
}

func TestCommandRefusesBadInput(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		says string
	}{
		"nothing to install": {nil, "neither --file nor --profile"},
		"no such file":       {[]string{"--file", "none.yaml"}, "none.yaml"},
		"no such profile":    {[]string{"--profile", "none"}, "there are ambassador, seldon-core"},
		"bad registry":       {[]string{"--profile", "seldon-core", "--chart-registry", "http://example.org"}, "oci://HOST/PATH"},
		"no such kubeconfig": {[]string{"--profile", "seldon-core", "--kubeconfig", "none"}, "kubeconfig"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := execute(t, test.args...)
			if code != step.ExitInvalid || !strings.Contains(stderr, test.says) || !strings.Contains(stderr, "error: ") {
				t.Errorf("exit code %d, errors %q; want 2 and %q", code, stderr, test.says)
			}
		})
	}
}

// A repository without a setup file gets the profiles that a pipeline falls
// back to.
func TestFallbackProfiles(t *testing.T) {
	t.Parallel()
	_, _, stderr := execute(t, "--file", "none.yaml", "--fallback-profile", "seldon-core", "--chart-registry", "oci://127.0.0.1:1/charts", "--dry-run")
	if !strings.Contains(stderr, "there is no none.yaml") || !strings.Contains(stderr, "installing profiles seldon-core") {
		t.Errorf("errors %q", stderr)
	}
}
