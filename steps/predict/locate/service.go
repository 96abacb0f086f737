package locate

import (
	"context"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

type servicePort struct {
	name   string
	number int
	target any // a number or a name; nil: the same number
}

func servicePorts(service *unstructured.Unstructured) []servicePort {
	list, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	var out []servicePort
	for _, item := range list {
		port, _ := item.(map[string]any)
		name, _ := port["name"].(string)
		number, _ := port["port"].(int64)
		out = append(out, servicePort{name: name, number: int(number), target: port["targetPort"]})
	}
	return out
}

// podPort is the port of a pod that a Service's port leads to.
func podPort(pod *unstructured.Unstructured, port servicePort) int {
	switch target := port.target.(type) {
	case int64:
		if target > 0 {
			return int(target)
		}
	case string:
		containers, _, _ := unstructured.NestedSlice(pod.Object, "spec", "containers")
		for _, item := range containers {
			container, _ := item.(map[string]any)
			list, _ := container["ports"].([]any)
			for _, entry := range list {
				declared, _ := entry.(map[string]any)
				if number, ok := declared["containerPort"].(int64); ok && declared["name"] == target {
					return int(number)
				}
			}
		}
		if number, err := strconv.Atoi(target); err == nil {
			return number
		}
	}
	return port.number
}

// readyPod picks a pod behind a Service.
func readyPod(ctx context.Context, c *kube.Client, namespace string, service *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	selector, _, _ := unstructured.NestedStringMap(service.Object, "spec", "selector")
	if len(selector) == 0 {
		return nil, step.Infraf("Service %s/%s selects no pods", namespace, service.GetName())
	}
	list, err := c.Dynamic.Resource(podResource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selector})})
	if err != nil {
		return nil, step.Infraf("list the pods behind Service %s/%s: %w", namespace, service.GetName(), err)
	}
	for i := range list.Items {
		if pod := &list.Items[i]; pod.GetDeletionTimestamp() == nil && isReady(pod) {
			return pod, nil
		}
	}
	return nil, step.Infraf("none of the %d pods behind Service %s/%s is ready", len(list.Items), namespace, service.GetName())
}

func isReady(pod *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(pod.Object, "status", "conditions")
	for _, item := range conditions {
		if c, ok := item.(map[string]any); ok && c["type"] == "Ready" {
			return c["status"] == "True"
		}
	}
	return false
}
