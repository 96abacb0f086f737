package setup

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/kube/chart"
)

// runHooks runs a chart's hooks one after the other, each until it is done.
func (r *runner) runHooks(ctx context.Context, e *Entry, hooks []chart.Hook, apply kube.ApplyOptions, say func(string, ...any)) error {
	for _, hook := range hooks {
		say("hook %s", kube.Ref(hook.Object))
		object := hook.Object.DeepCopy()
		if object.GetNamespace() == "" {
			object.SetNamespace(e.Namespace)
		}
		if hook.DeleteBefore {
			if err := kube.Delete(ctx, r.o.Client, object, left(ctx)); err != nil {
				return fmt.Errorf("entry %s: %w", e.Name, err)
			}
		}
		applied, err := kube.Apply(ctx, r.o.Client, []*unstructured.Unstructured{object}, apply)
		if err != nil {
			return fmt.Errorf("entry %s: hook: %w", e.Name, err)
		}
		if err := kube.WaitReady(ctx, r.o.Client, applied, kube.WaitOptions{Timeout: left(ctx), Progress: say}); err != nil {
			return fmt.Errorf("entry %s: hook: %w", e.Name, err)
		}
		if hook.DeleteAfter {
			if err := kube.Delete(ctx, r.o.Client, object, left(ctx)); err != nil {
				return fmt.Errorf("entry %s: %w", e.Name, err)
			}
		}
	}
	return nil
}
