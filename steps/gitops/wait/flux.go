package wait

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// flux is what a wait reads of a Flux Kustomization (kustomize-controller
// api/v1) or HelmRelease (helm-controller api/v2).
type flux struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Suspend   bool       `json:"suspend"`
		SourceRef *reference `json:"sourceRef"`
		ChartRef  *reference `json:"chartRef"`
		Chart     *struct {
			Spec struct {
				SourceRef *reference `json:"sourceRef"`
			} `json:"spec"`
		} `json:"chart"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration        int64              `json:"observedGeneration"`
		Conditions                []metav1.Condition `json:"conditions"`
		LastAppliedRevision       string             `json:"lastAppliedRevision"`
		LastAppliedOriginRevision string             `json:"lastAppliedOriginRevision"`
		LastAttemptedRevision     string             `json:"lastAttemptedRevision"`
		History                   []struct {
			ChartVersion string `json:"chartVersion"`
			Status       string `json:"status"`
		} `json:"history"`
	} `json:"status"`
}

type reference struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

func readFlux(obj *unstructured.Unstructured) (flux, error) {
	var f flux
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &f); err != nil {
		return f, step.Infraf("reading %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	return f, nil
}

func (f flux) condition(name string) metav1.Condition {
	for _, condition := range f.Status.Conditions {
		if condition.Type == name {
			return condition
		}
	}
	return metav1.Condition{Status: metav1.ConditionUnknown}
}

// common judges what both kinds have in common. Only at is left to be told
// when the verdict is empty: then it is ready at its generation.
func (f flux) common() verdict {
	ready, stalled := f.condition("Ready"), f.condition("Stalled")
	said := strings.TrimSpace(ready.Reason + ": " + ready.Message)
	switch {
	case f.Spec.Suspend:
		return verdict{final: "it is suspended: flux resume starts it again"}
	case f.Status.ObservedGeneration < f.Metadata.Generation:
		return verdict{waiting: "Flux to look at its newest specification"}
	case stalled.Status == metav1.ConditionTrue:
		return verdict{final: stalled.Reason + ": " + stalled.Message}
	case f.condition("Reconciling").Status == metav1.ConditionTrue && ready.Status != metav1.ConditionTrue:
		return verdict{waiting: "Flux to apply it (" + said + ")"}
	case ready.Status == metav1.ConditionFalse && ready.Reason == "DependencyNotReady":
		return verdict{waiting: said}
	case ready.Status == metav1.ConditionFalse:
		return verdict{trouble: said}
	case ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != 0 && ready.ObservedGeneration < f.Metadata.Generation:
		return verdict{waiting: "Flux to apply it (" + said + ")"}
	}
	return verdict{}
}

const requestedAt = "reconcile.fluxcd.io/requestedAt"

// nudge asks the source first: without a newer commit there is nothing to apply.
func nudgeFlux(ctx context.Context, t Target, obj *unstructured.Unstructured, f flux) error {
	now := time.Now().Format(time.RFC3339Nano)
	from := f.Spec.SourceRef
	if from == nil {
		from = f.Spec.ChartRef
	}
	if from == nil && f.Spec.Chart != nil {
		from = f.Spec.Chart.Spec.SourceRef
	}
	var errs []error
	if from != nil {
		namespace := from.Namespace
		if namespace == "" {
			namespace = t.Namespace
		}
		kind := schema.GroupVersionKind{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: from.Kind}
		errs = append(errs, annotate(ctx, t.Client, kind, namespace, from.Name, requestedAt, now))
	}
	return errors.Join(append(errs, annotate(ctx, t.Client, obj.GroupVersionKind(), t.Namespace, t.Name, requestedAt, now))...)
}

// Kustomization waits for one of Flux.
type Kustomization struct{}

func (Kustomization) selection(namespace, name string) kube.Selection {
	return kube.Selection{Kind: schema.GroupVersionKind{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}, Namespace: namespace, Name: name}
}

func (Kustomization) nudge(ctx context.Context, t Target, obj *unstructured.Unstructured) error {
	f, err := readFlux(obj)
	if err != nil {
		return err
	}
	return nudgeFlux(ctx, t, obj, f)
}

func (Kustomization) judge(obj *unstructured.Unstructured, contains func(revision string) (bool, error)) (verdict, error) {
	f, err := readFlux(obj)
	if err != nil {
		return verdict{}, err
	}
	v := f.common()
	applied, err := containing([]string{hash(f.Status.LastAppliedRevision), hash(f.Status.LastAppliedOriginRevision)}, contains)
	if err != nil {
		return verdict{}, err
	}
	attempted, err := containing([]string{hash(f.Status.LastAttemptedRevision)}, contains)
	if err != nil {
		return verdict{}, err
	}
	v.revision = applied
	if applied == "" {
		v.revision = attempted
	}
	switch {
	case v.final != "":
	case v.revision == "":
		// What failed may be an older commit's.
		v.trouble, v.waiting = "", fmt.Sprintf("Flux to look at the commit (it is at %.12s)", hash(f.Status.LastAppliedRevision))
		if ready := f.condition("Ready"); ready.Status == metav1.ConditionFalse {
			v.waiting += ": " + ready.Message
		}
	case v.trouble != "" && f.condition("Ready").Reason == "BuildFailed":
		v.final = v.trouble
	case applied == "" && v.waiting == "" && v.trouble == "":
		v.waiting = "Flux to apply the commit"
	default:
		v.live = v.trouble == "" && v.waiting == ""
	}
	return v, nil
}

// hash takes the commit out of BRANCH@sha1:HASH, or BRANCH/HASH as older
// versions write it.
func hash(revision string) string {
	if at := strings.LastIndexAny(revision, ":/"); at >= 0 {
		return revision[at+1:]
	}
	return revision
}

// HelmRelease waits for one of Flux. A release does not tell the commit that
// it came from, unless its chart's version carries it (VERSION+HASH).
type HelmRelease struct {
	Version string // of the chart; empty: it must carry the commit
}

func (HelmRelease) selection(namespace, name string) kube.Selection {
	return kube.Selection{Kind: schema.GroupVersionKind{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"}, Namespace: namespace, Name: name}
}

func (HelmRelease) nudge(ctx context.Context, t Target, obj *unstructured.Unstructured) error {
	f, err := readFlux(obj)
	if err != nil {
		return err
	}
	return nudgeFlux(ctx, t, obj, f)
}

func (h HelmRelease) judge(obj *unstructured.Unstructured, contains func(revision string) (bool, error)) (verdict, error) {
	f, err := readFlux(obj)
	if err != nil {
		return verdict{}, err
	}
	v := f.common()
	released := ""
	if len(f.Status.History) > 0 {
		released = f.Status.History[0].ChartVersion
	}
	at := func(version string) (bool, error) {
		plain, commit, _ := strings.Cut(version, "+")
		if h.Version != "" {
			return version == h.Version || plain == h.Version, nil
		}
		return contains(commit)
	}
	attempted, err := at(f.Status.LastAttemptedRevision)
	if err != nil {
		return verdict{}, err
	}
	deployed, err := at(released)
	if err != nil {
		return verdict{}, err
	}
	switch {
	case v.final != "":
	case !attempted && !deployed:
		v.trouble, v.waiting = "", fmt.Sprintf("Flux to look at the chart (it is at %s)", f.Status.LastAttemptedRevision)
	case v.waiting == "" && v.trouble == "" && !deployed:
		v.waiting = "Flux to release the chart (now " + released + ")"
	default:
		v.live = v.waiting == "" && v.trouble == ""
	}
	if attempted || deployed {
		v.revision = f.Status.LastAttemptedRevision
	}
	return v, nil
}
