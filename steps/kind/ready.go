package kind

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

const (
	systemNamespace = "kube-system"
	dnsService      = "kube-dns"
)

// awaited is one thing that readiness needs. state says how it stands, for
// the report when time runs out.
type awaited struct {
	what  string
	watch func(ctx context.Context) error

	mu    sync.Mutex
	state string
	done  bool
}

func (a *awaited) set(state string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = state
}

func (a *awaited) get() (state string, done bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state, a.done
}

// notReadyError lists what was still missing when the time was up.
type notReadyError struct {
	missing []string // "what: state"
	cause   error
}

func (e *notReadyError) Error() string {
	return "the cluster did not become ready: " + strings.Join(e.missing, "; ")
}
func (e *notReadyError) Unwrap() error { return e.cause }

// waitReady returns when every one of the nodes is Ready, cluster DNS answers
// through a ready endpoint, and the default namespace has its default service
// account. It follows watches and looks at nothing twice. What no time mends
// ends it at once. logf gets a line for each thing that is there.
func waitReady(ctx context.Context, api kubernetes.Interface, nodes int, query func(ctx context.Context, pod string) error, logf func(string, ...any)) error {
	start := time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	things := []*awaited{nodesReady(api, nodes), dnsReady(api, query), accountReady(api)}
	var wg sync.WaitGroup
	for _, thing := range things {
		wg.Go(func() {
			if err := persist(ctx, thing); err == nil {
				thing.mu.Lock()
				thing.done = true
				thing.mu.Unlock()
				logf("  %s after %s", thing.what, since(start))
			} else if errors.Is(err, errDNSLoop) {
				cancel(err)
			}
		})
	}
	wg.Wait()
	notReady := &notReadyError{cause: context.Cause(ctx)}
	for _, thing := range things {
		if state, done := thing.get(); !done {
			notReady.missing = append(notReady.missing, thing.what+": "+state)
		}
	}
	if len(notReady.missing) > 0 {
		return notReady
	}
	return nil
}

// persist repeats a watch that broke off until it succeeds, ctx ends, or it
// never will succeed.
func persist(ctx context.Context, thing *awaited) error {
	for {
		err := thing.watch(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		switch {
		case errors.Is(err, errDNSLoop):
			thing.set(err.Error())
			return err
		case !errors.Is(err, errWatchEnded):
			thing.set("the API server said: " + err.Error())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func nodesReady(api kubernetes.Interface, want int) *awaited {
	thing := &awaited{what: fmt.Sprintf("%d node(s) Ready", want), state: "none registered"}
	thing.watch = func(ctx context.Context) error {
		states := map[string]string{}
		return until(ctx, api.CoreV1().Nodes(), metav1.ListOptions{}, func(event watch.Event) bool {
			node, ok := event.Object.(*corev1.Node)
			if !ok {
				return false
			}
			delete(states, node.Name)
			if event.Type != watch.Deleted {
				states[node.Name] = notReadyReason(node)
			}
			ready, reasons := 0, []string(nil)
			for name, reason := range states {
				if reason == "" {
					ready++
				} else {
					reasons = append(reasons, name+" "+reason)
				}
			}
			thing.set(fmt.Sprintf("%d ready of %d registered %s", ready, len(states), strings.Join(reasons, ", ")))
			return ready >= want
		})
	}
	return thing
}

// notReadyReason is "" for a node that is Ready.
func notReadyReason(node *corev1.Node) string {
	for _, c := range node.Status.Conditions {
		if c.Type != corev1.NodeReady {
			continue
		}
		if c.Status == corev1.ConditionTrue {
			return ""
		}
		return fmt.Sprintf("(%s: %s)", c.Reason, c.Message)
	}
	return "(no Ready condition yet)"
}

func dnsReady(api kubernetes.Interface, query func(ctx context.Context, pod string) error) *awaited {
	thing := &awaited{what: "DNS answers", state: "no CoreDNS pod is ready"}
	selector := labels.Set{discoveryv1.LabelServiceName: dnsService}.String()
	slices := api.DiscoveryV1().EndpointSlices(systemNamespace)
	thing.watch = func(ctx context.Context) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		go func() {
			if err := dnsEnded(ctx, api); errors.Is(err, errDNSLoop) {
				cancel(err)
			}
		}()
		pod := ""
		if err := until(ctx, slices, metav1.ListOptions{LabelSelector: selector}, func(event watch.Event) bool {
			pod = readyPod(event.Object)
			return pod != "" && event.Type != watch.Deleted
		}); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
		if err := query(ctx, pod); err != nil {
			return fmt.Errorf("query to %s: %w", pod, err)
		}
		return nil
	}
	return thing
}

// readyPod names a pod that an EndpointSlice holds as ready, or "".
func readyPod(object runtime.Object) string {
	slice, ok := object.(*discoveryv1.EndpointSlice)
	if !ok {
		return ""
	}
	for _, endpoint := range slice.Endpoints {
		if ready := endpoint.Conditions.Ready; ready != nil && *ready && endpoint.TargetRef != nil {
			return endpoint.TargetRef.Name
		}
	}
	return ""
}

func accountReady(api kubernetes.Interface) *awaited {
	thing := &awaited{what: "default service account", state: "not made yet by the controller manager"}
	selector := fields.OneTermEqualSelector(metav1.ObjectNameField, "default").String()
	thing.watch = func(ctx context.Context) error {
		return until(ctx, api.CoreV1().ServiceAccounts(metav1.NamespaceDefault), metav1.ListOptions{FieldSelector: selector}, func(event watch.Event) bool {
			account, ok := event.Object.(*corev1.ServiceAccount)
			return ok && account.Name == "default" && event.Type != watch.Deleted
		})
	}
	return thing
}

// errWatchEnded says that the server closed a watch; it is opened again.
var errWatchEnded = errors.New("the watch ended")

// lister is what a typed client of lists of L offers here.
type lister[L runtime.Object] interface {
	List(ctx context.Context, o metav1.ListOptions) (L, error)
	Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error)
}

// until lists those that which selects, then watches from there, until the
// condition holds.
func until[L runtime.Object](ctx context.Context, objects lister[L], which metav1.ListOptions, holds func(watch.Event) bool) error {
	list, err := objects.List(ctx, which)
	if err != nil {
		return err
	}
	accessor, err := meta.ListAccessor(list)
	if err != nil {
		return err
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	for _, item := range items {
		if holds(watch.Event{Type: watch.Added, Object: item}) {
			return nil
		}
	}
	which.ResourceVersion = accessor.GetResourceVersion()
	watcher, err := objects.Watch(ctx, which)
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event, open := <-watcher.ResultChan():
			if !open || event.Type == watch.Error {
				return errWatchEnded
			}
			if holds(event) {
				return nil
			}
		}
	}
}
