package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// Selection names objects of one kind: one by name, or all that carry labels.
type Selection struct {
	Kind          schema.GroupVersionKind
	Namespace     string
	Name          string // empty: any
	LabelSelector string // empty: any
}

// Follower keeps the objects of a selection up to date: a list at first, then
// what a watch reports. It is safe for concurrent use.
type Follower struct {
	selection Selection
	resource  dynamic.ResourceInterface
	changed   chan<- struct{}

	mu      sync.Mutex
	objects map[string]*unstructured.Unstructured // by namespace/name
	synced  bool
	err     error
}

// pollInterval is the pause between lists where the cluster allows no watch.
const pollInterval = time.Second

// Follow starts to follow a selection until ctx ends. changed is told (never
// blocking; a buffer of one is enough) whenever there is something new.
func (c *Client) Follow(ctx context.Context, s Selection, changed chan<- struct{}) (*Follower, error) {
	resource, err := c.Resource(s.Kind, s.Namespace)
	if err != nil {
		return nil, err
	}
	f := &Follower{selection: s, resource: resource, changed: changed}
	go f.run(ctx)
	return f, nil
}

// Objects returns what the cluster holds of the selection, as last heard, and
// whether anything was heard at all. The objects must not be changed. The error
// is the last one that listing met; it is nil again once listing worked.
func (f *Follower) Objects() (objects []*unstructured.Unstructured, synced bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, obj := range f.objects {
		objects = append(objects, obj)
	}
	return objects, f.synced, f.err
}

// Object returns the one object of a selection by name, nil when it is not there.
func (f *Follower) Object() (obj *unstructured.Unstructured, synced bool, err error) {
	objects, synced, err := f.Objects()
	if len(objects) == 0 {
		return nil, synced, err
	}
	return objects[0], synced, err
}

func (f *Follower) run(ctx context.Context) {
	retry := newBackoff(100*time.Millisecond, 5*time.Second)
	for ctx.Err() == nil {
		started := time.Now()
		err := f.listAndWatch(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			f.set(func() { f.err = err })
		}
		if time.Since(started) > 10*time.Second {
			retry = newBackoff(100*time.Millisecond, 5*time.Second)
		}
		retry.wait(ctx)
	}
}

func (f *Follower) listAndWatch(ctx context.Context) error {
	options := metav1.ListOptions{LabelSelector: f.selection.LabelSelector}
	if f.selection.Name != "" {
		options.FieldSelector = fields.OneTermEqualSelector("metadata.name", f.selection.Name).String()
	}
	version, err := f.list(ctx, options)
	if err != nil {
		return err
	}
	options.ResourceVersion = version
	options.AllowWatchBookmarks = true
	w, err := f.resource.Watch(ctx, options)
	if apierrors.IsForbidden(err) || apierrors.IsMethodNotSupported(err) {
		return f.poll(ctx, options)
	}
	if err != nil {
		return fmt.Errorf("watch %s: %w", f.selection.Kind.Kind, err)
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, open := <-w.ResultChan():
			if !open {
				return nil // the server ends watches now and then
			}
			if event.Type == watch.Error {
				if err := apierrors.FromObject(event.Object); !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
					return fmt.Errorf("watch %s: %w", f.selection.Kind.Kind, err)
				}
				return nil
			}
			f.take(event)
		}
	}
}

// poll lists again and again, for a user who may list but not watch.
func (f *Follower) poll(ctx context.Context, options metav1.ListOptions) error {
	options.ResourceVersion, options.AllowWatchBookmarks = "", false
	for {
		timer := time.NewTimer(pollInterval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if _, err := f.list(ctx, options); err != nil {
			return err
		}
	}
}

func (f *Follower) list(ctx context.Context, options metav1.ListOptions) (version string, err error) {
	var list *unstructured.UnstructuredList
	list, err = f.resource.List(ctx, options)
	if apierrors.IsForbidden(err) && f.selection.Name != "" {
		list, err = f.get(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("list %s: %w", f.selection.Kind.Kind, err)
	}
	objects := make(map[string]*unstructured.Unstructured, len(list.Items))
	for i := range list.Items {
		obj := &list.Items[i]
		if f.selection.Name == "" || f.selection.Name == obj.GetName() {
			objects[key(obj)] = obj
		}
	}
	f.set(func() { f.objects, f.synced, f.err = objects, true, nil })
	return list.GetResourceVersion(), nil
}

// get stands in for list where only this one object may be read.
func (f *Follower) get(ctx context.Context) (*unstructured.UnstructuredList, error) {
	list := &unstructured.UnstructuredList{}
	obj, err := f.resource.Get(ctx, f.selection.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return list, nil
	}
	if err != nil {
		return nil, err
	}
	list.Items = append(list.Items, *obj)
	list.SetResourceVersion(obj.GetResourceVersion())
	return list, nil
}

func (f *Follower) take(event watch.Event) {
	obj, ok := event.Object.(*unstructured.Unstructured)
	if !ok || event.Type == watch.Bookmark {
		return
	}
	if f.selection.Name != "" && obj.GetName() != f.selection.Name {
		return
	}
	f.set(func() {
		if event.Type == watch.Deleted {
			delete(f.objects, key(obj))
			return
		}
		f.objects[key(obj)] = obj
	})
}

func (f *Follower) set(change func()) {
	f.mu.Lock()
	change()
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func key(obj *unstructured.Unstructured) string { return obj.GetNamespace() + "/" + obj.GetName() }

// errGone says that an object that is waited for was deleted.
var errGone = errors.New("is not in the cluster")
