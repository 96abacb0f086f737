package seldon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Want says which version of a SeldonDeployment has to serve. The zero value
// waits for whatever the cluster's SeldonDeployment asks for.
type Want struct {
	// Generation is the least metadata.generation that counts, such as the one
	// that applying returned. Zero: any.
	Generation int64
	// Images must be what the named containers run.
	Images map[string]string
	// AnyImages must each be run by some container.
	AnyImages []string
	// Stable is how long everything has to stay ready. Zero: half a second for
	// a new SeldonDeployment, two seconds for an updated one.
	Stable time.Duration
	// Timeout bounds the wait. Zero: five minutes.
	Timeout time.Duration
	// Patience is how long a trouble that hardly heals (an image that cannot be
	// pulled, a container that keeps ending, an error of the operator) is
	// watched before the wait is given up. Zero: 45 seconds.
	Patience time.Duration
	// Progress gets a line when the stage changes and every ten seconds. May be nil.
	Progress func(format string, args ...any)
}

// missing says what a SeldonDeployment's own spec lacks of what is wanted.
func (w Want) missing(d *deployment) string {
	if d.Metadata.DeletionTimestamp != "" {
		return "is being deleted"
	}
	if d.Metadata.Generation < w.Generation {
		return fmt.Sprintf("has generation %d, %d is waited for", d.Metadata.Generation, w.Generation)
	}
	has := map[string][]string{}
	var all []string
	for _, p := range d.Spec.Predictors {
		for _, c := range p.ComponentSpecs {
			for _, container := range c.Spec.Containers {
				has[container.Name] = append(has[container.Name], container.Image)
				all = append(all, container.Image)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Images)) {
		if !slices.ContainsFunc(has[name], func(image string) bool { return SameImage(w.Images[name], image) }) {
			return fmt.Sprintf("asks for image %s in container %s, %s is waited for", list(has[name]), name, shortImage(w.Images[name]))
		}
	}
	for _, image := range w.AnyImages {
		if !slices.ContainsFunc(all, func(other string) bool { return SameImage(image, other) }) {
			return fmt.Sprintf("asks for image %s, %s is waited for", list(all), shortImage(image))
		}
	}
	return ""
}

// Status describes a SeldonDeployment that serves what it was asked to.
type Status struct {
	Name, Namespace string
	Generation      int64
	URL             string   // the address that the operator reports, of the first predictor
	Protocol        string   // seldon, v2, kfserving or tensorflow
	Deployments     []string // names of its Deployments
	Predictors      []Predictor
}

// Predictor is one predictor of a SeldonDeployment.
type Predictor struct {
	Name         string
	Service      string // its own Service; "" when the operator does not report it
	HTTPEndpoint string // HOST:PORT within the cluster
	GRPCEndpoint string
	Traffic      int64 // percent
	Shadow       bool
	Images       map[string]string // by container
	ModelURIs    map[string]string // by unit
}

func (d *deployment) summary(workloads []string, c claim) *Status {
	status := &Status{
		Name: d.Metadata.Name, Namespace: d.Metadata.Namespace, Generation: d.Metadata.Generation,
		URL: d.Status.Address.URL, Protocol: d.Spec.Protocol, Deployments: workloads,
	}
	if status.Protocol == "" {
		status.Protocol = "seldon"
	}
	for _, p := range d.Spec.Predictors {
		service := d.service(p)
		reported := d.Status.ServiceStatus[service]
		out := Predictor{
			Name: p.Name, Service: service, HTTPEndpoint: reported.HTTPEndpoint, GRPCEndpoint: reported.GRPCEndpoint,
			Traffic: p.Traffic, Shadow: p.Shadow, Images: c.images[p.Name], ModelURIs: map[string]string{},
		}
		p.Graph.walk(func(u unit) {
			if u.ModelURI != "" {
				out.ModelURIs[u.Name] = u.ModelURI
			}
		})
		status.Predictors = append(status.Predictors, out)
	}
	return status
}

// NotReadyError says how far a SeldonDeployment came and what holds it up.
type NotReadyError struct {
	Namespace, Name string
	Stage           Stage
	Message         string
	TimedOut        bool
	After           time.Duration
	Because         kube.Explanation
}

// Error tells the stage, the reason and the cluster's evidence.
func (e *NotReadyError) Error() string {
	how := "does not come up"
	if e.TimedOut {
		how = "is not ready after " + e.After.Round(time.Second).String()
	}
	text := fmt.Sprintf("SeldonDeployment %s/%s %s (stage %s): %s", e.Namespace, e.Name, how, e.Stage, e.Message)
	if because := e.Because.String(); because != "" {
		text += "\n" + because
	}
	return text
}

// Kinds that a wait follows beside the SeldonDeployment.
var (
	deploymentKind    = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	podKind           = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	endpointSliceKind = schema.GroupVersionKind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"}
)

const (
	defaultTimeout  = 5 * time.Minute
	defaultPatience = 45 * time.Second
	softGrace       = 30 * time.Second
)

// Wait waits until the version of a SeldonDeployment that is wanted serves, and
// no older one does: the cluster holds it, the live pod templates carry it, its
// Deployments have rolled out with no old pod left, the operator calls it
// Available, its services lead to its pods alone, and all of that stays so for a
// moment. It works through watches.
//
// When that does not happen in time, or clearly never will, the error is a
// [*NotReadyError] with exit code 1, which explains why from the cluster's evidence.
func Wait(ctx context.Context, c *kube.Client, namespace, name string, want Want) (*Status, error) {
	if namespace == "" {
		namespace = c.Namespace
	}
	if want.Timeout <= 0 {
		want.Timeout = defaultTimeout
	}
	if want.Patience <= 0 {
		want.Patience = defaultPatience
	}
	if want.Progress == nil {
		want.Progress = func(string, ...any) {}
	}
	waiting, cancel := context.WithTimeout(ctx, want.Timeout)
	defer cancel()
	f, err := follow(waiting, c, namespace, name)
	if err != nil {
		return nil, err
	}
	w := &waiter{client: c, want: want, namespace: namespace, name: name, start: time.Now()}
	return w.run(ctx, waiting, f)
}

// followers keep the objects of one SeldonDeployment up to date.
type followers struct {
	sdep, workloads, pods, slices *kube.Follower
	changed                       chan struct{}
}

func follow(ctx context.Context, c *kube.Client, namespace, name string) (*followers, error) {
	f := &followers{changed: make(chan struct{}, 1)}
	selector := labelDeployment + "=" + labelValue(name)
	for _, entry := range []struct {
		into **kube.Follower
		what kube.Selection
	}{
		{&f.sdep, kube.Selection{Kind: GroupVersionKind(), Namespace: namespace, Name: name}},
		{&f.workloads, kube.Selection{Kind: deploymentKind, Namespace: namespace, LabelSelector: selector}},
		{&f.pods, kube.Selection{Kind: podKind, Namespace: namespace, LabelSelector: selector}},
		{&f.slices, kube.Selection{Kind: endpointSliceKind, Namespace: namespace, LabelSelector: selector}},
	} {
		follower, err := c.Follow(ctx, entry.what, f.changed)
		if meta.IsNoMatchError(err) {
			c.Mapper.Reset()
			follower, err = c.Follow(ctx, entry.what, f.changed)
		}
		switch {
		case meta.IsNoMatchError(err) && entry.what.Kind.Group == Group:
			return nil, step.WithHint(step.Infraf("wait for SeldonDeployment %s/%s: the cluster does not know this kind", namespace, name),
				"install Seldon Core first, as `cluster-setup` does with its profile seldon-core")
		case err != nil:
			return nil, step.Infraf("wait for SeldonDeployment %s/%s: %w", namespace, name, err)
		}
		*entry.into = follower
	}
	return f, nil
}

// snapshot returns what is known, and an error when something needed is not.
func (f *followers) snapshot() (snapshot, error) {
	var s snapshot
	var synced bool
	var err error
	if s.sdep, synced, err = f.sdep.Object(); !synced {
		return s, cmpError(err)
	}
	if s.workloads, synced, err = f.workloads.Objects(); !synced {
		return s, cmpError(err)
	}
	if s.pods, synced, err = f.pods.Objects(); !synced {
		return s, cmpError(err)
	}
	s.slices, synced, err = f.slices.Objects()
	switch {
	case synced && s.slices == nil:
		s.slices = []*unstructured.Unstructured{}
	case !synced && err != nil && apierrors.IsForbidden(err):
		s.slices = nil // without the right to look, readiness of the pods has to do
	case !synced:
		return s, cmpError(err)
	}
	return s, nil
}

var errNotHeard = errors.New("the cluster has not answered yet")

func cmpError(err error) error {
	if err != nil {
		return err
	}
	return errNotHeard
}

// labelValue is how the operator writes a name into its label: names that are
// too long for a label are replaced by a digest of them.
func labelValue(name string) string {
	if len(name) <= 63 {
		return name
	}
	return "seldon-" + digest(name)
}

// waiter judges one snapshot after another.
type waiter struct {
	client          *kube.Client
	want            Want
	namespace, name string
	start           time.Time

	last      verdict
	passed    time.Time // since when all is well; zero: it is not
	soft      time.Time // since when only something soft is missing
	suspected time.Time // since when a trouble is seen
	told      time.Time
}

func (w *waiter) run(ctx, waiting context.Context, f *followers) (*Status, error) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := f.snapshot()
		if err != nil {
			w.last = verdict{stage: StageSpec, message: err.Error()}
		} else if status, done := w.judge(s); done {
			return status, nil
		} else if w.last.fatal != "" || w.hopeless() {
			return nil, w.explain(ctx, false)
		}
		select {
		case <-waiting.Done():
			if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, step.Infraf("wait for SeldonDeployment %s/%s: %w", w.namespace, w.name, context.Cause(ctx))
			}
			return nil, w.explain(ctx, true)
		case <-f.changed:
		case <-tick.C:
		}
	}
}

// judge takes a snapshot into account; done when all has been well long enough.
func (w *waiter) judge(s snapshot) (status *Status, done bool) {
	now := time.Now()
	v := review(s, w.want)
	if v.stage != w.last.stage || now.Sub(w.told) > 10*time.Second {
		w.told = now
		if v.stage != StageStable {
			w.want.Progress("%s/%s, stage %s (%s): %s", w.namespace, w.name, v.stage, now.Sub(w.start).Round(time.Second), v.message)
		}
	}
	w.last = v
	since(&w.suspected, v.suspect != "", now)
	since(&w.soft, v.soft, now)
	since(&w.passed, v.stage == StageStable, now)
	switch {
	case v.stage == StageStable:
		return v.status, now.Sub(w.passed) >= settle(s.sdep, w.want)
	case v.soft && now.Sub(w.soft) > softGrace:
		w.want.Progress("%s/%s: going on although %s", w.namespace, w.name, v.message)
		return v.status, true
	}
	return nil, false
}

// since keeps the time at which holds became true.
func since(mark *time.Time, holds bool, now time.Time) {
	if !holds {
		*mark = time.Time{}
	} else if mark.IsZero() {
		*mark = now
	}
}

// hopeless tells whether a trouble has been seen for longer than there is patience.
func (w *waiter) hopeless() bool {
	patience := w.want.Patience
	if strings.Contains(w.last.suspect, "InvalidImageName") {
		patience = 0
	}
	return !w.suspected.IsZero() && time.Since(w.suspected) >= patience
}
