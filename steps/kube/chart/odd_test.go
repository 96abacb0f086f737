package chart_test

import (
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/kube/chart"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Helm's library checks the dependencies of Chart.yaml, not those of its lock file.
func TestEmptyDependencyIsRefused(t *testing.T) {
	t.Parallel()
	for file, text := range map[string]string{
		"Chart.lock":        "dependencies: [null]\n",
		"requirements.lock": "dependencies: [null]\n",
		"Chart.yaml":        "{apiVersion: v2, name: shop, version: 1.0.0, dependencies: [null]}",
	} {
		content := files("1.0.0")
		if file == "requirements.lock" {
			content["Chart.yaml"] = "{apiVersion: v1, name: shop, version: 1.0.0}"
		}
		content[file] = text
		if _, err := chart.Fetch(t.Context(), chart.Source{Path: "shop"}, directory(t, content)); step.ExitCode(err) != step.ExitInvalid {
			t.Errorf("%s: error %v (code %d), want code 2", file, err, step.ExitCode(err))
		}
	}
}

// A template that includes itself fails with one line for each of the many
// times that it did.
func TestLongTemplateErrorsAreCut(t *testing.T) {
	t.Parallel()
	content := files("1.0.0")
	content["templates/bad.yaml"] = `{{ define "self" }}{{ include "self" . }}{{ end }}{{ include "self" . }}`
	c, err := chart.Fetch(t.Context(), chart.Source{Path: "shop"}, directory(t, content))
	if err != nil {
		t.Fatal(err)
	}
	_, err = chart.Render(c, chart.RenderOptions{Release: "r", Namespace: "ns"})
	if step.ExitCode(err) != step.ExitInvalid || len(err.Error()) > 3000 || !strings.Contains(err.Error(), "bad.yaml") || !strings.Contains(err.Error(), "unable to execute template") {
		t.Errorf("%d bytes (code %d): %.3000v", len(err.Error()), step.ExitCode(err), err)
	}
}
