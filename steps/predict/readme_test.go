package predict_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadme: the checks that the Task's README shows are ones that can be run.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../tasks/seldon-predict/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(readme), "    apiVersion: model-delivery.dev/v1\n")
	text, _, closed := strings.Cut(text, "\n\n")
	if !found || !closed {
		t.Fatal("the README shows no checks")
	}
	dir := write(t, map[string]string{
		"p.yaml":        "apiVersion: model-delivery.dev/v1\n" + strings.ReplaceAll("\n"+text, "\n    ", "\n")[1:] + "\n",
		"holdout.csv":   "text,class\nthe clutch slips,0\n",
		"contract.json": `{"features":[{"name":"x","dtype":"FLOAT","ftype":"continuous"}]}`,
	})
	if o := execute(t, dir, "lint", dir+"/p.yaml"); o.code != 0 {
		t.Errorf("exit code %d: %s", o.code, o.stdout)
	}
}
