package bundle_test

import (
	"maps"
	"slices"
	"testing"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/model-delivery/model-delivery/test/bundle"
)

// gitClone is the interface of the catalog's git-clone, version 1.7, whose
// params since 1.0 only grew.
var gitClone = struct {
	params     map[string]string // with their defaults
	workspaces map[string]bool   // whether they are optional
	results    []string
}{
	params: map[string]string{
		"url": "", "revision": "", "refspec": "", "submodules": "true", "submodulePaths": "", "depth": "1", "sslVerify": "true",
		"crtFileName": "ca-bundle.crt", "subdirectory": "", "sparseCheckoutDirectories": "", "deleteExisting": "true",
		"httpProxy": "", "httpsProxy": "", "noProxy": "", "verbose": "true",
	},
	workspaces: map[string]bool{"output": false, "ssh-directory": true, "basic-auth": true, "ssl-ca-directory": true},
	results:    []string{"commit", "url", "committer-date"},
}

// environment are params whose defaults say where the step runs, not what it does.
var environment = []string{"gitInitImage", "userHome"}

// TestGitCheckoutIsGitClone: a Pipeline made for one runs with the other.
func TestGitCheckoutIsGitClone(t *testing.T) {
	t.Parallel()
	task := bundle.Of[pipelinev1.Task](load(t, "tasks/git-checkout"))["git-checkout"]
	if task == nil {
		t.Fatal("there is no Task git-checkout")
	}
	params := map[string]string{}
	for _, p := range task.Spec.Params {
		if p.Type != pipelinev1.ParamTypeString {
			t.Errorf("param %s is of type %s", p.Name, p.Type)
		}
		switch {
		case slices.Contains(environment, p.Name):
			if p.Default == nil || p.Default.StringVal == "" {
				t.Errorf("param %s has no default", p.Name)
			}
		case p.Default != nil:
			params[p.Name] = p.Default.StringVal
		case p.Name != "url":
			t.Errorf("param %s has to be given, and git-clone asks for the url only", p.Name)
		default:
			params[p.Name] = ""
		}
	}
	if !maps.Equal(params, gitClone.params) {
		t.Errorf("params and defaults are\n%v\nwant\n%v", params, gitClone.params)
	}
	workspaces := map[string]bool{}
	for _, w := range task.Spec.Workspaces {
		workspaces[w.Name] = w.Optional
	}
	if !maps.Equal(workspaces, gitClone.workspaces) {
		t.Errorf("workspaces are %v, want %v", workspaces, gitClone.workspaces)
	}
	var results []string
	for _, r := range task.Spec.Results {
		results = append(results, r.Name)
	}
	if !slices.Equal(results, gitClone.results) {
		t.Errorf("results are %v, want %v", results, gitClone.results)
	}
	for _, name := range environment {
		if !slices.ContainsFunc(task.Spec.Params, func(p pipelinev1.ParamSpec) bool { return p.Name == name }) {
			t.Errorf("there is no param %s", name)
		}
	}
}
