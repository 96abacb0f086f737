package locate

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
)

// ContainerLog is the end of a container's log.
type ContainerLog struct{ Pod, Container, Text string }

// Logs returns the ends of the logs of the model's containers: those that the
// predictors name, of every pod of the SeldonDeployment, at most eight.
func Logs(ctx context.Context, c *kube.Client, namespace, name string, lines int) []ContainerLog {
	if c == nil || c.Logs == nil {
		return nil
	}
	if namespace == "" {
		namespace = c.Namespace
	}
	list, err := c.Dynamic.Resource(podResource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: "seldon-deployment-id=" + name})
	if err != nil {
		return nil
	}
	var out []ContainerLog
	for i := range list.Items {
		pod := &list.Items[i]
		containers, _, _ := unstructured.NestedSlice(pod.Object, "spec", "containers")
		for _, item := range containers {
			container, _ := item.(map[string]any)
			label, _ := container["name"].(string)
			if label == "" || len(out) == 8 {
				continue
			}
			text, err := c.Logs.Tail(ctx, namespace, pod.GetName(), label, lines, false)
			if err != nil {
				text = fmt.Sprintf("(cannot be read: %v)", err)
			}
			if strings.TrimSpace(text) != "" {
				out = append(out, ContainerLog{Pod: pod.GetName(), Container: label, Text: text})
			}
		}
	}
	return out
}
