package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/model-delivery/model-delivery/steps/step"
)

// FieldManager owns the fields that the steps apply, unless a caller says so.
const FieldManager = "model-delivery"

const (
	// defaultApplyTimeout bounds the wait for definitions and webhooks.
	defaultApplyTimeout = 2 * time.Minute
	// applyWorkers is how many objects of a phase are sent at once.
	applyWorkers = 8
)

// ApplyOptions says how objects are applied.
type ApplyOptions struct {
	// FieldManager owns the applied fields. Empty: [FieldManager].
	FieldManager string
	// Force takes over fields that another manager owns. Otherwise such a
	// conflict is an error.
	Force bool
	// Namespace is given to namespaced objects that name none. Empty: the
	// client's.
	Namespace string
	// CreateNamespaces makes the namespaces that objects name and that are
	// neither there nor among the objects.
	CreateNamespaces bool
	// Timeout bounds the whole, retries included. Zero: two minutes.
	Timeout time.Duration
	// Progress gets a line now and then. May be nil.
	Progress func(format string, args ...any)
}

func (o ApplyOptions) withDefaults(c *Client) ApplyOptions {
	if o.FieldManager == "" {
		o.FieldManager = FieldManager
	}
	if o.Namespace == "" {
		o.Namespace = c.Namespace
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultApplyTimeout
	}
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	return o
}

// Apply sends the objects to the cluster by server-side apply: namespaces and
// custom resource definitions first (these are waited for until the cluster
// serves them), then the rest in an order that works, what does not depend on
// each other side by side. What fails because the cluster is not ready yet (a
// webhook that does not answer, a kind that is not served yet) is tried again
// until the timeout.
//
// It returns the objects as the cluster stored them, in the order of objs, which
// are left alone. An error is classified: invalid input, or the surroundings.
func Apply(ctx context.Context, c *Client, objs []*unstructured.Unstructured, o ApplyOptions) ([]*unstructured.Unstructured, error) {
	o = o.withDefaults(c)
	deadline, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()

	positions := make(map[*unstructured.Unstructured]int, len(objs))
	wanted := make([]*unstructured.Unstructured, len(objs))
	for i, obj := range objs {
		wanted[i] = obj.DeepCopy()
		positions[wanted[i]] = i
	}
	applied := make([]*unstructured.Unstructured, len(objs))
	namespacesDone := !o.CreateNamespaces
	for _, phase := range phases(wanted) {
		if !namespacesDone && rankOf(phase[0]) > rankNamespace {
			if err := createNamespaces(deadline, c, wanted, o); err != nil {
				return applied, err
			}
			namespacesDone = true
		}
		results, err := applyPhase(deadline, c, phase, o)
		for i, result := range results {
			applied[positions[phase[i]]] = result
		}
		if err != nil {
			return applied, err
		}
		if rankOf(phase[0]) == rankDefinition {
			if err := waitEstablished(deadline, c, results, o); err != nil {
				return applied, err
			}
		}
	}
	return applied, nil
}

// applyPhase applies objects side by side and stops at the first failure.
func applyPhase(ctx context.Context, c *Client, phase []*unstructured.Unstructured, o ApplyOptions) ([]*unstructured.Unstructured, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]*unstructured.Unstructured, len(phase))
	errs := make([]error, len(phase))
	slots := make(chan struct{}, applyWorkers)
	var wg sync.WaitGroup
	for i, obj := range phase {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			results[i], errs[i] = applyOne(ctx, c, obj, o)
			if errs[i] != nil {
				cancel(errs[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		// What was cancelled because of another failure only repeats it.
		if err != nil && !errors.Is(err, context.Canceled) {
			return results, err
		}
	}
	return results, errors.Join(errs...)
}

// applyOne applies one object, again and again while a retry can help.
func applyOne(ctx context.Context, c *Client, obj *unstructured.Unstructured, o ApplyOptions) (*unstructured.Unstructured, error) {
	retry := newBackoff(100*time.Millisecond, 3*time.Second)
	start, told := time.Now(), time.Now()
	for {
		result, err := applyOnce(ctx, c, obj, o)
		if err == nil {
			return result, nil
		}
		if !retryable(err, time.Since(start)) {
			return nil, describeApply(obj, err)
		}
		if time.Since(told) > 5*time.Second {
			o.Progress("still trying to apply %s: %v", Ref(obj), err)
			told = time.Now()
		}
		if !retry.wait(ctx) {
			return nil, describeApply(obj, fmt.Errorf("gave up after %s: %w", time.Since(start).Round(time.Second), err))
		}
	}
}

func applyOnce(ctx context.Context, c *Client, obj *unstructured.Unstructured, o ApplyOptions) (*unstructured.Unstructured, error) {
	gvk := obj.GroupVersionKind()
	mapping, err := c.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		c.Mapper.Reset()
		mapping, err = c.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	if err != nil {
		return nil, err
	}
	var resource dynamic.ResourceInterface = c.Dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if obj.GetNamespace() == "" {
			obj.SetNamespace(o.Namespace)
		}
		resource = c.Dynamic.Resource(mapping.Resource).Namespace(obj.GetNamespace())
	} else {
		obj.SetNamespace("")
	}
	obj = obj.DeepCopy()
	dropSource(obj)
	obj.SetManagedFields(nil)
	obj.SetResourceVersion("")
	if obj.GetName() == "" {
		// A generated name cannot be applied, only created.
		return resource.Create(ctx, obj, metav1.CreateOptions{FieldManager: o.FieldManager})
	}
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, step.Invalid(err)
	}
	return resource.Patch(ctx, obj.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{
		FieldManager: o.FieldManager, Force: &o.Force, FieldValidation: metav1.FieldValidationStrict,
	})
}

// createNamespaces makes the namespaces that objects live in and that nobody
// made yet. One that is there already is left alone.
func createNamespaces(ctx context.Context, c *Client, objs []*unstructured.Unstructured, o ApplyOptions) error {
	needed := map[string]bool{o.Namespace: true}
	for _, obj := range objs {
		needed[obj.GetNamespace()] = true
	}
	for _, obj := range objs {
		if rankOf(obj) == rankNamespace {
			delete(needed, obj.GetName())
		}
	}
	for name := range needed {
		if name == "" || name == metav1.NamespaceDefault {
			continue
		}
		if err := EnsureNamespace(ctx, c, name, o); err != nil {
			return err
		}
	}
	return nil
}

// EnsureNamespace makes a namespace unless it is there.
func EnsureNamespace(ctx context.Context, c *Client, name string, o ApplyOptions) error {
	namespaces := c.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	_, err := namespaces.Get(ctx, name, metav1.GetOptions{})
	if err == nil || apierrors.IsForbidden(err) {
		return nil // without the right to look, applying tells whether it is there
	}
	if !apierrors.IsNotFound(err) {
		return describeAPI("look for namespace "+name, err)
	}
	namespace := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
	}}
	o = o.withDefaults(c)
	_, err = applyOne(ctx, c, namespace, o)
	return err
}
