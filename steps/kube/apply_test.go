package kube_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
	"github.com/model-delivery/model-delivery/steps/step"
)

const widgetDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, properties: {status: {type: object, properties: {conditions: {type: array}}}}}}
`

func decode(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	objs, err := kube.Decode([]byte(text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

// patches lists the kinds that were applied, in order.
func patches(server *kubetest.Server) []string {
	var out []string
	for _, request := range server.Requests() {
		if path, ok := strings.CutPrefix(request, "PATCH "); ok {
			out = append(out, path[strings.LastIndex(path[:strings.LastIndex(path, "/")], "/")+1:])
		}
	}
	return out
}

func TestApplyOrdersWhatDependsOnEachOther(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	objs := decode(t, `
apiVersion: example.org/v1
kind: Widget
metadata: {name: w, namespace: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---`+widgetDefinition)
	applied, err := kube.Apply(t.Context(), server.Client(t), objs, kube.ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := "namespaces/shop customresourcedefinitions/widgets.example.org configmaps/c deployments/d widgets/w"
	if got := strings.Join(patches(server), " "); got != want {
		t.Errorf("applied in order\n%s\nwant\n%s", got, want)
	}
	if applied[0].GetKind() != "Widget" || applied[0].GetUID() == "" {
		t.Errorf("the first result is %s without what the cluster gave it, want the first object as stored", kube.Ref(applied[0]))
	}
	if annotations := server.Get("ConfigMap", "shop", "c").GetAnnotations(); len(annotations) > 0 {
		t.Errorf("the cluster got annotations that no manifest has: %v", annotations)
	}
}

func TestApplyMakesMissingNamespaces(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	objs := decode(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: other}}")
	_, err := kube.Apply(t.Context(), server.Client(t), objs, kube.ApplyOptions{Namespace: "shop", CreateNamespaces: true})
	if err != nil {
		t.Fatal(err)
	}
	if server.Get("ConfigMap", "shop", "a") == nil || server.Get("ConfigMap", "other", "b") == nil {
		t.Errorf("objects are not where they belong: %v", server.Requests())
	}
}

func TestApplyTriesAgainWhatHeals(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]metav1.Status{
		"webhook that does not answer yet": {Code: 500, Reason: metav1.StatusReasonInternalError, Message: `Internal error occurred: failed calling webhook "v1": connection refused`},
		"busy server":                      {Code: 429, Reason: metav1.StatusReasonTooManyRequests, Message: "later"},
		"conflict of two writers":          {Code: 409, Reason: metav1.StatusReasonConflict, Message: "the object has been modified"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kubetest.New(t)
			var calls atomic.Int32
			server.Refuse = func(method, path string) *metav1.Status {
				if method == "PATCH" && calls.Add(1) < 3 {
					return refusal.DeepCopy()
				}
				return nil
			}
			_, err := kube.Apply(t.Context(), server.Client(t), decode(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"), kube.ApplyOptions{})
			if err != nil || calls.Load() != 3 {
				t.Errorf("error %v after %d calls, want none after 3", err, calls.Load())
			}
		})
	}
}

func TestApplyErrorsAreClassifiedAndSayWhere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		refusal    metav1.Status
		code       int
		says, hint string
	}{
		"invalid object": {
			metav1.Status{Code: 422, Reason: metav1.StatusReasonInvalid, Message: `ConfigMap "a" is invalid: data: too long`},
			step.ExitInvalid, "apply ConfigMap default/a (test.yaml): ", "",
		},
		"refused by policy": {
			metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: `admission webhook "p" denied the request: no`},
			step.ExitInvalid, "denied the request", "",
		},
		"no right": {
			metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: `configmaps "a" is forbidden`},
			step.ExitInfra, "forbidden", "lacks this right",
		},
		"owned by somebody else": {
			metav1.Status{Code: 409, Reason: metav1.StatusReasonConflict, Message: `conflict with "helm"`,
				Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict}}}},
			step.ExitInvalid, `conflict with "helm"`, "--force-conflicts",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kubetest.New(t)
			server.Refuse = func(method, path string) *metav1.Status {
				if method == "PATCH" {
					return test.refusal.DeepCopy()
				}
				return nil
			}
			_, err := kube.Apply(t.Context(), server.Client(t), decode(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"), kube.ApplyOptions{})
			if step.ExitCode(err) != test.code || !strings.Contains(err.Error(), test.says) || !strings.Contains(step.Hint(err), test.hint) {
				t.Errorf("error %q (code %d, hint %q), want code %d, %q, hint %q", err, step.ExitCode(err), step.Hint(err), test.code, test.says, test.hint)
			}
		})
	}
}

func TestApplyWithoutACluster(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	client := server.Client(t)
	server.Refuse = func(string, string) *metav1.Status { return nil }
	unknown := decode(t, "{apiVersion: example.org/v1, kind: Nothing, metadata: {name: a}}")
	start := time.Now()
	_, err := kube.Apply(t.Context(), client, unknown, kube.ApplyOptions{Timeout: 300 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "Nothing") || time.Since(start) > 5*time.Second {
		t.Errorf("error %v after %s, want one about the unknown kind soon after the timeout", err, time.Since(start))
	}
}
