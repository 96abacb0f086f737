package wait

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// applicationKind is Argo CD's Application.
var applicationKind = schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Application"}

// application is what a wait reads of an Argo CD Application
// (argo-cd pkg/apis/application/v1alpha1/types.go).
type application struct {
	Operation *struct{} `json:"operation"`
	Status    struct {
		Sync struct {
			Status    string   `json:"status"`
			Revision  string   `json:"revision"`
			Revisions []string `json:"revisions"`
		} `json:"sync"`
		Health struct {
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"health"`
		OperationState struct {
			Phase      string      `json:"phase"`
			Message    string      `json:"message"`
			FinishedAt metav1.Time `json:"finishedAt"`
			SyncResult struct {
				Revision string `json:"revision"`
			} `json:"syncResult"`
		} `json:"operationState"`
		ReconciledAt metav1.Time `json:"reconciledAt"`
		Conditions   []struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"conditions"`
	} `json:"status"`
}

// verdict is how far an application is.
type verdict struct {
	live    bool
	final   string // why it will not get there; empty: it may
	waiting string // what is waited for
}

// judge tells whether the application is live at a revision that contains the
// commit. contains answers for one revision.
func judge(app application, contains func(revision string) (bool, error)) (verdict, error) {
	status := app.Status
	for _, condition := range status.Conditions {
		if slices.Contains([]string{"InvalidSpecError", "DeletionError"}, condition.Type) {
			return verdict{final: condition.Type + ": " + condition.Message}, nil
		}
	}
	revisions := append([]string{status.Sync.Revision}, status.Sync.Revisions...)
	there := false
	for _, revision := range revisions {
		if revision == "" {
			continue
		}
		ok, err := contains(revision)
		if err != nil {
			return verdict{}, err
		}
		there = there || ok
	}
	if !there {
		waiting := fmt.Sprintf("Argo CD to look at the commit (it is at %.12s)", status.Sync.Revision)
		for _, condition := range status.Conditions {
			if strings.HasSuffix(condition.Type, "Error") {
				waiting += ": " + condition.Type + ": " + condition.Message
			}
		}
		return verdict{waiting: waiting}, nil
	}
	operation := status.OperationState
	switch {
	case app.Operation != nil || operation.Phase == "Running" || operation.Phase == "Terminating":
		return verdict{waiting: "the sync to end: " + operation.Message}, nil
	case (operation.Phase == "Failed" || operation.Phase == "Error") && operation.SyncResult.Revision != "":
		if ok, err := contains(operation.SyncResult.Revision); err != nil || ok {
			return verdict{final: "the sync failed: " + operation.Message}, err
		}
	}
	switch {
	case status.Sync.Status != "Synced":
		return verdict{waiting: "the sync (now " + status.Sync.Status + ")"}, nil
	case status.ReconciledAt.Time.Before(operation.FinishedAt.Time):
		return verdict{waiting: "Argo CD to look again after the sync"}, nil
	case status.Health.Status != "Healthy":
		return verdict{waiting: "the objects to be healthy (now " + status.Health.Status + " " + status.Health.Message + ")"}, nil
	}
	return verdict{live: true}, nil
}

// ArgoCD says what is waited for in Argo CD.
type ArgoCD struct {
	Client      *kube.Client
	Namespace   string // of the Application
	Application string
	// Contains tells whether a revision is the commit or comes after it.
	Contains func(ctx context.Context, revision string) (bool, error)
	Timeout  time.Duration
	Logf     func(format string, args ...any)
}

// stableFor is how long an application has to stay live.
const stableFor = 2 * time.Second

// WaitArgoCD waits until the application is live at the commit: synced,
// healthy, and so for a moment. It returns the revision that is live.
func WaitArgoCD(ctx context.Context, a ArgoCD) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	changed := make(chan struct{}, 1)
	follower, err := a.Client.Follow(ctx, kube.Selection{Kind: applicationKind, Namespace: a.Namespace, Name: a.Application}, changed)
	if err != nil {
		return "", step.WithHint(step.Infraf("looking for Argo CD: %w", err), "Argo CD's Application must be defined in the cluster")
	}
	nudge := time.NewTicker(5 * time.Second)
	defer nudge.Stop()
	a.nudge(ctx)
	last, since := "", time.Time{}
	for {
		v, revision, err := a.look(ctx, follower)
		if err != nil {
			return "", err
		}
		switch {
		case v.final != "":
			return "", step.Failedf("application %s: %s", a.Application, v.final)
		case v.live && since.IsZero():
			since = time.Now()
		case v.live && time.Since(since) >= stableFor:
			return revision, nil
		case !v.live:
			since = time.Time{}
			if v.waiting != last {
				last = v.waiting
				a.Logf("waiting for %s", v.waiting)
			}
		}
		select {
		case <-changed:
		case <-time.After(500 * time.Millisecond):
		case <-nudge.C:
			if !v.live {
				a.nudge(ctx)
			}
		case <-ctx.Done():
			return "", step.Failedf("application %s is not live after %s: waiting for %s", a.Application, a.Timeout, last)
		}
	}
}

func (a ArgoCD) look(ctx context.Context, follower *kube.Follower) (verdict, string, error) {
	obj, synced, err := follower.Object()
	switch {
	case err != nil:
		return verdict{waiting: "the cluster to answer: " + err.Error()}, "", nil
	case !synced:
		return verdict{waiting: "the cluster to answer"}, "", nil
	case obj == nil:
		return verdict{waiting: fmt.Sprintf("application %s/%s to be there", a.Namespace, a.Application)}, "", nil
	}
	app, err := readApplication(obj)
	if err != nil {
		return verdict{}, "", err
	}
	v, err := judge(app, func(revision string) (bool, error) { return a.Contains(ctx, revision) })
	return v, app.Status.Sync.Revision, err
}

func readApplication(obj *unstructured.Unstructured) (application, error) {
	var app application
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &app); err != nil {
		return app, step.Infraf("reading application %s: %w", obj.GetName(), err)
	}
	return app, nil
}

// nudge asks Argo CD to look at the repository now. Where the service account
// may not, Argo CD's own interval decides.
func (a ArgoCD) nudge(ctx context.Context) {
	resource, err := a.Client.Resource(applicationKind, a.Namespace)
	if err != nil {
		return
	}
	patch := []byte(`{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`)
	_, _ = resource.Patch(ctx, a.Application, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "gitops-wait"})
}
