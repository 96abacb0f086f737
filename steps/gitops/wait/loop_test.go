package wait

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
	"github.com/model-delivery/model-delivery/steps/step"
)

const (
	older = "0000000000000000000000000000000000000000"
	want  = "1111111111111111111111111111111111111111"
	later = "2222222222222222222222222222222222222222"
)

// told is a history that was told beforehand.
type told struct {
	err  error
	same bool
}

func (h told) Contains(_ context.Context, _, revision string) (bool, error) {
	return revision != older, h.err
}

func (h told) Same(_ context.Context, a, b, _ string) (bool, error) { return a == b || h.same, nil }

func app(status string) string {
	return "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: staging, namespace: default}\nstatus: " + status + "\n"
}

const (
	before  = `{sync: {status: Synced, revision: "` + older + `"}, health: {status: Healthy}}`
	syncing = `{sync: {status: OutOfSync, revision: "` + want + `"}, operationState: {phase: Running}}`
	live    = `{sync: {status: Synced, revision: "` + want + `"}, health: {status: Healthy}}`
	beyond  = `{sync: {status: Synced, revision: "` + later + `"}, health: {status: Healthy}}`
	broken  = `{sync: {status: Synced, revision: "` + want + `"}, health: {status: Degraded, message: crash loop}}`
)

func TestWait(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		history told
		states  []string // the first at the beginning, the others one after the other
		code    int
		want    string // the revision, or words of the error
		least   time.Duration
	}{
		{"it becomes live", told{same: true}, []string{before, syncing, live}, 0, want, stableFor},
		{"a later commit is live", told{same: true}, []string{before, beyond}, 0, later, stableFor},
		{"it was reverted", told{}, []string{before, beyond}, 1, "was reverted", 0},
		{"it is live only for a moment", told{same: true}, []string{live, broken}, 1, "crash loop", 0},
		{"it heals", told{same: true}, []string{broken, live}, 0, want, 0},
		{"it stays degraded", told{same: true}, []string{broken}, 1, "degraded: crash loop", time.Second},
		{"the history cannot be read", told{err: step.Infra(errors.New("forge is away"))}, []string{before}, 3, "forge is away", time.Second},
		{"it never comes", told{same: true}, []string{before}, 1, "is not live after 6s: waiting for Argo CD to look at the commit", 0},
		{"it is not there", told{same: true}, nil, 1, "waiting for Application default/staging to be there", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := kubetest.New(t)
			server.Serve("argoproj.io/v1alpha1", "Application", "applications", true)
			if len(tc.states) > 0 {
				server.PutYAML(t, app(tc.states[0]))
			}
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				for _, state := range tc.states[min(1, len(tc.states)):] {
					time.Sleep(300 * time.Millisecond)
					server.PutYAML(t, app(state))
				}
			})
			start := time.Now()
			revision, err := Wait(t.Context(), Target{
				Client: server.Client(t), Controller: ArgoCD{}, Namespace: "default", Name: "staging", Commit: want, Path: "staging/news",
				History: tc.history, Timeout: 6 * time.Second, Patience: 1500 * time.Millisecond, Logf: t.Logf,
			})
			if step.ExitCode(err) != tc.code || err == nil && revision != tc.want || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("revision %q, error %v, want code %d and %q", revision, err, tc.code, tc.want)
			}
			if took := time.Since(start); took < tc.least {
				t.Errorf("took %s, want at least %s", took, tc.least)
			}
		})
	}
}

// The controllers are asked to look, Flux's source first.
func TestRefresh(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	server.Serve("argoproj.io/v1alpha1", "Application", "applications", true)
	server.Serve("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomizations", true)
	server.Serve("source.toolkit.fluxcd.io/v1", "GitRepository", "gitrepositories", true)
	server.PutYAML(t, app(before))
	server.PutYAML(t, `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: gitops, namespace: default}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: staging, namespace: default}
spec: {sourceRef: {kind: GitRepository, name: gitops}}
`)
	client := server.Client(t)
	for _, controller := range []Controller{ArgoCD{}, Kustomization{}} {
		_, err := Wait(t.Context(), Target{
			Client: client, Controller: controller, Namespace: "default", Name: "staging", Commit: want,
			History: told{}, Refresh: true, Timeout: 500 * time.Millisecond, Patience: time.Second, Logf: t.Logf,
		})
		if err == nil {
			t.Error("it is live")
		}
	}
	for kind, name := range map[string]string{"Application": "staging", "Kustomization": "staging", "GitRepository": "gitops"} {
		annotations := server.Get(kind, "default", name).GetAnnotations()
		if annotations["argocd.argoproj.io/refresh"] == "" && annotations["reconcile.fluxcd.io/requestedAt"] == "" {
			t.Errorf("%s has annotations %v", kind, annotations)
		}
	}
}

func TestWaitIsStopped(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	server.Serve("argoproj.io/v1alpha1", "Application", "applications", true)
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	time.AfterFunc(100*time.Millisecond, func() { cancel(stopped) })
	_, err := Wait(ctx, Target{Client: server.Client(t), Controller: ArgoCD{}, Namespace: "default", Name: "x", Commit: want, History: told{}, Timeout: time.Minute, Patience: time.Minute, Logf: t.Logf})
	if !errors.Is(err, stopped) || step.ExitCode(err) != step.ExitInfra {
		t.Errorf("%v", err)
	}
}
