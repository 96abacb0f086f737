package setup

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

const (
	networkTimeout = 5 * time.Minute
	networkLook    = 200 * time.Millisecond
	networkTell    = 10 * time.Second
)

var (
	nodes      = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	daemonSets = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}
)

// AwaitNetwork waits until pods of a cluster that is still coming up can run
// and reach its services: a node is Ready, and kube-proxy, where there is one,
// runs. What is started before ends at once when it needs the API server, and
// its next start comes ten seconds later. say, which may be nil, gets a line
// every ten seconds.
func AwaitNetwork(ctx context.Context, c *kube.Client, say func(format string, args ...any)) error {
	return awaitNetwork(ctx, c, say, networkTell)
}

func awaitNetwork(ctx context.Context, c *kube.Client, say func(format string, args ...any), every time.Duration) error {
	began := time.Now()
	told := began
	ctx, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	for {
		why := networkMissing(ctx, c)
		if why == "" {
			return nil
		}
		if say != nil && time.Since(told) >= every {
			told = time.Now()
			say("waiting for the cluster's network (%s): %s", time.Since(began).Round(time.Second), why)
		}
		select {
		case <-ctx.Done():
			return step.Infraf("wait for the cluster's network: %s: %w", why, context.Cause(ctx))
		case <-time.After(networkLook):
		}
	}
}

// networkMissing says what the network lacks, "" for nothing.
func networkMissing(ctx context.Context, c *kube.Client) string {
	list, err := c.Dynamic.Resource(nodes).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	ready := false
	for _, node := range list.Items {
		conditions, _, _ := unstructured.NestedSlice(node.Object, "status", "conditions")
		for _, condition := range conditions {
			fields, _ := condition.(map[string]any)
			ready = ready || fields["type"] == "Ready" && fields["status"] == "True"
		}
	}
	if !ready {
		return "no node is Ready"
	}
	proxy, err := c.Dynamic.Resource(daemonSets).Namespace(metav1.NamespaceSystem).Get(ctx, "kube-proxy", metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return ""
	case err != nil:
		return err.Error()
	}
	if running, _, _ := unstructured.NestedInt64(proxy.Object, "status", "numberReady"); running < 1 {
		return "kube-proxy does not run"
	}
	return ""
}

// makesPods are the kinds whose objects make pods, or are one.
var makesPods = map[string]bool{
	"Pod": true, "Deployment": true, "StatefulSet": true, "DaemonSet": true, "ReplicaSet": true, "ReplicationController": true, "Job": true, "CronJob": true,
}

// splitPods parts objects that make pods from those that do not.
func splitPods(objs []*unstructured.Unstructured) (without, with []*unstructured.Unstructured) {
	for _, obj := range objs {
		if makesPods[obj.GetKind()] {
			with = append(with, obj)
		} else {
			without = append(without, obj)
		}
	}
	return without, with
}
