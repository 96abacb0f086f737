//go:build e2e

package kube

import (
	"archive/tar"
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/model-delivery/model-delivery/steps/seldon"
)

// gateway is where the platform's gateway listens on this machine.
const gateway = "http://127.0.0.1:30088"

// model is a SeldonDeployment of a stand-in for a model: a server of one page
// that says which version it is.
const model = `apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: page}
spec:
  predictors:
  - name: main
    replicas: 2
    annotations: {seldon.io/no-engine: "true"}
    graph: {name: server, type: MODEL}
    componentSpecs:
    - spec:
        terminationGracePeriodSeconds: 1
        containers:
        - name: server
          image: nowhere/page:0
          readinessProbe: {httpGet: {path: /, port: 9000}, periodSeconds: 1}
          livenessProbe: {httpGet: {path: /, port: 9000}, initialDelaySeconds: 60}
          lifecycle: {preStop: {exec: {command: ["true"]}}}
`

// pageImage pushes an image whose server answers with a version, and returns its
// reference by digest.
func pageImage(t *testing.T, version string) string {
	t.Helper()
	reference, err := name.ParseReference(platform.Images["busybox"])
	if err != nil {
		t.Fatal(err)
	}
	base, err := remote.Image(reference, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(base, layerOf(t, "www/index.html", 0o644, []byte(version)))
	if err != nil {
		t.Fatal(err)
	}
	return push(t, image, v1.Config{Cmd: []string{"httpd", "-f", "-p", "9000", "-h", "/www"}}, "e2e/page", version)
}

// push pushes an image that is run as the configuration says, with the
// environment it has, and returns its reference by digest.
func push(t *testing.T, image v1.Image, runs v1.Config, path, tag string) string {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	runs.Env = append(config.Config.Env, runs.Env...)
	config.OS, config.Architecture, config.Config = "linux", "amd64", runs
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	repository, err := name.NewRepository(platform.Registry + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(repository.Tag(tag), image, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return repository.Digest(digest.String()).String()
}

// layerOf is a layer of one file.
func layerOf(t *testing.T, path string, mode int64, data []byte) v1.Layer {
	t.Helper()
	var files bytes.Buffer
	pack := tar.NewWriter(&files)
	if err := pack.WriteHeader(&tar.Header{Name: path, Mode: mode, Size: int64(len(data))}); err != nil {
		t.Fatal(err)
	}
	if _, err := pack.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := pack.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

// ask gets what a deployment answers through the gateway.
func ask(t *testing.T, namespace, deployment string) string {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(gateway + "/seldon/" + namespace + "/" + deployment + "/")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
	return strings.TrimSpace(string(body))
}

// warm asks until the gateway reaches the deployment: a new service's way
// through the node takes a moment. What is answered then is not asked again.
func warm(t *testing.T, namespace, deployment string) string {
	t.Helper()
	answer := ask(t, namespace, deployment)
	for tries := 0; strings.Contains(answer, `"code":50`) && tries < 20; tries++ {
		time.Sleep(250 * time.Millisecond)
		answer = ask(t, namespace, deployment)
	}
	return answer
}

// A running model is updated again and again: when seldon-deploy is done, no
// request is answered by the version before, although Seldon Core called the
// deployment Available all the time.
func TestDeployNeverTakesTheOldModelForTheNew(t *testing.T) {
	ns := namespace(t)
	dir := tree(t, ns, map[string]string{"page.yaml": model})
	images := map[string]string{"first": pageImage(t, "first"), "second": pageImage(t, "second")}
	for round := range 6 {
		version := []string{"first", "second"}[round%2]
		out := run(t, "seldon-deploy", "--manifests", dir, "--namespace", ns, "--image", "server="+images[version], "--timeout", "3m")
		if out.code != 0 {
			t.Fatalf("round %d: seldon-deploy failed", round)
		}
		if out.results["deployment"] != "page" || out.results["namespace"] != ns {
			t.Errorf("round %d: results %v", round, out.results)
		}
		if round == 0 {
			warm(t, ns, "page")
		}
		answers := map[string]int{}
		for range 40 {
			answers[ask(t, ns, "page")]++
		}
		t.Logf("round %d: %s after %s, answers %v", round, version, out.took.Round(100*time.Millisecond), answers)
		if answers[version] != 40 {
			t.Errorf("round %d: %v answered, all should be %s", round, answers, version)
		}
	}
}

// The same holds for changes that no image shows, for a container's new name,
// and for the old versions of the API as JSON.
func TestDeployFollowsEveryChange(t *testing.T) {
	ns := namespace(t)
	image := pageImage(t, "first")
	changes := []struct{ title, manifest, container string }{
		{"as it is", model, "server"},
		{"environment", strings.Replace(model, "readinessProbe:", "env: [{name: MODE, value: thorough}]\n          readinessProbe:", 1), "server"},
		{"replicas", strings.Replace(model, "replicas: 2", "replicas: 1", 1), "server"},
		{"name of the container", strings.ReplaceAll(model, "name: server", "name: renamed"), "renamed"},
		{"name of the predictor", strings.ReplaceAll(model, "name: main", "name: other"), "server"},
		{"version of the API", strings.Replace(model, "seldon.io/v1\n", "seldon.io/v1alpha2\n", 1), "server"},
		{"canary", strings.Replace(model, "replicas: 2", "replicas: 2\n    traffic: 75", 1) + strings.Replace(canaryOf(model), "replicas: 1", "replicas: 1\n    traffic: 25", 1), "server"},
	}
	for _, change := range changes {
		dir := tree(t, ns, map[string]string{"page.yaml": change.manifest})
		out := run(t, "seldon-deploy", "--manifests", filepath.Join(dir, "page.yaml"), "--namespace", ns, "--image", change.container+"="+image, "--timeout", "3m")
		if out.code != 0 {
			t.Fatalf("%s: seldon-deploy failed", change.title)
		}
		if got := warm(t, ns, "page"); got != "first" {
			t.Errorf("%s: answered %q", change.title, got)
		}
	}
	status, err := seldon.Wait(t.Context(), cluster(t), ns, "page", seldon.Want{AnyImages: []string{image}})
	if err != nil || len(status.Predictors) != 2 || status.Predictors[1].Service != "page-canary" {
		t.Errorf("status %+v, error %v; want two predictors with services of their own", status, err)
	}
}

// canaryOf is a second predictor like the first one, with a quarter of the traffic.
func canaryOf(manifest string) string {
	_, predictor, _ := strings.Cut(manifest, "predictors:\n")
	predictor = strings.Replace(predictor, "name: main", "name: canary", 1)
	return strings.Replace(predictor, "replicas: 2", "replicas: 1", 1)
}

// What does not come up is explained, and given up early where waiting cannot help.
func TestDeployExplains(t *testing.T) {
	tests := map[string]struct {
		manifest, image string
		code            int
		says            []string
	}{
		"image that is nowhere": {model, platform.Registry + "/e2e/nowhere:1", 1,
			[]string{"does not come up", "container server: ", "ImagePull", "hint: the node cannot get image"}},
		"model that ends": {strings.Replace(model, "image: nowhere/page:0", "image: nowhere/page:0\n          command: [sh, -c, \"echo the model file is missing; exit 5\"]", 1), platform.Images["busybox"], 1,
			[]string{"exit code 5", "| the model file is missing", "hint: container server starts and ends again"}},
		"traffic that does not add up": {strings.Replace(model, "replicas: 2", "replicas: 2\n    traffic: 30", 1) + canaryOf(model), platform.Images["busybox"], 2,
			[]string{"apply SeldonDeployment", "denied the request"}},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			dir := tree(t, ns, map[string]string{"page.yaml": test.manifest})
			out := run(t, "seldon-deploy", "--manifests", dir, "--namespace", ns, "--image", "server="+test.image, "--timeout", "4m", "--patience", "20s")
			if out.code != test.code {
				t.Errorf("exit code %d, want %d", out.code, test.code)
			}
			for _, evidence := range test.says {
				if !strings.Contains(out.stderr, evidence) {
					t.Errorf("the error lacks %q", evidence)
				}
			}
			if out.took > 3*time.Minute {
				t.Errorf("took %s, waiting could not help", out.took)
			}
		})
	}
}
