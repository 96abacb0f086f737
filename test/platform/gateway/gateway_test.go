package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestHandlerRewritesAndForwards(t *testing.T) {
	t.Parallel()
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("X-Forwarded-Host"), body)
	}))
	defer model.Close()
	gateway := serving(t, fmt.Sprintf("{kind: Mapping, name: m, prefix: /seldon/staging/m/, rewrite: /, service: %q}", model.Listener.Addr()))

	answer, err := http.Post(gateway+"/seldon/staging/m/api/v1.0/predictions%2Fx?a=b", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, _ := io.ReadAll(answer.Body)
	want := "POST /api/v1.0/predictions%2Fx?a=b " + strings.TrimPrefix(gateway, "http://") + " hello"
	if string(got) != want {
		t.Errorf("the model saw %q, want %q", got, want)
	}
}

func TestHandlerRefuses(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	gateway := serving(t, fmt.Sprintf(`
{kind: Mapping, name: slow, prefix: /slow/, service: %q, timeout_ms: 50}
---
{kind: Mapping, name: gone, prefix: /gone/, service: %q}
`, slow.Listener.Addr(), gone.Addr()))
	for path, want := range map[string]int{"/slow/x": 504, "/gone/x": 503, "/other": 404, "/healthz": 200} {
		answer, err := http.Get(gateway + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("GET %s = %d, want %d", path, answer.StatusCode, want)
		}
	}
}

func TestHandlerIsUnhealthyWithoutRoutes(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	NewHandler(quiet()).ServeHTTP(recorder, httptest.NewRequest("GET", "/healthz", nil))
	if recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("GET /healthz before the first list = %d, want 503", recorder.Code)
	}
}

func TestShadowGetsACopy(t *testing.T) {
	t.Parallel()
	copies := make(chan string, 1)
	shadow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		copies <- r.URL.Path + " " + string(body)
	}))
	defer shadow.Close()
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer model.Close()
	gateway := serving(t, fmt.Sprintf(`
{kind: Mapping, name: model, prefix: /m/, service: %q}
---
{kind: Mapping, name: shadow, prefix: /m/, service: %q, shadow: true}
`, model.Listener.Addr(), shadow.Listener.Addr()))
	answer, err := http.Post(gateway+"/m/x", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got, _ := io.ReadAll(answer.Body); string(got) != "hello" {
		t.Errorf("the model's answer is %q, want hello", got)
	}
	if got := <-copies; got != "/x hello" {
		t.Errorf("the shadow saw %q, want %q", got, "/x hello")
	}
}

func serving(t *testing.T, mappings string) string {
	t.Helper()
	handler := NewHandler(quiet())
	handler.Use(tableOfText(t, mappings))
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// TestRunFollowsServices shows the whole: Services are listed and watched, the
// watch breaks, and gRPC's HTTP/2 without TLS goes through.
func TestRunFollowsServices(t *testing.T) {
	t.Parallel()
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	model := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		fmt.Fprint(w, r.Proto)
		w.Header().Set("Grpc-Status", "0")
	}))
	model.Config.Protocols = &protocols
	model.Start()
	defer model.Close()
	cluster := newCluster(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, listener, &Services{
			Server: cluster.URL, Client: cluster.Client(), Pause: time.Millisecond,
			Token: func() (string, error) { return "secret", nil },
		}, quiet())
	}()
	address := "http://" + listener.Addr().String()
	want := func(client *http.Client, path string, code int, text string) {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for {
			var got string
			answer, err := client.Get(address + path)
			if err == nil {
				body, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				got = fmt.Sprintf("%d %s", answer.StatusCode, body)
				if answer.StatusCode == code && strings.Contains(got, text) {
					return
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("GET %s = %s, %v; want %d with %q", path, got, err, code, text)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	var onlyHTTP2 http.Protocols
	onlyHTTP2.SetUnencryptedHTTP2(true)
	h2c := &http.Client{Transport: &http.Transport{Protocols: &onlyHTTP2}}

	want(http.DefaultClient, "/m/", 404, "no mapping")
	cluster.put("m", fmt.Sprintf("{kind: Mapping, name: m, prefix: /m/, service: %q}\n---\n{kind: Mapping, name: g, prefix: /g/, service: %q, grpc: true}", model.Listener.Addr(), model.Listener.Addr()))
	want(http.DefaultClient, "/m/", 200, "HTTP/1.1")
	want(h2c, "/g/", 200, "HTTP/2.0")
	cluster.breakWatches()
	cluster.put("m", fmt.Sprintf("{kind: Mapping, name: m, prefix: /n/, service: %q}", model.Listener.Addr()))
	want(http.DefaultClient, "/n/", 200, "HTTP/1.1")
	want(http.DefaultClient, "/m/", 404, "no mapping")
	cluster.put("m", "")
	want(http.DefaultClient, "/n/", 404, "no mapping")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}

// cluster answers for Services as the Kubernetes API does; its watches can be
// broken off, which a real one does only at times of its own.
type cluster struct {
	*httptest.Server
	mu       sync.Mutex
	services map[string]string
	version  int
	watchers map[chan string]bool
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{services: map[string]string{}, watchers: map[chan string]bool{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) object(name string) string {
	text, _ := json.Marshal(service{Metadata: metadata{
		Name: name, Namespace: "staging", ResourceVersion: fmt.Sprint(c.version),
		Annotations: map[string]string{Annotation: c.services[name]},
	}})
	return string(text)
}

// put sets the Service's annotation; "" deletes the Service.
func (c *cluster) put(name, annotation string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	c.services[name] = annotation
	kind := "MODIFIED"
	if annotation == "" {
		kind = "DELETED"
	}
	event := fmt.Sprintf(`{"type":%q,"object":%s}`+"\n", kind, c.object(name))
	if annotation == "" {
		delete(c.services, name)
	}
	for watcher := range c.watchers {
		watcher <- event
	}
}

func (c *cluster) breakWatches() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for watcher := range c.watchers {
		delete(c.watchers, watcher)
		watcher <- `{"type":"ERROR","object":{"code":410,"reason":"Expired"}}` + "\n"
		close(watcher)
	}
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/api/v1/services" || r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	c.mu.Lock()
	if r.URL.Query().Get("watch") == "" {
		defer c.mu.Unlock()
		var items []string
		for name := range c.services {
			items = append(items, c.object(name))
		}
		fmt.Fprintf(w, `{"metadata":{"resourceVersion":"%d"},"items":[%s]}`, c.version, strings.Join(items, ","))
		return
	}
	events := make(chan string, 16)
	if r.URL.Query().Get("resourceVersion") != fmt.Sprint(c.version) {
		events <- `{"type":"ERROR","object":{"code":410,"reason":"Expired"}}` + "\n"
		close(events)
	} else {
		c.watchers[events] = true
	}
	c.mu.Unlock()
	out := bufio.NewWriter(w)
	w.(http.Flusher).Flush()
	for {
		select {
		case event, open := <-events:
			if !open {
				return
			}
			out.WriteString(event)
			out.Flush()
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}
