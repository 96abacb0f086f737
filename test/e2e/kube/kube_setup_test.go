//go:build e2e

package kube

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const header = "apiVersion: model-delivery.dev/v1\nkind: ClusterSetup\ninstall:\n"

// workload is a Deployment of one pod that runs a shell command.
func workload(name, command string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: "IMAGE", command: [sh, -c, %[2]q]}]
`, name, command)
}

const chartYAML = "{apiVersion: v2, name: e2e, version: 0.1.0}"

const chartTemplate = `apiVersion: v1
kind: ConfigMap
metadata: {name: made-by-chart}
data: {kubernetes: {{ .Capabilities.KubeVersion.Version | quote }}, system: {{ (lookup "v1" "Namespace" "" "kube-system").metadata.name }}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: prepare, annotations: {helm.sh/hook: pre-install}}
spec:
  backoffLimit: 0
  template: {spec: {restartPolicy: Never, containers: [{name: main, image: "IMAGE", command: [sh, -c, "test ! -e /done"]}]}}
`

// pushChart puts the chart into the platform's registry, which speaks plain HTTP.
func pushChart(t *testing.T, repository string) {
	t.Helper()
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	pack := tar.NewWriter(zip)
	for file, text := range map[string]string{"Chart.yaml": chartYAML, "templates/all.yaml": strings.ReplaceAll(chartTemplate, "IMAGE", platform.Images["busybox"])} {
		if err := pack.WriteHeader(&tar.Header{Name: "e2e/" + file, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := pack.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := pack.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(
		mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json"),
		static.NewLayer(archive.Bytes(), "application/vnd.cncf.helm.chart.content.v1.tar+gzip"))
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(platform.Registry + "/" + repository + ":0.1.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// Everything that a setup file can list is installed and ready, a second run
// changes nothing, and the chart sees the real cluster.
func TestSetupInstallsEverything(t *testing.T) {
	ns := namespace(t)
	pushChart(t, "e2e/charts/e2e")
	dir := tree(t, ns, map[string]string{
		"setup.yaml": header + `
- {name: crd, namespace: NS, manifests: [{file: crd.yaml}]}
- {name: custom, namespace: NS, manifests: [{file: widget.yaml}]}
- {name: web, namespace: NS, manifests: [{directory: web}]}
- {name: built, namespace: NS, kustomize: {path: overlay}}
- {name: chart, namespace: NS, needs: [web], chart: {oci: "oci://` + platform.Registry + `/e2e/charts", name: e2e, version: 0.1.0}}
`,
		"crd.yaml": `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NS.example.org}
spec:
  group: NS.example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`,
		"widget.yaml":                "{apiVersion: NS.example.org/v1, kind: Widget, metadata: {name: w}}",
		"web/deployment.yaml":        workload("web", "sleep 3600"),
		"web/claim.json":             `{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "unused"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}`,
		"base/kustomization.yaml":    "resources: [job.yaml]",
		"base/job.yaml":              "{apiVersion: batch/v1, kind: Job, metadata: {name: job}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: \"IMAGE\", command: [sh, -c, 'sleep 1']}]}}}}",
		"overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: built-\n",
	})
	t.Cleanup(func() {
		client := cluster(t)
		_ = deleteObject(client, "apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets."+ns+".example.org")
	})
	for range 2 {
		out := run(t, "cluster-setup", "--file", filepath.Join(dir, "setup.yaml"), "--timeout", "2m")
		if out.code != 0 {
			t.Fatal("cluster-setup failed")
		}
	}
	if kubernetes := get(t, "v1", "ConfigMap", ns, "made-by-chart").Object["data"].(map[string]any)["system"]; kubernetes != "kube-system" {
		t.Errorf("the chart looked up %v", kubernetes)
	}
	if status := get(t, "batch/v1", "Job", ns, "built-job").Object["status"].(map[string]any)["succeeded"]; status != int64(1) {
		t.Errorf("the Job was not waited for: %v succeeded", status)
	}
}

// What does not become ready is explained from the cluster's own evidence, with
// exit code 1 and a hint.
func TestSetupExplains(t *testing.T) {
	pod := func(spec string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector: {matchLabels: {app: d}}\n  template:\n    metadata: {labels: {app: d}}\n    spec: " + spec + "\n"
	}
	tests := map[string]struct {
		manifest string
		says     []string
	}{
		"image that is nowhere": {
			pod(`{containers: [{name: main, image: "` + platform.Registry + `/e2e/nowhere:1"}]}`),
			[]string{"container main: ", "ImagePull", "hint: the node cannot get image", "/e2e/nowhere:1"},
		},
		"process that ends": {
			workload("d", "echo cannot open the model; exit 3"),
			[]string{"container main: ", "exit code 3", "| cannot open the model", "hint: container main starts and ends again"},
		},
		"probe that fails": {
			pod(`{containers: [{name: main, image: "IMAGE", command: [sh, -c, "echo listening on nothing; sleep 3600"], readinessProbe: {tcpSocket: {port: 81}, periodSeconds: 1}}]}`),
			[]string{"container main: NotReady", "Readiness probe failed", "| listening on nothing", "hint: container main runs but is not ready"},
		},
		"no room": {
			pod(`{containers: [{name: main, image: "IMAGE", resources: {requests: {cpu: "500"}}}]}`),
			[]string{"not scheduled: ", "Insufficient cpu", "hint: the node has no room left"},
		},
		"settings that are missing": {
			pod(`{containers: [{name: main, image: "IMAGE", envFrom: [{configMapRef: {name: nowhere}}]}]}`),
			[]string{"CreateContainerConfigError", `configmap "nowhere" not found`, "hint: the pod refers to a Secret, ConfigMap or key that is not there"},
		},
		"volume that is missing": {
			pod(`{containers: [{name: main, image: "IMAGE", command: [sleep, "3600"], volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, secret: {secretName: nowhere}}]}`),
			[]string{"FailedMount", `secret "nowhere" not found`, "hint: a volume cannot be mounted"},
		},
		"memory that runs out": {
			pod(`{containers: [{name: main, image: "IMAGE", command: [sh, -c, "x=x; while true; do x=$x$x; done"], resources: {limits: {memory: 16Mi}}}]}`),
			[]string{"OOMKilled", "exit code 137", "hint: container main ran out of memory"},
		},
		"account that is missing": {
			pod(`{serviceAccountName: nobody, containers: [{name: main, image: "IMAGE"}]}`),
			[]string{"it has no pods", `serviceaccount "nobody" not found`, "hint: the cluster refuses the pods"},
		},
		"quota": {
			"{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: 0}}}\n---\n" + workload("d", "sleep 1"),
			[]string{"exceeded quota", "hint: the cluster refuses the pods"},
		},
		"job that fails": {
			`{apiVersion: batch/v1, kind: Job, metadata: {name: d}, spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: main, image: "IMAGE", command: [sh, -c, "echo no such table; exit 4"]}]}}}}`,
			[]string{"Job Failed", "exit code 4", "| no such table"},
		},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			dir := tree(t, ns, map[string]string{"setup.yaml": header + "- {name: entry, namespace: NS, manifests: [{file: d.yaml}]}\n", "d.yaml": test.manifest})
			out := run(t, "cluster-setup", "--file", filepath.Join(dir, "setup.yaml"), "--timeout", "25s")
			if out.code != 1 {
				t.Errorf("exit code %d, want 1", out.code)
			}
			for _, evidence := range test.says {
				if !strings.Contains(out.stderr, evidence) {
					t.Errorf("the error lacks %q", evidence)
				}
			}
		})
	}
}

// Objects that the cluster refuses are bad input, and say which and why.
func TestSetupRefused(t *testing.T) {
	tests := map[string]struct{ manifest, says string }{
		"field that is not known": {"{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {prots: []}}", "prots"},
		"value that is not valid": {"{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 99999}]}}", "99999"},
		"kind that is not known":  {"{apiVersion: example.org/v1, kind: Nothing, metadata: {name: s}}", "serves no kind Nothing"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			dir := tree(t, ns, map[string]string{"setup.yaml": header + "- {name: entry, namespace: NS, manifests: [{file: d.yaml}]}\n", "d.yaml": test.manifest})
			out := run(t, "cluster-setup", "--file", filepath.Join(dir, "setup.yaml"), "--timeout", "60s")
			if out.code != 2 || !strings.Contains(out.stderr, test.says) || !strings.Contains(out.stderr, "d.yaml") {
				t.Errorf("exit code %d, want 2 with %q and the file's name", out.code, test.says)
			}
		})
	}
}
