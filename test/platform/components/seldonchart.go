package components

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/platform/kubeapply"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// seldonCertificate begins the template: the webhook's certificate is made when
// the chart is installed.
const seldonCertificate = `{{- $service := printf "seldon-webhook-service.%s.svc" .Release.Namespace }}
{{- $certificate := genSelfSignedCert $service nil (list $service (printf "%s.cluster.local" $service)) 3650 }}
---
apiVersion: v1
kind: Secret
metadata:
  name: seldon-webhook-server-cert
  namespace: {{ .Release.Namespace }}
type: kubernetes.io/tls
data:
  tls.crt: {{ $certificate.Cert | b64enc }}
  tls.key: {{ $certificate.Key | b64enc }}
`

// seldonValues are values of Seldon's own chart, as far as this one follows them.
var seldonValues = map[string]any{
	"ambassador":    map[string]any{"enabled": true, "version": "v1"},
	"istio":         map[string]any{"enabled": false},
	"keda":          map[string]any{"enabled": false},
	"usageMetrics":  map[string]any{"enabled": false}, // there is nothing to switch on
	"defaultUserID": "8888",
}

// seldonEnv are the operator's variables that values decide.
var seldonEnv = map[string]string{
	"AMBASSADOR_ENABLED": ".Values.ambassador.enabled",
	"AMBASSADOR_VERSION": ".Values.ambassador.version",
	"ISTIO_ENABLED":      ".Values.istio.enabled",
	"KEDA_ENABLED":       ".Values.keda.enabled",
	"DEFAULT_USER_ID":    ".Values.defaultUserID",
}

// seldonChart makes a chart of the operator's own manifests. They leave the
// webhook's certificate to cert-manager and have leaders elected, which one
// operator in one cluster needs neither of.
func seldonChart(manifests []byte, image string) (helmChart, error) {
	chart := helmChart{
		name: "seldon-core-operator", version: strings.TrimPrefix(versions.SeldonCore, "v"), appVersion: versions.SeldonCore,
		about: "Seldon Core's operator, built from source", files: map[string]string{},
	}
	objects, err := kubeapply.Parse(manifests)
	if err != nil {
		return chart, fmt.Errorf("read Seldon's manifests: %w", err)
	}
	var templated []*unstructured.Unstructured
	for _, object := range objects {
		switch object.GetKind() {
		case "Namespace", "Issuer", "Certificate":
			continue
		case "CustomResourceDefinition":
			delete(object.Object, "status")
			object.SetAnnotations(nil)
			definition, err := yaml.Marshal(object.Object)
			if err != nil {
				return chart, fmt.Errorf("write Seldon's definition: %w", err)
			}
			chart.files["crds/"+object.GetName()+".yaml"] = string(definition)
			continue
		case "ValidatingWebhookConfiguration":
			err = seldonWebhook(object)
		case "Deployment":
			err = seldonDeployment(object, image)
		}
		if err != nil {
			return chart, fmt.Errorf("%s %s of Seldon: %w", object.GetKind(), object.GetName(), err)
		}
		templated = append(templated, object)
	}
	text, err := documents(templated)
	if err != nil {
		return chart, err
	}
	if strings.Contains(string(text), "{{") {
		return chart, errors.New("the manifests of Seldon hold {{, which a chart would take for a template")
	}
	templates := placeholder.ReplaceAllString(string(text), "{{ $1 }}")
	templates = strings.ReplaceAll(templates, seldonNamespace, "{{ .Release.Namespace }}")
	chart.files["templates/operator.yaml"] = seldonCertificate + templates
	values, err := yaml.Marshal(seldonValues)
	if err != nil {
		return chart, fmt.Errorf("write the chart's values: %w", err)
	}
	chart.files["values.yaml"] = string(values)
	return chart, nil
}

// placeholder matches what template wrote. YAML needs no quotes around it.
var placeholder = regexp.MustCompile(`TEMPLATE\((.*?)\)END`)

// template stands for the value of a template's expression until the manifests
// are text.
func template(expression string) string { return "TEMPLATE(" + expression + ")END" }

// seldonWebhook has the API server trust the certificate that the chart makes.
func seldonWebhook(object *unstructured.Unstructured) error {
	object.SetAnnotations(nil)
	webhooks, _, err := unstructured.NestedSlice(object.Object, "webhooks")
	if err != nil {
		return err
	}
	for _, entry := range webhooks {
		webhook, _ := entry.(map[string]any)
		if err := unstructured.SetNestedField(webhook, template("$certificate.Cert | b64enc"), "clientConfig", "caBundle"); err != nil {
			return err
		}
	}
	return unstructured.SetNestedSlice(object.Object, webhooks, "webhooks")
}

// seldonDeployment puts our image and the chart's values into the operator, and
// has it be ready only when its webhook listens.
func seldonDeployment(object *unstructured.Unstructured, image string) error {
	containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		return fmt.Errorf("it has %d containers and not one: %w", len(containers), err)
	}
	container, _ := containers[0].(map[string]any)
	container["image"], container["imagePullPolicy"] = image, "IfNotPresent"
	container["args"] = []any{"--webhook-port=4443", "--metrics-addr=:8080", "--create-resources=false", "--log-level=$(MANAGER_LOG_LEVEL)"}
	container["startupProbe"] = map[string]any{
		"tcpSocket": map[string]any{"port": "webhook-server"}, "periodSeconds": int64(1), "failureThreshold": int64(120),
	}
	variables, _ := container["env"].([]any)
	for _, entry := range variables {
		variable, _ := entry.(map[string]any)
		if expression, ok := seldonEnv[fmt.Sprint(variable["name"])]; ok {
			variable["value"] = template(expression + " | quote")
		}
	}
	if err := unstructured.SetNestedSlice(object.Object, containers, "spec", "template", "spec", "containers"); err != nil {
		return err
	}
	// A new certificate starts a new operator, which serves it.
	return unstructured.SetNestedField(object.Object, template("$certificate.Cert | sha256sum"),
		"spec", "template", "metadata", "annotations", "checksum/certificate")
}
