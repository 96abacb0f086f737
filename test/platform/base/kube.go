package base

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

// nodesReady says why the cluster's nodes are not all Ready; nil when they are.
func nodesReady(ctx context.Context, nodes typedcorev1.NodeInterface) error {
	list, err := nodes.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return errors.New("the cluster has no node yet")
	}
	for _, item := range list.Items {
		if reason := notReady(item); reason != "" {
			return fmt.Errorf("node %s is not ready: %s", item.Name, reason)
		}
	}
	return nil
}

func notReady(item corev1.Node) string {
	for _, condition := range item.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			if condition.Status == corev1.ConditionTrue {
				return ""
			}
			return condition.Message
		}
	}
	return "it has not reported yet"
}

// exportEnviron puts the platform's DOCKER_HOST, PATH and KUBECONFIG into this
// process's environment, for libraries that run programs on their own.
func exportEnviron(env *local.Env) error {
	for _, entry := range env.State.Environ() {
		key, value, _ := strings.Cut(entry, "=")
		if key == "PATH" && strings.HasPrefix(os.Getenv(key)+":", env.State.DockerPath+":") {
			continue
		}
		if err := os.Setenv(key, value); err != nil {
			return err
		}
	}
	return nil
}
