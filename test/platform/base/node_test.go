package base

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// module is a required module's version and directory.
func module(t *testing.T, path string) (version, dir string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	version, dir, _ = strings.Cut(strings.TrimSpace(string(out)), " ")
	return version, dir
}

// TestVersionsAgree: what tests decode and validate is of the version that the
// platform installs.
func TestVersionsAgree(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"sigs.k8s.io/kind": versions.Kind, "github.com/tektoncd/pipeline": versions.Pipelines, "github.com/tektoncd/triggers": versions.Triggers,
	} {
		if got, _ := module(t, path); got != want {
			t.Errorf("%s is %s in go.mod, and the platform installs %s", path, got, want)
		}
	}
	if strings.TrimPrefix(versions.KubernetesStaging, "v0.") != strings.TrimPrefix(versions.Kubernetes, "v1.") {
		t.Errorf("Kubernetes %s does not go with its modules %s", versions.Kubernetes, versions.KubernetesStaging)
	}
}

// TestContainerdConfig: kind's own settings can be changed, and stay what
// containerd can read.
func TestContainerdConfig(t *testing.T) {
	t.Parallel()
	_, dir := module(t, "sigs.k8s.io/kind")
	published, err := os.ReadFile(filepath.Join(dir, "images", "base", "files", "etc", "containerd", "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := containerdConfig(string(published))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := toml.LoadBytes(config)
	if err != nil {
		t.Fatalf("containerd could not read it: %v\n%s", err, config)
	}
	plugin := []string{"plugins", "io.containerd.grpc.v1.cri"}
	for key, want := range map[string]any{"sandbox_image": pauseImageName, "restrict_oom_score_adj": true} {
		if got := tree.GetPath(append(slices.Clone(plugin), key)); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if got := tree.GetPath(append(slices.Clone(plugin), "registry", "config_path")); got != "/etc/containerd/certs.d" {
		t.Errorf("registries are in %v", got)
	}
	if _, err := containerdConfig("version = 3\n"); err == nil {
		t.Error("settings that have changed beyond recognition are taken")
	}
}

func TestStagingReplaces(t *testing.T) {
	t.Parallel()
	goMod := filepath.Join(t.TempDir(), "go.mod")
	write(t, filepath.Dir(goMod), map[string]string{"go.mod": `module k8s.io/kubernetes
require k8s.io/api v0.0.0
replace (
	k8s.io/client-go => ./staging/src/k8s.io/client-go
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/api => ./staging/src/k8s.io/api
	example.org/x => example.org/y v1.0.0
)
`})
	got, err := stagingReplaces(goMod)
	want := []string{"k8s.io/api => k8s.io/api " + versions.KubernetesStaging, "k8s.io/client-go => k8s.io/client-go " + versions.KubernetesStaging}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("stagingReplaces() = %q, %v; want %q", got, err, want)
	}
	if _, err := stagingReplaces(goMod + ".none"); err == nil {
		t.Error("a go.mod that is not there has replacements")
	}
}

func TestCorednsMain(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "main.go", corednsMain(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var imports []string
	for _, spec := range file.Imports {
		imports = append(imports, strings.Trim(spec.Path.Value, `"`))
	}
	for _, want := range []string{"core/dnsserver", "coremain", "plugin/kubernetes", "plugin/metrics", "plugin/forward"} {
		if !slices.Contains(imports, "github.com/coredns/coredns/"+want) {
			t.Errorf("it does not import %s", want)
		}
	}
	if !strings.Contains(corednsMain(), `"prometheus"`) || strings.Contains(corednsMain(), `"metrics"`) {
		t.Error("the plugin metrics has the directive prometheus")
	}
}

// TestNodeManifests: what kind applies to a new cluster is what Kubernetes takes,
// and the agent may do what it does and no more.
func TestNodeManifests(t *testing.T) {
	t.Parallel()
	head, rest, _ := strings.Cut(cniManifest, "\n---\n")
	if !strings.Contains(head, "would you kindly patch this file") {
		t.Errorf("kind does not know that it is to patch the manifest: %q", head)
	}
	var (
		account corev1.ServiceAccount
		role    rbacv1.ClusterRole
		binding rbacv1.ClusterRoleBinding
		daemons appsv1.DaemonSet
		class   storagev1.StorageClass
	)
	documents := append(strings.Split(rest, "\n---\n"), storageManifest)
	into := []any{&account, &role, &binding, &daemons, &class}
	if len(documents) != len(into) {
		t.Fatalf("there are %d manifests, want %d", len(documents), len(into))
	}
	for i, document := range documents {
		if err := yaml.UnmarshalStrict([]byte(document), into[i]); err != nil {
			t.Errorf("manifest %d: %v", i, err)
		}
	}
	pod := daemons.Spec.Template.Spec
	if pod.ServiceAccountName != account.Name || binding.Subjects[0].Name != account.Name || binding.RoleRef.Name != role.Name {
		t.Error("the agent does not run with the rights that are given to it")
	}
	for _, rule := range role.Rules {
		if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.Resources, "*") || slices.Contains(rule.Resources, "secrets") {
			t.Errorf("the agent may %v %v", rule.Verbs, rule.Resources)
		}
	}
	if !pod.HostNetwork || pod.Containers[0].ImagePullPolicy != corev1.PullNever || pod.Containers[0].Image != nodeagentImageName {
		t.Errorf("the agent needs a network or an image that a new node does not have: %+v", pod.Containers[0])
	}
	if class.Annotations["storageclass.kubernetes.io/is-default-class"] != "true" || *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
		t.Errorf("the storage class is %+v", class)
	}
	agent, err := os.ReadFile(filepath.Join("nodeagent", "storage.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{class.Name, class.Provisioner} {
		if !strings.Contains(string(agent), `"`+name+`"`) {
			t.Errorf("the agent knows nothing of %s", name)
		}
	}
}

// TestClusterConfig: kind reads it, nothing of it listens beyond this machine,
// and nodes know the registry.
func TestClusterConfig(t *testing.T) {
	t.Parallel()
	env := &local.Env{State: &local.State{StateDir: t.TempDir(), Registry: "172.30.0.1:5000"}}
	data, err := clusterConfig(env)
	if err != nil {
		t.Fatal(err)
	}
	var config v1alpha4.Cluster
	if err := yaml.UnmarshalStrict(data, &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Nodes) != 1 || len(config.Nodes[0].ExtraPortMappings) != 2 || len(config.Nodes[0].ExtraMounts) != 1 {
		t.Fatalf("the cluster is %+v", config)
	}
	for _, port := range config.Nodes[0].ExtraPortMappings {
		if port.ListenAddress != "127.0.0.1" {
			t.Errorf("port %d listens on %q", port.HostPort, port.ListenAddress)
		}
	}
	mount := config.Nodes[0].ExtraMounts[0]
	hosts, err := toml.LoadFile(filepath.Join(mount.HostPath, env.State.Registry, "hosts.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if hosts.GetPath([]string{"host", "http://172.30.0.1:5000", "capabilities"}) == nil || !mount.Readonly {
		t.Errorf("nodes get %v of %+v", hosts, mount)
	}
}

// TestSourcesOf: what goes into images is there, and its tests stay out.
func TestSourcesOf(t *testing.T) {
	t.Parallel()
	files, err := sourcesOf("pause", "nodeagent")
	if err != nil {
		t.Fatal(err)
	}
	for _, directory := range []string{"pause", "nodeagent"} {
		entries, err := os.ReadDir(directory)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			name := directory + "/" + entry.Name()
			if _, ok := files[name]; ok == strings.HasSuffix(name, "_test.go") {
				t.Errorf("%s: embedded %t", name, ok)
			}
		}
	}
	if _, err := sourcesOf("nothing"); err == nil {
		t.Error("a directory that is not embedded has sources")
	}
}
