package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"sigs.k8s.io/yaml"
)

// task is what the bench takes from the Task.
type task struct {
	sidecar string   // script that runs the engine
	args    []string // of the step, without variables
	env     []string // of the step
}

// Paths in the containers.
const (
	toolsDir   = "/tools"
	sourceDir  = "/workspace"
	resultsDir = "/results"
)

var variable = regexp.MustCompile(`\$\(([a-zA-Z.-]+)\)`)

// readTask reads the Task and fills in its params.
func readTask(root string, params map[string]string) (task, error) {
	data, err := os.ReadFile(filepath.Join(root, "tasks", "kind-integration-test", "kind-integration-test.yaml"))
	if err != nil {
		return task{}, err
	}
	var object pipelinev1.Task
	if err := yaml.Unmarshal(data, &object); err != nil {
		return task{}, err
	}
	values := map[string]string{"workspaces.source.path": sourceDir, "context.taskRun.uid": "bench"}
	for _, p := range object.Spec.Params {
		if p.Default != nil {
			values["params."+p.Name] = p.Default.StringVal
		}
	}
	for name, value := range params {
		values["params."+name] = value
	}
	fill := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(match string) string { return values[match[2:len(match)-1]] })
	}
	if len(object.Spec.Sidecars) != 1 || len(object.Spec.Steps) != 2 {
		return task{}, fmt.Errorf("the Task has %d sidecars and %d steps", len(object.Spec.Sidecars), len(object.Spec.Steps))
	}
	out := task{sidecar: object.Spec.Sidecars[0].Script}
	for _, arg := range object.Spec.Steps[1].Args {
		out.args = append(out.args, fill(arg))
	}
	for _, variable := range object.Spec.Steps[1].Env {
		out.env = append(out.env, variable.Name+"="+fill(variable.Value))
	}
	return out, nil
}
