package kubetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	"github.com/model-delivery/model-delivery/steps/kube"
)

// resource is a kind that the server serves.
type resource struct {
	group, version, kind, plural string
	namespaced                   bool
}

func (r resource) groupVersion() string {
	if r.group == "" {
		return r.version
	}
	return r.group + "/" + r.version
}

// Server is a Kubernetes API server that keeps its objects in memory.
type Server struct {
	// OnApply is told of each object that was applied or created, after it was
	// stored; it may call Put. Set before the first call.
	OnApply func(obj *unstructured.Unstructured)
	// Refuse may answer a request with an error instead. Set before the first call.
	Refuse func(method, path string) *metav1.Status

	http      *httptest.Server
	mu        sync.Mutex
	resources []resource
	objects   map[string]*unstructured.Unstructured // by resource path/namespace/name
	logs      map[string]string                     // by namespace/pod/container
	version   int
	watchers  map[chan event]watching
	requests  []string
}

type event struct {
	Type   string         `json:"type"`
	Object map[string]any `json:"object"`
}

type watching struct {
	resource resource
	matches  func(*unstructured.Unstructured) bool
}

// New starts a server that serves the built-in kinds which the steps use.
// Definitions that are applied add theirs. It stops when the test ends.
func New(t *testing.T) *Server {
	t.Helper()
	s := &Server{objects: map[string]*unstructured.Unstructured{}, logs: map[string]string{}, watchers: map[chan event]watching{}}
	for _, line := range []string{
		"/v1 Namespace namespaces", "/v1 Pod pods ns", "/v1 Service services ns", "/v1 ConfigMap configmaps ns", "/v1 Secret secrets ns",
		"/v1 ServiceAccount serviceaccounts ns", "/v1 Event events ns", "/v1 PersistentVolumeClaim persistentvolumeclaims ns",
		"apps/v1 Deployment deployments ns", "apps/v1 ReplicaSet replicasets ns", "apps/v1 StatefulSet statefulsets ns",
		"apps/v1 DaemonSet daemonsets ns", "batch/v1 Job jobs ns", "storage.k8s.io/v1 StorageClass storageclasses",
		"discovery.k8s.io/v1 EndpointSlice endpointslices ns", "rbac.authorization.k8s.io/v1 ClusterRole clusterroles",
		"apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions",
	} {
		fields := strings.Fields(line)
		group, version, _ := strings.Cut(fields[0], "/")
		s.resources = append(s.resources, resource{group, version, fields[1], fields[2], len(fields) > 3})
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() { s.http.CloseClientConnections(); s.http.Close() })
	return s
}

// Serve adds a kind, such as a custom resource's, without a definition.
func (s *Server) Serve(groupVersion, kind, plural string, namespaced bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	group, version, _ := strings.Cut(groupVersion, "/")
	s.resources = append(s.resources, resource{group, version, kind, plural, namespaced})
}

// Client connects to the server.
func (s *Server) Client(t *testing.T) *kube.Client {
	t.Helper()
	c, err := kube.NewClientForConfig(&rest.Config{Host: s.http.URL}, "default")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// URL is where the server listens.
func (s *Server) URL() string { return s.http.URL }

// Put stores an object as a controller would, status included, and tells those
// who watch. It is given a UID, a resource version and, where it has none, a
// generation.
func (s *Server) Put(obj *unstructured.Unstructured) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.byKind(obj)
	if !ok {
		panic("kubetest: kind is not served: " + obj.GetKind())
	}
	return s.store(r, obj.DeepCopy())
}

// PutYAML is Put for the objects of a YAML stream.
func (s *Server) PutYAML(t *testing.T, text string) {
	t.Helper()
	objs, err := kube.Decode([]byte(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range objs {
		obj.SetAnnotations(nil)
		s.Put(obj)
	}
}

// Get returns a stored object, nil when there is none.
func (s *Server) Get(kind, namespace, name string) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.resources {
		if obj := s.objects[id(r, namespace, name)]; r.kind == kind && obj != nil {
			return obj.DeepCopy()
		}
	}
	return nil
}

// Remove deletes an object.
func (s *Server) Remove(kind, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.resources {
		if obj := s.objects[id(r, namespace, name)]; r.kind == kind && obj != nil {
			delete(s.objects, id(r, namespace, name))
			s.version++
			s.tell("DELETED", r, obj)
		}
	}
}

// Log sets what a container wrote.
func (s *Server) Log(namespace, pod, container, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs[namespace+"/"+pod+"/"+container] = text
}

// Requests lists what was asked so far, as METHOD PATH.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// CutWatches ends all watches, as a server does now and then.
func (s *Server) CutWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		close(w)
		delete(s.watchers, w)
	}
}

func id(r resource, namespace, name string) string {
	if !r.namespaced {
		namespace = ""
	}
	return r.group + "/" + r.plural + "/" + namespace + "/" + name
}

func (s *Server) byKind(obj *unstructured.Unstructured) (resource, bool) {
	i := slices.IndexFunc(s.resources, func(r resource) bool {
		return r.kind == obj.GetKind() && r.groupVersion() == obj.GetAPIVersion()
	})
	if i < 0 {
		return resource{}, false
	}
	return s.resources[i], true
}

// store keeps obj and tells those who watch. s.mu is held.
func (s *Server) store(r resource, obj *unstructured.Unstructured) *unstructured.Unstructured {
	if r.namespaced && obj.GetNamespace() == "" {
		obj.SetNamespace("default")
	}
	at := id(r, obj.GetNamespace(), obj.GetName())
	before := s.objects[at]
	s.version++
	obj.SetResourceVersion(strconv.Itoa(s.version))
	if before == nil {
		if obj.GetUID() == "" {
			obj.SetUID(apiUID(at))
		}
		if obj.GetGeneration() == 0 {
			obj.SetGeneration(1)
		}
	} else if obj.GetGeneration() == 0 || obj.GetGeneration() == before.GetGeneration() {
		obj.SetUID(before.GetUID())
		obj.SetGeneration(before.GetGeneration())
		if !reflect.DeepEqual(before.Object["spec"], obj.Object["spec"]) {
			obj.SetGeneration(before.GetGeneration() + 1)
		}
	}
	if r.kind == "CustomResourceDefinition" {
		s.define(obj)
	}
	s.objects[at] = obj
	kind := "MODIFIED"
	if before == nil {
		kind = "ADDED"
	}
	s.tell(kind, r, obj)
	return obj.DeepCopy()
}

// define serves the kinds of a definition from now on.
func (s *Server) define(crd *unstructured.Unstructured) {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	scope, _, _ := unstructured.NestedString(crd.Object, "spec", "scope")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, entry := range versions {
		version := entry.(map[string]any)["name"].(string)
		s.resources = append(s.resources, resource{group, version, kind, plural, scope == "Namespaced"})
	}
	crd.Object["status"] = map[string]any{"conditions": []any{
		map[string]any{"type": "NamesAccepted", "status": "True"}, map[string]any{"type": "Established", "status": "True"},
	}}
}

func (s *Server) tell(kind string, r resource, obj *unstructured.Unstructured) {
	for w, what := range s.watchers {
		if what.resource.plural == r.plural && what.resource.group == r.group && what.matches(obj) {
			w <- event{kind, obj.DeepCopy().Object}
		}
	}
}

func selects(query map[string][]string, namespace string) func(*unstructured.Unstructured) bool {
	get := func(key string) string { return strings.Join(query[key], ",") }
	selector, err := labels.Parse(get("labelSelector"))
	if err != nil {
		selector = labels.Nothing()
	}
	name, _ := strings.CutPrefix(get("fieldSelector"), "metadata.name=")
	return func(obj *unstructured.Unstructured) bool {
		return (namespace == "" || obj.GetNamespace() == namespace) && (name == "" || obj.GetName() == name) &&
			selector.Matches(labels.Set(obj.GetLabels()))
	}
}

func (s *Server) fail(w http.ResponseWriter, status *metav1.Status) {
	status.Kind, status.APIVersion, status.Status = "Status", "v1", "Failure"
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(status.Code))
	_ = json.NewEncoder(w).Encode(status)
}

func notFound(what string) *metav1.Status {
	return &metav1.Status{Code: 404, Reason: metav1.StatusReasonNotFound, Message: fmt.Sprintf("%s not found", what)}
}
