package bundle_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/bundle"
)

// paramsUsed and workspacesUsed find variables in the text of a spec.
var (
	paramsUsed     = regexp.MustCompile(`\$\(params\.([A-Za-z0-9_-]+)(\[\*\])?\)`)
	workspacesUsed = regexp.MustCompile(`\$\(workspaces\.([A-Za-z0-9_-]+)\.`)
	tasksUsed      = regexp.MustCompile(`\$\(tasks\.([a-z-]+)\.results\.([A-Za-z0-9_-]+)(\[(?:\*|0)\])?\)`)
)

// TestNothingIsDeclaredInVain: every param and workspace of a Task and of a
// Pipeline is used in it.
func TestNothingIsDeclaredInVain(t *testing.T) {
	t.Parallel()
	objects := load(t, "tasks", "pipelines")
	for name, task := range bundle.Of[pipelinev1.Task](objects) {
		text := marshal(t, task.Spec.Steps) + marshal(t, task.Spec.Sidecars) + marshal(t, task.Spec.StepTemplate) + marshal(t, task.Spec.Volumes)
		for _, p := range task.Spec.Params {
			if !slices.Contains(names(paramsUsed, text), p.Name) {
				t.Errorf("Task %s: param %s is not used", name, p.Name)
			}
		}
		for _, w := range task.Spec.Workspaces {
			if !slices.Contains(names(workspacesUsed, text), w.Name) {
				t.Errorf("Task %s: workspace %s is not used", name, w.Name)
			}
		}
	}
	for name, pipeline := range bundle.Of[pipelinev1.Pipeline](objects) {
		text := marshal(t, pipeline.Spec.Tasks) + marshal(t, pipeline.Spec.Finally)
		for _, p := range pipeline.Spec.Params {
			if !slices.Contains(names(paramsUsed, text), p.Name) {
				t.Errorf("Pipeline %s: param %s is not used", name, p.Name)
			}
		}
		for _, w := range pipeline.Spec.Workspaces {
			if !strings.Contains(text, "workspace: "+w.Name+"\n") {
				t.Errorf("Pipeline %s: workspace %s is not used", name, w.Name)
			}
		}
	}
}

func names(expression *regexp.Regexp, text string) []string {
	var found []string
	for _, match := range expression.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	data, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestPipelinesFitTheirTasks: every task of a Pipeline is a Task of the bundle,
// gets the params that it asks for and no others, of the right type, the
// workspaces that it needs, and results that exist.
func TestPipelinesFitTheirTasks(t *testing.T) {
	t.Parallel()
	objects := load(t, "tasks", "pipelines")
	tasks := bundle.Of[pipelinev1.Task](objects)
	for name, pipeline := range bundle.Of[pipelinev1.Pipeline](objects) {
		checkPipeline(t, name, tasks, pipeline.Spec)
	}
}

// checkPipeline holds each task of a Pipeline against the Task that it names, or
// that is written into it.
func checkPipeline(t *testing.T, name string, tasks map[string]*pipelinev1.Task, spec pipelinev1.PipelineSpec) {
	t.Helper()
	all := slices.Concat(spec.Tasks, spec.Finally)
	byName := map[string]*pipelinev1.Task{}
	matrixed := map[string]bool{}
	for _, pt := range all {
		switch {
		case pt.TaskSpec != nil:
			byName[pt.Name] = &pipelinev1.Task{Spec: pt.TaskSpec.TaskSpec}
		case tasks[pt.TaskRef.Name] == nil:
			t.Errorf("%s/%s: there is no Task %s", name, pt.Name, pt.TaskRef.Name)
			return
		default:
			byName[pt.Name] = tasks[pt.TaskRef.Name]
		}
		matrixed[pt.Name] = pt.IsMatrixed()
	}
	types := map[string]pipelinev1.ParamType{}
	for _, p := range spec.Params {
		types[p.Name] = p.Type
	}
	for _, pt := range all {
		checkParams(t, name+"/"+pt.Name, byName[pt.Name], pt, types)
		checkWorkspaces(t, name+"/"+pt.Name, byName[pt.Name], pt)
		for _, match := range tasksUsed.FindAllStringSubmatch(marshal(t, pt), -1) {
			checkResult(t, name+"/"+pt.Name, byName, matrixed, match)
		}
	}
}

func checkParams(t *testing.T, where string, task *pipelinev1.Task, pt pipelinev1.PipelineTask, types map[string]pipelinev1.ParamType) {
	t.Helper()
	given := map[string]pipelinev1.ParamType{}
	for _, p := range pt.Params {
		given[p.Name] = p.Value.Type
		// A whole array param is given as a string until it is replaced.
		if match := paramsUsed.FindStringSubmatch(p.Value.StringVal); match != nil && match[2] != "" {
			given[p.Name] = types[match[1]]
		}
	}
	if pt.Matrix != nil {
		for _, p := range pt.Matrix.Params {
			given[p.Name] = pipelinev1.ParamTypeString // one value of the array for each run
		}
	}
	for _, p := range task.Spec.Params {
		kind, ok := given[p.Name]
		if !ok && p.Default == nil {
			t.Errorf("%s: param %s of Task %s is not given", where, p.Name, task.Name)
		}
		want := p.Type
		if want == "" {
			want = pipelinev1.ParamTypeString
		}
		if ok && kind != want {
			t.Errorf("%s: param %s is of type %s, Task %s takes %s", where, p.Name, kind, task.Name, want)
		}
		delete(given, p.Name)
	}
	for left := range given {
		t.Errorf("%s: Task %s has no param %s", where, task.Name, left)
	}
}

func checkWorkspaces(t *testing.T, where string, task *pipelinev1.Task, pt pipelinev1.PipelineTask) {
	t.Helper()
	given := map[string]bool{}
	for _, w := range pt.Workspaces {
		given[w.Name] = true
	}
	for _, w := range task.Spec.Workspaces {
		if !given[w.Name] && !w.Optional {
			t.Errorf("%s: workspace %s of Task %s is not given", where, w.Name, task.Name)
		}
		delete(given, w.Name)
	}
	for left := range given {
		t.Errorf("%s: Task %s has no workspace %s", where, task.Name, left)
	}
}

func checkResult(t *testing.T, where string, byName map[string]*pipelinev1.Task, matrixed map[string]bool, match []string) {
	t.Helper()
	from, ok := byName[match[1]]
	if !ok {
		t.Errorf("%s: %s: there is no such task", where, match[0])
		return
	}
	for _, result := range from.Spec.Results {
		if result.Name != match[2] {
			continue
		}
		// The results of a task that runs once for each value are an array.
		array := result.Type == pipelinev1.ResultsTypeArray || matrixed[match[1]]
		if array != (match[3] != "") {
			t.Errorf("%s: %s: array %t", where, match[0], array)
		}
		return
	}
	t.Errorf("%s: %s: task %s has no such result", where, match[0], match[1])
}

// TestSamplesFit: what samples and tests start exists and gets what it asks for.
func TestSamplesFit(t *testing.T) {
	t.Parallel()
	objects := load(t, "tasks", "pipelines")
	tasks, pipelines := bundle.Of[pipelinev1.Task](objects), bundle.Of[pipelinev1.Pipeline](objects)
	for _, object := range objects {
		switch run := object.Value.(type) {
		case *pipelinev1.TaskRun:
			task, ok := tasks[run.Spec.TaskRef.Name]
			if !ok {
				t.Errorf("%s: there is no Task %s", object.File, run.Spec.TaskRef.Name)
				continue
			}
			pt := pipelinev1.PipelineTask{Params: run.Spec.Params}
			for _, w := range run.Spec.Workspaces {
				pt.Workspaces = append(pt.Workspaces, pipelinev1.WorkspacePipelineTaskBinding{Name: w.Name})
			}
			checkParams(t, object.File, task, pt, nil)
			checkWorkspaces(t, object.File, task, pt)
		case *pipelinev1.PipelineRun:
			if run.Spec.PipelineSpec != nil {
				checkPipeline(t, object.File, tasks, *run.Spec.PipelineSpec)
				continue
			}
			checkPipelineRun(t, object.File, pipelines, run)
		}
	}
}

func checkPipelineRun(t *testing.T, where string, pipelines map[string]*pipelinev1.Pipeline, run *pipelinev1.PipelineRun) {
	t.Helper()
	pipeline, ok := pipelines[run.Spec.PipelineRef.Name]
	if !ok {
		t.Errorf("%s: there is no Pipeline %s", where, run.Spec.PipelineRef.Name)
		return
	}
	// A run fits a Pipeline as a task of a Pipeline fits a Task.
	task := &pipelinev1.Task{}
	task.Name = pipeline.Name
	task.Spec.Params = pipeline.Spec.Params
	for _, w := range pipeline.Spec.Workspaces {
		task.Spec.Workspaces = append(task.Spec.Workspaces, pipelinev1.WorkspaceDeclaration{Name: w.Name, Optional: w.Optional})
	}
	pt := pipelinev1.PipelineTask{Params: run.Spec.Params}
	for _, w := range run.Spec.Workspaces {
		pt.Workspaces = append(pt.Workspaces, pipelinev1.WorkspacePipelineTaskBinding{Name: w.Name})
	}
	checkParams(t, where, task, pt, nil)
	checkWorkspaces(t, where, task, pt)
	for _, spec := range run.Spec.TaskRunSpecs {
		if !slices.ContainsFunc(slices.Concat(pipeline.Spec.Tasks, pipeline.Spec.Finally), func(pt pipelinev1.PipelineTask) bool { return pt.Name == spec.PipelineTaskName }) {
			t.Errorf("%s: Pipeline %s has no task %s", where, pipeline.Name, spec.PipelineTaskName)
		}
	}
}
