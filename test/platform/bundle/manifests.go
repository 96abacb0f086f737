package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/platform/kubeapply"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// kustomize builds a directory.
func kustomize(dir string) ([]byte, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	out, err := built.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	return out, nil
}

// edit parses manifests, changes each object and writes them again.
func edit(manifests []byte, change func(*unstructured.Unstructured) error) ([]byte, error) {
	objects, err := kubeapply.Parse(manifests)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, object := range objects {
		if err := change(object); err != nil {
			return nil, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		data, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "---\n%s", data)
	}
	return out.Bytes(), nil
}

// inNamespace puts every object into a namespace.
func inNamespace(manifests []byte, namespace string) ([]byte, error) {
	return edit(manifests, func(object *unstructured.Unstructured) error {
		object.SetNamespace(namespace)
		return nil
	})
}

// withSettings replaces values of the TriggerBinding with the settings. A
// setting that it does not have is an error.
func withSettings(manifests []byte, settings map[string]string) ([]byte, error) {
	found := false
	out, err := edit(manifests, func(object *unstructured.Unstructured) error {
		if object.GetKind() != "TriggerBinding" || object.GetName() != "model-delivery-settings" {
			return nil
		}
		found = true
		params, _, err := unstructured.NestedSlice(object.Object, "spec", "params")
		if err != nil {
			return err
		}
		seen := 0
		for _, param := range params {
			entry, ok := param.(map[string]any)
			if !ok {
				return errors.New("a param is no object")
			}
			if value, ok := settings[fmt.Sprint(entry["name"])]; ok {
				entry["value"] = value
				seen++
			}
		}
		if seen != len(settings) {
			return fmt.Errorf("it has %d of the %d settings", seen, len(settings))
		}
		return unstructured.SetNestedSlice(object.Object, params, "spec", "params")
	})
	if err == nil && !found {
		err = errors.New("there is no TriggerBinding model-delivery-settings")
	}
	return out, err
}

// namespaces are those of the runs and of the environments.
func namespaces() []byte {
	var out bytes.Buffer
	for _, name := range []string{Namespace, "staging", "production"} {
		fmt.Fprintf(&out, "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", name)
	}
	return out.Bytes()
}

// secrets are what the runs and the EventListener need to know of the forge.
func secrets(env *local.Env) ([]byte, error) {
	read := func(name string) (string, error) {
		data, err := os.ReadFile(env.State.Value("forge", name))
		if err != nil {
			return "", fmt.Errorf("read the forge's %s: %w", name, err)
		}
		return strings.TrimSpace(string(data)), nil
	}
	token, err := read("ci-token-file")
	if err != nil {
		return nil, err
	}
	webhook, err := read("webhook-secret-file")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, secret := range []corev1.Secret{
		{
			ObjectMeta: metav1.ObjectMeta{Name: "forge-credentials"}, Type: corev1.SecretTypeBasicAuth,
			StringData: map[string]string{"username": env.State.Value("forge", "ci-user"), "password": token},
		},
		{ObjectMeta: metav1.ObjectMeta{Name: "forge-webhook"}, StringData: map[string]string{"secret": webhook}},
	} {
		secret.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
		secret.Namespace = Namespace
		data, err := yaml.Marshal(secret)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "---\n%s", data)
	}
	return out.Bytes(), nil
}

// listenerService makes the EventListener reachable for the forge, which is
// outside the cluster, on the docker network of its node.
func listenerService() []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Service
metadata: {name: model-delivery-webhooks, namespace: %s}
spec:
  type: NodePort
  selector: {eventlistener: model-delivery}
  ports:
  - {name: http, port: 8080, targetPort: 8080, nodePort: %d}
`, Namespace, listenerPort)
}
