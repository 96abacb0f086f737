package wait

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// ArgoCD waits for an Application.
type ArgoCD struct{}

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
			RetryCount int64       `json:"retryCount"`
			SyncResult struct {
				Revision  string   `json:"revision"`
				Revisions []string `json:"revisions"`
			} `json:"syncResult"`
		} `json:"operationState"`
		ReconciledAt metav1.Time `json:"reconciledAt"`
		Conditions   []struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"conditions"`
		Resources []struct {
			Kind   string `json:"kind"`
			Name   string `json:"name"`
			Health *struct {
				Status  string `json:"status"`
				Message string `json:"message"`
			} `json:"health"`
		} `json:"resources"`
	} `json:"status"`
}

func (ArgoCD) selection(namespace, name string) kube.Selection {
	return kube.Selection{Kind: schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Application"}, Namespace: namespace, Name: name}
}

func (ArgoCD) nudge(ctx context.Context, t Target, obj *unstructured.Unstructured) error {
	return annotate(ctx, t.Client, obj.GroupVersionKind(), t.Namespace, t.Name, "argocd.argoproj.io/refresh", "normal")
}

// annotate sets an annotation of an object.
func annotate(ctx context.Context, client *kube.Client, kind schema.GroupVersionKind, namespace, name, key, value string) error {
	resource, err := client.Resource(kind, namespace)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{
		"apiVersion": kind.GroupVersion().String(), "kind": kind.Kind,
		"metadata": map[string]any{"name": name, "annotations": map[string]string{key: value}},
	})
	if err != nil {
		return err
	}
	_, err = resource.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "gitops-wait"})
	return err
}

func (ArgoCD) judge(obj *unstructured.Unstructured, contains func(revision string) (bool, error)) (verdict, error) {
	var app application
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &app); err != nil {
		return verdict{}, step.Infraf("reading application %s: %w", obj.GetName(), err)
	}
	return judge(app, contains)
}

// containing returns the first of the revisions that contains the commit.
func containing(revisions []string, contains func(revision string) (bool, error)) (string, error) {
	for _, revision := range revisions {
		if revision == "" {
			continue
		}
		if ok, err := contains(revision); err != nil || ok {
			return revision, err
		}
	}
	return "", nil
}

// judge tells whether the application is live at a revision that contains the
// commit. contains answers for one revision.
func judge(app application, contains func(revision string) (bool, error)) (verdict, error) {
	status := app.Status
	trouble := ""
	for _, condition := range status.Conditions {
		switch {
		case slices.Contains([]string{"InvalidSpecError", "DeletionError"}, condition.Type):
			return verdict{final: condition.Type + ": " + condition.Message}, nil
		case strings.HasSuffix(condition.Type, "Error"):
			trouble = condition.Type + ": " + condition.Message
		}
	}
	at, err := containing(append([]string{status.Sync.Revision}, status.Sync.Revisions...), contains)
	if err != nil {
		return verdict{}, err
	}
	if at == "" {
		return verdict{trouble: trouble, waiting: fmt.Sprintf("Argo CD to look at the commit (it is at %.12s)", status.Sync.Revision)}, nil
	}
	v := verdict{revision: at}
	operation := status.OperationState
	switch {
	case app.Operation != nil || operation.Phase == "Running" || operation.Phase == "Terminating":
		v.waiting = "the sync to end: " + operation.Message
		if operation.RetryCount > 0 {
			v.trouble = "the sync fails again and again: " + operation.Message
		}
		return v, nil
	case operation.Phase == "Failed" || operation.Phase == "Error":
		failed, err := containing(append([]string{operation.SyncResult.Revision}, operation.SyncResult.Revisions...), contains)
		if err != nil || failed != "" {
			v.final = "the sync failed: " + operation.Message
			return v, err
		}
	}
	switch {
	case status.Sync.Status != "Synced":
		v.trouble, v.waiting = trouble, "the sync (now "+status.Sync.Status+")"
	case status.ReconciledAt.Time.Before(operation.FinishedAt.Time):
		v.waiting = "Argo CD to look again after the sync"
	case status.Health.Status == "Degraded":
		v.trouble = "the objects are degraded" + app.worst()
	case status.Health.Status != "Healthy":
		v.waiting = "the objects to be healthy (now " + status.Health.Status + app.worst() + ")"
	default:
		v.live = true
	}
	return v, nil
}

// worst names an object that is not healthy.
func (app application) worst() string {
	if message := app.Status.Health.Message; message != "" {
		return ": " + message
	}
	for _, status := range []string{"Degraded", "Missing", "Progressing"} {
		for _, r := range app.Status.Resources {
			if r.Health != nil && r.Health.Status == status {
				return fmt.Sprintf(": %s %s: %s", r.Kind, r.Name, strings.TrimSpace(status+" "+r.Health.Message))
			}
		}
	}
	return ""
}
