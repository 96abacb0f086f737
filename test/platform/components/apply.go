package components

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

// applyOnce applies the manifests and waits for the namespaces. Manifests that
// this cluster has already had are not applied again as long as the namespaces
// are ready.
func applyOnce(ctx context.Context, env *local.Env, component string, manifests []byte, namespaces ...string) error {
	cluster, err := env.Kube()
	if err != nil {
		return err
	}
	system, err := cluster.Client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("look at the cluster: %w", err)
	}
	sum := sha256.Sum256(manifests)
	applied := string(system.UID) + " " + hex.EncodeToString(sum[:8])
	if env.State.Value(component, "applied") != applied || installed(ctx, env, namespaces...) != nil {
		if err := env.Apply(ctx, manifests); err != nil {
			return err
		}
	}
	for _, namespace := range namespaces {
		if err := env.WaitReady(ctx, namespace); err != nil {
			return err
		}
	}
	return env.Publish(component, "applied", applied)
}

// installed returns nil when every namespace has workloads and all of them have
// rolled out, and otherwise what is wrong.
func installed(ctx context.Context, env *local.Env, namespaces ...string) error {
	cluster, err := env.Kube()
	if err != nil {
		return err
	}
	for _, namespace := range namespaces {
		deployments, err := cluster.Client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			return err
		}
		if len(deployments.Items) == 0 {
			return fmt.Errorf("nothing is installed in the namespace %s", namespace)
		}
		waiting, err := cluster.Unready(ctx, namespace)
		if err != nil {
			return err
		}
		if len(waiting) > 0 {
			return fmt.Errorf("in %s not ready: %s", namespace, strings.Join(waiting, ", "))
		}
	}
	return nil
}

// statusOf reports how a component in the cluster is.
func statusOf(ctx context.Context, env *local.Env, component, detail string, namespaces ...string) (local.Status, error) {
	if env.State.Cluster == "" || env.State.Value(component, "applied") == "" {
		return local.Status{Condition: local.Absent}, nil
	}
	err := installed(ctx, env, namespaces...)
	if apierrors.IsNotFound(err) {
		return local.Status{Condition: local.Absent}, nil
	}
	if err != nil {
		return local.Status{Condition: local.Broken, Detail: err.Error()}, nil
	}
	return local.Status{Condition: local.Running, Detail: detail}, nil
}
