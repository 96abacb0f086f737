package kind

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// testAPI serves lists and watches of what readiness looks at. Objects are
// put in while it runs.
type testAPI struct {
	mu       sync.Mutex
	objects  map[string]map[string]any // by path
	changed  chan struct{}             // closed and replaced at each change
	requests atomic.Int32
	failing  atomic.Bool // lists are refused
	cutting  atomic.Bool // watches end at once
}

func newTestAPI(t *testing.T) (*testAPI, kubernetes.Interface) {
	t.Helper()
	a := &testAPI{objects: map[string]map[string]any{}, changed: make(chan struct{})}
	server := httptest.NewServer(a)
	t.Cleanup(server.CloseClientConnections)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return a, client
}

const (
	nodesPath    = "/api/v1/nodes"
	slicesPath   = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
	accountsPath = "/api/v1/namespaces/default/serviceaccounts"
	podsPath     = "/api/v1/namespaces/kube-system/pods"
)

func (a *testAPI) put(path, text string) {
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		panic(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.objects[path] = object
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *testAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.requests.Add(1)
	w.Header().Set("Content-Type", "application/json")
	kinds := map[string][2]string{nodesPath: {"NodeList", "v1"}, slicesPath: {"EndpointSliceList", "discovery.k8s.io/v1"}, accountsPath: {"ServiceAccountList", "v1"}, podsPath: {"PodList", "v1"}}
	kind := kinds[r.URL.Path]
	if strings.HasSuffix(r.URL.Path, "/log") {
		io.WriteString(w, loopEnd)
		return
	}
	if r.URL.Query().Get("watch") != "true" {
		if a.failing.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "etcd is busy", "code": 503})
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		items := []any{}
		if o := a.objects[r.URL.Path]; o != nil {
			items = append(items, o)
		}
		json.NewEncoder(w).Encode(map[string]any{"kind": kind[0], "apiVersion": kind[1], "metadata": map[string]any{"resourceVersion": "1"}, "items": items})
		return
	}
	w.(http.Flusher).Flush()
	var last map[string]any
	for !a.cutting.Load() {
		a.mu.Lock()
		object, changed := a.objects[r.URL.Path], a.changed
		a.mu.Unlock()
		if text, _ := json.Marshal(object); object != nil && string(text) != string(must(json.Marshal(last))) {
			json.NewEncoder(w).Encode(map[string]any{"type": "MODIFIED", "object": object})
			w.(http.Flusher).Flush()
			last = object
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}

const (
	unreadyNode = `{"kind":"Node","apiVersion":"v1","metadata":{"name":"n"},"status":{"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"network plugin is not ready"}]}}`
	readyNode   = `{"kind":"Node","apiVersion":"v1","metadata":{"name":"n"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`
	unreadyDNS  = `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"kube-dns-x"},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.2"],"conditions":{"ready":false},"targetRef":{"kind":"Pod","name":"coredns-1"}}]}`
	readyDNS    = `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"kube-dns-x"},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.2"],"conditions":{"ready":true},"targetRef":{"kind":"Pod","name":"coredns-1"}}]}`
	endedDNS    = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"coredns-1"},"status":{"containerStatuses":[{"name":"coredns","restartCount":1,"lastState":{"terminated":{"exitCode":1}}}]}}`
	loopEnd     = "[FATAL] plugin/loop: Loop (127.0.0.1:39 -> :53) detected for zone \".\""
	account     = `{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"default","namespace":"default"}}`
)

func noQuery(context.Context, string) error { return nil }

// Readiness is seen when it comes, without asking again and again.
func TestWaitReadyFollowsWatches(t *testing.T) {
	t.Parallel()
	a, client := newTestAPI(t)
	a.put(nodesPath, unreadyNode)
	a.put(slicesPath, unreadyDNS)
	asked := make(chan string, 10)
	ready := make(chan error, 1)
	go func() {
		ready <- waitReady(t.Context(), client, 1, func(_ context.Context, pod string) error { asked <- pod; return nil }, t.Logf)
	}()
	const watched = 8 // a list and a watch for each of three things, and for how DNS ended
	for deadline := time.Now().Add(10 * time.Second); a.requests.Load() < watched && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	a.put(accountsPath, account)
	a.put(nodesPath, readyNode)
	select {
	case err := <-ready:
		t.Fatalf("ready without DNS: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	a.put(slicesPath, readyDNS)
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	if n := a.requests.Load(); n != watched {
		t.Errorf("%d requests, want %d: what changes is told by the watches", n, watched)
	}
	if pod := <-asked; pod != "coredns-1" {
		t.Errorf("asked %s", pod)
	}
}

func TestWaitReadySaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	a, client := newTestAPI(t)
	a.put(nodesPath, unreadyNode)
	a.put(slicesPath, readyDNS)
	a.put(accountsPath, account)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := waitReady(ctx, client, 1, func(context.Context, string) error { return errors.New("SERVFAIL") }, t.Logf)
	notReady, ok := errors.AsType[*notReadyError](err)
	if !ok || len(notReady.missing) != 2 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"0 ready of 1 registered n (KubeletNotReady: network plugin is not ready)", "SERVFAIL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "service account") {
		t.Errorf("%v names what is there", err)
	}
}

// No time mends a DNS that asks itself, whether it is caught at it or has found
// it out and ended.
func TestWaitReadyEndsForADNSLoop(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		path, object string
		query        error
	}{
		"caught": {slicesPath, readyDNS, errDNSLoop},
		"ended":  {podsPath, endedDNS, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, client := newTestAPI(t)
			a.put(nodesPath, unreadyNode)
			a.put(tc.path, tc.object)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := waitReady(ctx, client, 1, func(context.Context, string) error { return tc.query }, t.Logf)
			if !errors.Is(err, errDNSLoop) || !strings.Contains(err.Error(), "DNS answers: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// An API server that comes and goes while it starts is no failure.
func TestWaitReadyOutlastsTheServer(t *testing.T) {
	t.Parallel()
	a, client := newTestAPI(t)
	a.failing.Store(true)
	a.cutting.Store(true)
	a.put(nodesPath, unreadyNode)
	time.AfterFunc(200*time.Millisecond, func() { a.failing.Store(false) })
	time.AfterFunc(400*time.Millisecond, func() {
		a.cutting.Store(false)
		a.put(nodesPath, readyNode)
		a.put(slicesPath, readyDNS)
		a.put(accountsPath, account)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := waitReady(ctx, client, 1, noQuery, t.Logf); err != nil {
		t.Fatal(err)
	}
}
