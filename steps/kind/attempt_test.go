package kind

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/model-delivery/model-delivery/steps/step"
)

// fakeDaemon is a docker daemon that answers as it is told.
func fakeDaemon(t *testing.T, answer http.HandlerFunc) *session {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.45")
		if r.URL.Path != "/_ping" {
			answer(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return testSession(t, Target{Name: "test", Host: strings.Replace(server.URL, "http://", "tcp://", 1), Log: t.Logf})
}

func noContainers(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("[]")) }

func newCreation(s *session) *creation {
	return &creation{
		Options: Options{Target: Target{Name: "test"}.withDefaults()}, session: s, result: &Result{},
		config: &v1alpha4.Cluster{Nodes: []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole}}},
		booted: make(chan struct{}), settled: make(chan struct{}),
	}
}

// Whatever becomes known first of a context that ends, it is told.
func TestBecomeReadyWhenTheTimeIsUp(t *testing.T) {
	t.Parallel()
	for range 100 {
		c := newCreation(nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(&timeoutError{time.Minute})
		networked := make(chan error, 1)
		networked <- c.early(ctx)
		c.networked = networked
		if err := c.becomeReady(ctx); err == nil || !strings.Contains(err.Error(), "the timeout of 1m0s passed") || step.ExitCode(err) != step.ExitInfra {
			t.Fatalf("got %v", err)
		}
	}
}

// An API server that only its node reaches is told from one that is slow, and
// from a caller that will not wait.
func TestUnreachableAPIServer(t *testing.T) {
	t.Parallel()
	config := &rest.Config{Host: "http://127.0.0.1:1"}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		cause   error
		at      time.Duration
		unnamed bool
		want    []string
	}{
		{"out of time", &timeoutError{time.Minute}, 400 * time.Millisecond, false, []string{"the timeout of 1m0s passed", "http://127.0.0.1:1", "connection refused"}},
		{"out of time before it was asked", &timeoutError{time.Minute}, 0, true, []string{"the timeout of 1m0s passed"}},
		{"stopped", errors.New("told to stop"), 400 * time.Millisecond, true, []string{"told to stop"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCreation(nil)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if tc.at == 0 {
				cancel(tc.cause)
			}
			time.AfterFunc(tc.at, func() { cancel(tc.cause) })
			networked := make(chan error, 1)
			c.networked = networked
			go func() { networked <- awaitAnswer(ctx, access{config: config, api: api}) }()
			err := c.becomeReady(ctx)
			failure, named := errors.AsType[*Failure](err)
			if named == tc.unnamed || step.ExitCode(err) != step.ExitInfra || named && (failure.Cause != "api-unreachable" || failure.Hint == "") {
				t.Fatalf("got %v", err)
			}
			for _, text := range tc.want {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%v lacks %q", err, text)
				}
			}
		})
	}
}

// An attempt that could not be torn down is not followed by another one, which
// would share what kind's library still reports.
func TestNoRetryBesideWhatIsLeft(t *testing.T) {
	t.Parallel()
	c := newCreation(fakeDaemon(t, noContainers))
	passing := (&Failure{Cause: "node-boot-slow", Transient: true}).wrap()
	if !c.mayPass(passing) || c.mayPass(errors.New("x")) {
		t.Error("it is not told what may pass")
	}
	created := make(chan struct{})
	c.created = created // kind's library goes on
	close(c.booted)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c.result.Left = c.tearDown(ctx)
	if c.result.Left == nil || c.mayPass(passing) {
		t.Errorf("left: %v", c.result.Left)
	}
	if got := (RunResult{Result: *c.result}).cleanup(); got != "failed" {
		t.Errorf("cleanup is %s", got)
	}
	close(created)
	if err := c.tearDown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCleanupResult(t *testing.T) {
	t.Parallel()
	for want, result := range map[string]RunResult{
		"none": {}, "done": {Result: Result{Attempts: 1}}, "failed": {Result: Result{Attempts: 1}, Cleanup: errors.New("x")},
	} {
		if got := result.cleanup(); got != want {
			t.Errorf("%+v: %s, want %s", result, got, want)
		}
	}
}

// Every container that docker does not remove is told, and docker is given time.
func TestRemoveTellsWhatIsStuck(t *testing.T) {
	t.Parallel()
	var lists atomic.Int32
	s := fakeDaemon(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet:
			lists.Add(1)
			w.Write([]byte(`[{"Id":"1","Names":["/test-control-plane"]},{"Id":"2","Names":["/test-worker"]}]`))
		case strings.HasSuffix(r.URL.Path, "/containers/1"):
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte(`{"message":"stuck in input"}`))
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := s.remove(ctx)
	if err == nil || step.Hint(err) == "" || !strings.Contains(err.Error(), "test-control-plane") || !strings.Contains(err.Error(), "stuck in input") {
		t.Errorf("got %v", err)
	}
	if n := lists.Load(); n > 6 {
		t.Errorf("it was tried %d times in a second", n)
	}
}

// The hint is for what docker could not remove, not for a daemon that is away.
func TestRemoveWithoutADaemon(t *testing.T) {
	t.Parallel()
	s := testSession(t, Target{Name: "test", Host: "tcp://127.0.0.1:1"})
	_, err := s.remove(t.Context())
	if err == nil || step.Hint(err) != "" || step.ExitCode(err) != step.ExitInfra {
		t.Errorf("got %v with the hint %q", err, step.Hint(err))
	}
}

// An error about the input keeps its exit code when it comes late.
func TestExplainKeepsInvalidInput(t *testing.T) {
	t.Parallel()
	c := newCreation(fakeDaemon(t, noContainers))
	err := c.explain(t.Context(), step.Invalidf("the kubeconfig cannot be parsed"))
	if step.ExitCode(err) != step.ExitInvalid || strings.Contains(err.Error(), "not one that is known") {
		t.Errorf("got %v", err)
	}
	if err := c.explain(t.Context(), errors.New("something new")); step.ExitCode(err) != step.ExitInfra {
		t.Errorf("got %v", err)
	}
}

// What this machine has is no evidence about a daemon elsewhere.
func TestFactsOfTheDaemonsMachine(t *testing.T) {
	t.Parallel()
	here := newCreation(fakeDaemon(t, noContainers))
	if e := here.gather(t.Context(), errors.New("x")); len(e.facts) == 0 {
		t.Error("no facts of this machine")
	}
	elsewhere := newCreation(testSession(t, Target{Name: "test", Host: "tcp://192.0.2.1:1"}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if e := elsewhere.gather(ctx, errors.New("x")); len(e.facts) > 0 {
		t.Errorf("facts %q", e.facts)
	}
}

// A signal ends the keeping of logs though docker hangs.
func TestKeepingLogsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := fakeDaemon(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(200*time.Millisecond, func() { cancel(errors.New("told to stop")) })
	start := time.Now()
	err := s.logs(ctx, t.TempDir(), 0)
	if took := time.Since(start); err == nil || took > 20*time.Second {
		t.Errorf("got %v after %s", err, took)
	}
}
