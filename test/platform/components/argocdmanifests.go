package components

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/platform/kubeapply"
)

// environments are where models run: a namespace, a folder of the gitops
// repository and an Application each, all of that name.
var environments = []string{"staging", "production"}

// argocdPoll is how often Argo CD looks at its repositories: a person who
// watches a demo does not want to wait for its usual minutes.
const argocdPoll = "5s"

// argocdCore makes of Argo CD's published core manifests what the platform
// installs: in a namespace, without ApplicationSets, with images that can be
// had and the key that its API server would have made.
func argocdCore(core []byte, images argocdRefs, serverKey string) ([]byte, error) {
	objects, err := kubeapply.Parse(core)
	if err != nil {
		return nil, fmt.Errorf("read Argo CD's manifests: %w", err)
	}
	kept := []*unstructured.Unstructured{namespaceObject(argocdNamespace)}
	for _, object := range objects {
		if strings.Contains(object.GetName(), "applicationset") {
			continue
		}
		if err := argocdObject(object, images, serverKey); err != nil {
			return nil, fmt.Errorf("%s %s of Argo CD: %w", object.GetKind(), object.GetName(), err)
		}
		kept = append(kept, object)
	}
	return documents(kept)
}

func argocdObject(object *unstructured.Unstructured, images argocdRefs, serverKey string) error {
	set := func(value any, fields ...string) error {
		return unstructured.SetNestedField(object.Object, value, fields...)
	}
	switch kind := object.GetKind(); kind {
	case "CustomResourceDefinition", "ClusterRole":
		return nil
	case "ClusterRoleBinding":
		return inNamespaceOf(object, argocdNamespace)
	case "Deployment", "StatefulSet":
		object.SetNamespace(argocdNamespace)
		return argocdWorkload(object, images)
	default:
		object.SetNamespace(argocdNamespace)
		switch object.GetName() {
		case "argocd-secret":
			return set(map[string]any{"server.secretkey": serverKey}, "stringData")
		case "argocd-cm":
			return set(map[string]any{"timeout.reconciliation": argocdPoll, "timeout.reconciliation.jitter": "0s"}, "data")
		case "argocd-cmd-params-cm":
			// Polls that often would fill the logs.
			return set(map[string]any{"controller.log.level": "warn", "reposerver.log.level": "warn"}, "data")
		}
		if kind == "RoleBinding" {
			return inNamespaceOf(object, argocdNamespace)
		}
		return nil
	}
}

// inNamespaceOf has a binding name its subjects in the namespace.
func inNamespaceOf(binding *unstructured.Unstructured, namespace string) error {
	if binding.GetKind() == "RoleBinding" {
		binding.SetNamespace(namespace)
	}
	subjects, _, err := unstructured.NestedSlice(binding.Object, "subjects")
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		if subject, ok := subject.(map[string]any); ok {
			subject["namespace"] = namespace
		}
	}
	return unstructured.SetNestedSlice(binding.Object, subjects, "subjects")
}

// argocdWorkload puts our images into a workload.
func argocdWorkload(object *unstructured.Unstructured, images argocdRefs) error {
	if !images.built {
		return nil
	}
	for _, list := range []string{"initContainers", "containers"} {
		containers, found, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", list)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		for _, entry := range containers {
			container, ok := entry.(map[string]any)
			if !ok {
				return errors.New("a container is no object")
			}
			container["image"], container["imagePullPolicy"] = images.argocd, "IfNotPresent"
			if container["name"] == "redis" {
				// The published image's entrypoint puts this before options.
				container["image"], container["command"] = images.redis, []any{"redis-server"}
				continue
			}
			// Commits are not signed, and Argo CD's gpg needs a wrapper that
			// only its published image has.
			env, _ := container["env"].([]any)
			container["env"] = append(env, map[string]any{"name": "ARGOCD_GPG_ENABLED", "value": "false"})
		}
		if err := unstructured.SetNestedSlice(object.Object, containers, "spec", "template", "spec", list); err != nil {
			return err
		}
	}
	return nil
}

// argocdApplications has Argo CD keep each environment as its folder of the
// repository says. What is removed there is removed from the environment.
func argocdApplications(repository, user, token string) ([]byte, error) {
	credentials := object("v1", "Secret", "gitops-repository")
	credentials.SetLabels(map[string]string{"argocd.argoproj.io/secret-type": "repository"})
	credentials.Object["stringData"] = map[string]any{"type": "git", "url": repository, "username": user, "password": token}

	project := object("argoproj.io/v1alpha1", "AppProject", "default")
	var destinations []any
	for _, environment := range environments {
		destinations = append(destinations, map[string]any{"server": inCluster, "namespace": environment})
	}
	project.Object["spec"] = map[string]any{"sourceRepos": []any{repository}, "destinations": destinations}

	objects := []*unstructured.Unstructured{credentials, project}
	for _, environment := range environments {
		application := object("argoproj.io/v1alpha1", "Application", environment)
		application.Object["spec"] = map[string]any{
			"project": "default",
			"source": map[string]any{
				"repoURL": repository, "targetRevision": "main", "path": environment,
				"directory": map[string]any{"recurse": true},
			},
			"destination": map[string]any{"server": inCluster, "namespace": environment},
			"syncPolicy": map[string]any{
				"automated": map[string]any{"prune": true, "selfHeal": true, "allowEmpty": true},
				"retry": map[string]any{
					"limit":   int64(20),
					"backoff": map[string]any{"duration": "2s", "factor": int64(2), "maxDuration": "15s"},
				},
			},
		}
		objects = append(objects, application)
	}
	for _, object := range objects {
		object.SetNamespace(argocdNamespace)
	}
	for _, environment := range environments {
		objects = append(objects, namespaceObject(environment))
	}
	return documents(objects)
}

// inCluster is how Argo CD names the cluster that it runs in.
const inCluster = "https://kubernetes.default.svc"

func object(version, kind, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": version, "kind": kind}}
	object.SetName(name)
	return object
}

func namespaceObject(name string) *unstructured.Unstructured { return object("v1", "Namespace", name) }

// documents writes objects as YAML documents.
func documents(objects []*unstructured.Unstructured) ([]byte, error) {
	var out bytes.Buffer
	for _, object := range objects {
		data, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, fmt.Errorf("write %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		fmt.Fprintf(&out, "---\n%s", data)
	}
	return out.Bytes(), nil
}
