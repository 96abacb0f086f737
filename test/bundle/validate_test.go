package bundle_test

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"

	"github.com/model-delivery/model-delivery/test/bundle"
)

// load reads the given directories, or fails the test.
func load(t *testing.T, dirs ...string) []bundle.Object {
	t.Helper()
	objects, err := bundle.Load(dirs...)
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) == 0 {
		t.Fatalf("nothing was found in %v", dirs)
	}
	return objects
}

// tektonObject is what Tekton's webhook does with an object.
type tektonObject interface {
	SetDefaults(ctx context.Context)
	Validate(ctx context.Context) *apis.FieldError
}

func TestTektonAcceptsEverything(t *testing.T) {
	t.Parallel()
	for _, object := range load(t, "tasks", "pipelines", "triggers") {
		validate(t, object)
	}
}

// validate does what Tekton's webhook does with an object.
func validate(t *testing.T, object bundle.Object) {
	t.Helper()
	value, ok := object.Value.(tektonObject)
	if !ok {
		return
	}
	if meta, ok := object.Value.(metav1.Object); ok && meta.GetName() == "" {
		meta.SetName(meta.GetGenerateName() + "x") // as the API server makes it before Tekton looks
	}
	value.SetDefaults(t.Context())
	if err := value.Validate(t.Context()); err != nil {
		t.Errorf("%s: %s %s: %v", object.File, object.Kind.Kind, object.Name, err)
	}
}

// categories are those that Tekton's hub knows.
var categories = []string{
	"Automation", "Build Tools", "CLI", "Cloud", "Code Quality", "Continuous Integration", "Deployment", "Developer Tools", "Image Build",
	"Integration & Delivery", "Git", "Kubernetes", "Messaging", "Monitoring", "Networking", "Openshift", "Publishing", "Security", "Storage", "Testing",
}

func TestCatalogMetadata(t *testing.T) {
	t.Parallel()
	platform := regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+$`)
	version := regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	versions := map[string]bool{}
	check := func(file string, meta metav1.ObjectMeta, description string) {
		value := meta.Labels["app.kubernetes.io/version"]
		versions[value] = true
		if !version.MatchString(value) {
			t.Errorf("%s: version %q", file, value)
		}
		if !version.MatchString(meta.Annotations["tekton.dev/pipelines.minVersion"]) || meta.Annotations["tekton.dev/tags"] == "" || meta.Annotations["tekton.dev/displayName"] == "" {
			t.Errorf("%s: an annotation of the catalog is missing: %v", file, meta.Annotations)
		}
		for category := range strings.SplitSeq(meta.Annotations["tekton.dev/categories"], ",") {
			if !slices.Contains(categories, strings.TrimSpace(category)) {
				t.Errorf("%s: %q is no category", file, category)
			}
		}
		for name := range strings.SplitSeq(meta.Annotations["tekton.dev/platforms"], ",") {
			if !platform.MatchString(strings.TrimSpace(name)) {
				t.Errorf("%s: platform %q", file, name)
			}
		}
		if first, _, _ := strings.Cut(description, "\n"); first == "" || !strings.HasSuffix(first, ".") {
			t.Errorf("%s: the description does not begin with a sentence on a line of its own", file)
		}
		if base := strings.TrimSuffix(path.Base(file), ".yaml"); base != meta.Name || path.Base(path.Dir(file)) != meta.Name {
			t.Errorf("%s: %s belongs into a file and a directory of its name", file, meta.Name)
		}
	}
	for _, object := range load(t, "tasks", "pipelines") {
		switch value := object.Value.(type) {
		case *pipelinev1.Task:
			check(object.File, value.ObjectMeta, value.Spec.Description)
		case *pipelinev1.Pipeline:
			check(object.File, value.ObjectMeta, value.Spec.Description)
		}
	}
	if len(versions) != 1 {
		t.Errorf("the bundle has several versions: %v", versions)
	}
}

// kebab is how params, results and workspaces are called, but for the results
// that Tekton Chains knows, and for the params that git-checkout shares with the
// catalog's git-clone.
var kebab = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func TestNamesAndDescriptions(t *testing.T) {
	t.Parallel()
	check := func(file, what, name, description string) {
		hint := name == "IMAGE_URL" || name == "IMAGE_DIGEST" || strings.HasPrefix(name, "CHAINS-GIT_") || strings.HasSuffix(name, "-ARTIFACT_OUTPUTS")
		if !kebab.MatchString(name) && !hint && !strings.HasPrefix(file, "tasks/git-checkout/") {
			t.Errorf("%s: %s %q is not in kebab-case", file, what, name)
		}
		if description == "" || strings.HasPrefix(description, " ") {
			t.Errorf("%s: %s %q has no description", file, what, name)
		}
	}
	for _, object := range load(t, "tasks", "pipelines") {
		switch value := object.Value.(type) {
		case *pipelinev1.Task:
			for _, p := range value.Spec.Params {
				check(object.File, "param", p.Name, p.Description)
			}
			for _, r := range value.Spec.Results {
				check(object.File, "result", r.Name, r.Description)
			}
			for _, w := range value.Spec.Workspaces {
				check(object.File, "workspace", w.Name, w.Description)
			}
		case *pipelinev1.Pipeline:
			for _, p := range value.Spec.Params {
				check(object.File, "param", p.Name, p.Description)
			}
			for _, r := range value.Spec.Results {
				check(object.File, "result", r.Name, r.Description)
			}
			for _, w := range value.Spec.Workspaces {
				check(object.File, "workspace", w.Name, w.Description)
			}
		}
	}
}

// TestFolders: a Task or a Pipeline has its folder, with a README and samples,
// and a Task a test that can be run by hand.
func TestFolders(t *testing.T) {
	t.Parallel()
	for _, object := range load(t, "tasks", "pipelines") {
		switch object.Value.(type) {
		case *pipelinev1.Task, *pipelinev1.Pipeline:
		default:
			continue
		}
		dir := filepath.Join(bundle.Root, filepath.Dir(object.File))
		if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
			t.Errorf("%s: %v", object.File, err)
		}
		wanted := []string{"samples/*.yaml"}
		if _, ok := object.Value.(*pipelinev1.Task); ok {
			wanted = append(wanted, "tests/run.yaml")
		}
		for _, pattern := range wanted {
			if found, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(found) == 0 {
				t.Errorf("%s: there is no %s (%v)", object.File, pattern, err)
			}
		}
	}
}
