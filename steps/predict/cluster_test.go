package predict_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

const (
	promoted = "registry.example.org/news@sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730"
	older    = "registry.example.org/news@sha256:0000000000000000000000000000000000000000000000000000000000000001"
)

// cluster has a SeldonDeployment news in namespace models whose version serves.
// It returns the path of its kubeconfig.
func cluster(t *testing.T, image string) (*kubetest.Server, string) {
	t.Helper()
	s := kubetest.New(t)
	s.Serve("machinelearning.seldon.io/v1", "SeldonDeployment", "seldondeployments", true)
	s.PutYAML(t, fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: models}
---
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: news, namespace: models, generation: 1}
spec:
  predictors:
  - name: main
    replicas: 1
    graph: {name: classifier, type: MODEL}
    componentSpecs:
    - spec: {containers: [{name: classifier, image: %[1]s}]}
status:
  state: Available
  deploymentStatus: {news-main: {availableReplicas: 1}}
  serviceStatus: {news-main: {svcName: news-main, httpEndpoint: "news-main.models:9000", grpcEndpoint: "news-main.models:9500"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: news-main, namespace: models, labels: {seldon-deployment-id: news, version: main}}
spec: {replicas: 1, selector: {matchLabels: {app: news-main}}, template: {spec: {containers: [{name: classifier, image: %[1]s}]}}}
status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1}
---
apiVersion: v1
kind: Service
metadata: {name: news-main, namespace: models}
spec: {selector: {app: news-main}, ports: [{name: http, port: 9000, targetPort: 9000}, {name: grpc, port: 9500, targetPort: 9500}]}
---
apiVersion: v1
kind: Pod
metadata: {name: news-main-1, namespace: models, labels: {seldon-deployment-id: news, app: news-main}}
spec: {containers: [{name: classifier, image: %[1]s}]}
status: {phase: Running, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: news-main-1, namespace: models, labels: {seldon-deployment-id: news, kubernetes.io/service-name: news-main}}
endpoints: [{targetRef: {kind: Pod, name: news-main-1}, conditions: {ready: true}}]
`, image))
	s.Log("models", "news-main-1", "classifier", "Traceback (most recent call last):\nMemoryError: the vocabulary does not fit")
	dir := write(t, map[string]string{"kubeconfig": fmt.Sprintf(`
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q}}]
contexts: [{name: c, context: {cluster: c, user: u, namespace: models}}]
users: [{name: u, user: {}}]
current-context: c
`, s.URL())})
	return s, dir + "/kubeconfig"
}

const one = "checks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}, expect: {data: {ndarray: [[3]]}}}\n"

// TestVersionIsProved: through a gateway the cluster says which version runs,
// and the answer which it came from.
func TestVersionIsProved(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		runs, answers string
		code          int
		outcome       string
		says          string
	}{
		"the promoted version runs and answers":   {promoted, promoted, 0, "passed", ""},
		"an older version runs":                   {older, older, 1, "not-ready", "is waited for"},
		"an older version answers at the gateway": {promoted, older, 1, "value", "another version answers"},
		"the answer says nothing of its version":  {promoted, "", 0, "passed", "no answer named the image that made it, so --image classifier=" + promoted + " proved what the cluster runs, not what answers"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, kubeconfig := cluster(t, tc.runs)
			s := modeltest.New(t, modeltest.Options{Meta: map[string]any{"requestPath": map[string]any{"classifier": tc.answers}}})
			o := run(t, one, nil, "--endpoint", s.URL, "--gateway", "none", "--namespace", "models", "--deployment", "news", "--kubeconfig", kubeconfig,
				"--image", "classifier="+promoted, "--ready-timeout", "2s")
			if o.code != tc.code || o.results["outcome"] != tc.outcome || !strings.Contains(o.stdout+o.stderr, tc.says) {
				t.Fatalf("exit code %d, outcome %q, want %d, %q: %s%s", o.code, o.results["outcome"], tc.code, tc.outcome, o.stdout, o.stderr)
			}
			if tc.code == 0 && o.report.Targets[0].Images["classifier"] != promoted {
				t.Errorf("the report has images %v", o.report.Targets[0].Images)
			}
		})
	}
}

// TestLogsOfTheModelAreShown: where the answer says nothing, the log does.
func TestLogsOfTheModelAreShown(t *testing.T) {
	t.Parallel()
	_, kubeconfig := cluster(t, promoted)
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(500, "", "")})
	o := run(t, one, nil, "--endpoint", s.URL, "--gateway", "none", "--deployment", "news", "--kubeconfig", kubeconfig)
	if o.code != 1 || o.results["outcome"] != string(report.HTTP) {
		t.Fatalf("exit code %d, %s%s", o.code, o.stdout, o.stderr)
	}
	if len(o.report.Logs) != 1 || !strings.Contains(o.report.Logs[0].Text, "MemoryError") {
		t.Errorf("the report has logs %+v", o.report.Logs)
	}
	if !strings.Contains(o.stdout, "MemoryError: the vocabulary does not fit") {
		t.Errorf("the log is not printed: %s", o.stdout)
	}
}

// TestPredictorsOwnService: without an endpoint a predictor is asked at its own
// Service, by the cluster's name of it.
func TestPredictorsOwnService(t *testing.T) {
	t.Parallel()
	_, kubeconfig := cluster(t, promoted)
	o := run(t, one, nil, "--deployment", "news", "--kubeconfig", kubeconfig, "--forward", "never", "--ready-timeout", "3s", "--retries", "0")
	if o.code != 3 || o.report.Outcome != report.NotReady {
		t.Fatalf("exit code %d, outcome %s: %s", o.code, o.report.Outcome, o.stderr)
	}
	if got := o.report.Targets[0].Endpoint; got != "news-main.models.svc:9000" {
		t.Errorf("asked at %s", got)
	}
}

func TestClusterFlagsThatAreWrong(t *testing.T) {
	t.Parallel()
	_, kubeconfig := cluster(t, promoted)
	tests := map[string]struct {
		args []string
		code int
		says string
	}{
		"nothing to ask":           {nil, 2, "--endpoint or --deployment is needed"},
		"no such predictor":        {[]string{"--deployment", "news", "--kubeconfig", kubeconfig, "--predictor", "canary"}, 2, `has no predictor "canary"; it has main`},
		"no such kubeconfig":       {[]string{"--deployment", "news", "--kubeconfig", kubeconfig + "x"}, 2, "kubeconfig"},
		"forward":                  {[]string{"--deployment", "news", "--kubeconfig", kubeconfig, "--forward", "maybe"}, 2, "auto, always or never"},
		"model without a cluster":  {[]string{"--endpoint", "http://127.0.0.1:1", "--model-uri", "m=s3://models/1"}, 2, "in a cluster only"},
		"model that is not served": {[]string{"--deployment", "news", "--kubeconfig", kubeconfig, "--forward", "never", "--model-uri", "classifier=s3://models/2"}, 1, "s3://models/2"},
		"baseline predictor":       {[]string{"--endpoint", "http://127.0.0.1:1", "--baseline", "predictor:main"}, 2, "needs --deployment and a kubeconfig"},
		"only baseline is left":    {[]string{"--deployment", "news", "--kubeconfig", kubeconfig, "--forward", "never", "--baseline", "predictor:main"}, 2, "leaves nothing to compare"},
		"token of no baseline":     {[]string{"--endpoint", "http://127.0.0.1:1", "--baseline-bearer-token-file", kubeconfig}, 2, "needs --baseline"},
		"no token of the baseline": {[]string{"--endpoint", "http://127.0.0.1:1", "--baseline", "http://127.0.0.1:2", "--baseline-bearer-token-file", kubeconfig + "x"}, 2, "--baseline-bearer-token-file"},
		"baseline by name":         {[]string{"--endpoint", "http://127.0.0.1:1", "--baseline", "models/news"}, 2, "through a gateway only"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := run(t, one, nil, append(tc.args, "--ready-timeout", "5s")...)
			if o.code != tc.code || !strings.Contains(o.stderr, tc.says) {
				t.Errorf("exit code %d, want %d with %q: %s", o.code, tc.code, tc.says, o.stderr)
			}
		})
	}
}
