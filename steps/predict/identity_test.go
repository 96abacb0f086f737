package predict_test

import (
	"os"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// TestImageThatNoAnswerNames: what proves nothing is said so, once and everywhere.
func TestImageThatNoAnswerNames(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	dir := t.TempDir()
	o := run(t, one+"- {name: two, request: {data: {ndarray: [[1, 2]]}}}\n", nil, "--endpoint", s.URL, "--image", "foo/bar:9", "--report-dir", dir)
	const want = "no answer named the image that made it, so --image foo/bar:9 proved nothing here"
	if o.code != 0 || strings.Count(o.stdout, want) != 1 {
		t.Errorf("exit code %d: %s", o.code, o.stdout)
	}
	for _, name := range []string{"report.json", "junit.xml", "report.md", "report.html"} {
		data, err := os.ReadFile(dir + "/" + name)
		if err != nil || !strings.Contains(string(data), "no answer named the image that made it") {
			t.Errorf("%s does not say so, error %v", name, err)
		}
	}
}

// TestIdentityOfEveryKind: another version is noticed by whatever asks.
func TestIdentityOfEveryKind(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Meta: map[string]any{"requestPath": map[string]any{"classifier": older}}})
	files := map[string]string{"points.csv": points, "contract.json": `{"features":[{"name":"x","dtype":"FLOAT","ftype":"continuous","range":[0,1]}]}`}
	for name, check := range map[string]string{
		"load":     "load: {requests: 3, request: {data: {ndarray: [[1, 2]]}}}",
		"dataset":  "dataset: {file: points.csv, inputs: [a, b]}",
		"contract": "contract: {file: contract.json, requests: 2}",
		"compare":  "compare: {dataset: {file: points.csv, inputs: [a, b]}}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := run(t, "checks:\n- name: it\n  "+check+"\n", files, "--endpoint", s.URL, "--image", "classifier="+promoted, "--baseline", s.URL)
			if c := o.check(t, "it"); o.code != 1 || c.Outcome == report.Passed || !strings.Contains(o.stdout, "another version answers") {
				t.Errorf("exit code %d, outcome %s: %s", o.code, c.Outcome, o.stdout)
			}
		})
	}
}
