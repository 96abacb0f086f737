package seldon

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group, Kind and Version of SeldonDeployments. All versions share one schema.
const (
	Group   = "machinelearning.seldon.io"
	Kind    = "SeldonDeployment"
	Version = "v1"
)

// Versions are the API versions that are understood.
var versions = []string{"v1", "v1alpha3", "v1alpha2"}

// GroupVersionKind is what SeldonDeployments are read as.
func GroupVersionKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: Group, Version: Version, Kind: Kind}
}

// Is tells whether obj is a SeldonDeployment, of whichever version.
func Is(obj *unstructured.Unstructured) bool {
	gvk := obj.GroupVersionKind()
	return gvk.Group == Group && gvk.Kind == Kind
}

// Annotations and labels of the operator.
const (
	labelDeployment    = "seldon-deployment-id"
	labelOrchestrator  = "seldon-deployment-contains-svcorch"
	labelExplainer     = "seldon.io/explainer"
	labelVersion       = "version"
	annotationSvcName  = "seldon.io/svc-name"
	annotationNoLoader = "seldon.io/no-storage-initializer"
	initializerSuffix  = "-model-initializer"
)

// deployment is the part of a SeldonDeployment that matters here.
type deployment struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		Annotations map[string]string `json:"annotations"`
		Protocol    string            `json:"protocol"`
		Replicas    *int64            `json:"replicas"`
		Predictors  []predictor       `json:"predictors"`
	} `json:"spec"`
	Status struct {
		State            string                     `json:"state"`
		Description      string                     `json:"description"`
		DeploymentStatus map[string]map[string]any  `json:"deploymentStatus"`
		ServiceStatus    map[string]serviceEndpoint `json:"serviceStatus"`
		Address          struct {
			URL string `json:"url"`
		} `json:"address"`
	} `json:"status"`
}

type metadata struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	UID               string            `json:"uid"`
	Generation        int64             `json:"generation"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
	DeletionTimestamp string            `json:"deletionTimestamp"`
}

type serviceEndpoint struct {
	SvcName      string `json:"svcName"`
	HTTPEndpoint string `json:"httpEndpoint"`
	GRPCEndpoint string `json:"grpcEndpoint"`
	ExplainerFor string `json:"explainerFor"`
}

type predictor struct {
	Name           string            `json:"name"`
	Annotations    map[string]string `json:"annotations"`
	Labels         map[string]string `json:"labels"`
	Replicas       *int64            `json:"replicas"`
	Traffic        int64             `json:"traffic"`
	Shadow         bool              `json:"shadow"`
	Graph          unit              `json:"graph"`
	ComponentSpecs []componentSpec   `json:"componentSpecs"`
}

type componentSpec struct {
	Replicas *int64         `json:"replicas"`
	HpaSpec  map[string]any `json:"hpaSpec"`
	KedaSpec map[string]any `json:"kedaSpec"`
	Spec     podSpec        `json:"spec"`
}

// unit is a node of a predictor's graph.
type unit struct {
	Name           string `json:"name"`
	Implementation string `json:"implementation"`
	ModelURI       string `json:"modelUri"`
	Children       []unit `json:"children"`
}

// walk visits a unit and those below it.
func (u unit) walk(visit func(unit)) {
	visit(u)
	for _, child := range u.Children {
		child.walk(visit)
	}
}

type podSpec struct {
	InitContainers []container `json:"initContainers"`
	Containers     []container `json:"containers"`
}

type container struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Command []string `json:"command"`
	Args    []string `json:"args"`
	Env     []struct {
		Name      string         `json:"name"`
		Value     string         `json:"value"`
		ValueFrom map[string]any `json:"valueFrom"`
	} `json:"env"`
	Resources map[string]map[string]any `json:"resources"`
}

// workload is the part of a Deployment that matters here.
type workload struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		Replicas *int64 `json:"replicas"`
		Template struct {
			Spec podSpec `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64       `json:"observedGeneration"`
		Replicas           int64       `json:"replicas"`
		UpdatedReplicas    int64       `json:"updatedReplicas"`
		AvailableReplicas  int64       `json:"availableReplicas"`
		Conditions         []condition `json:"conditions"`
	} `json:"status"`
}

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// replicas is how many pods the Deployment wants.
func (w workload) replicas() int64 {
	if w.Spec.Replicas == nil {
		return 1
	}
	return *w.Spec.Replicas
}

// container returns the container of that name, nil when there is none.
func (p podSpec) container(name string) *container {
	for i := range p.Containers {
		if p.Containers[i].Name == name {
			return &p.Containers[i]
		}
	}
	return nil
}

// wantedReplicas is how many pods one of a predictor's pod specs asks for;
// false when an autoscaler decides, or nobody asks.
func (d *deployment) wantedReplicas(p predictor, c componentSpec) (int64, bool) {
	if c.HpaSpec != nil || c.KedaSpec != nil {
		return 0, false
	}
	asked := cmp.Or(c.Replicas, p.Replicas, d.Spec.Replicas)
	if asked == nil {
		return 0, false
	}
	return *asked, true
}

// parse reads obj into the part that matters here; unknown fields are ignored.
func parse[T any](obj *unstructured.Unstructured) (*T, error) {
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, out); err != nil {
		return nil, fmt.Errorf("%s %s/%s is not understood: %w", obj.GetKind(), obj.GetNamespace(), obj.GetName(), err)
	}
	return out, nil
}
