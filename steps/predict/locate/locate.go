// Package locate finds the predictors of a SeldonDeployment in a cluster: it
// waits until the version that is wanted serves, takes each predictor's own
// Service, so that a canary does not answer for the other, and forwards a port
// to where the cluster's network does not reach.
package locate

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Options says which SeldonDeployment is looked for.
type Options struct {
	Namespace, Name string
	// Predictor is the only one wanted; "": all.
	Predictor string
	// Images are references that have to run, as NAME=REF or as REF.
	Images []string
	// ModelURIs have to be served, by unit, by each predictor but Except.
	ModelURIs map[string]string
	Except    string
	// Explain finds the predictors' explainers, too.
	Explain bool
	// Timeout bounds the wait.
	Timeout time.Duration
	// Forward reaches Services through the API server.
	Forward bool
	// Log gets lines of progress.
	Log func(format string, args ...any)
}

// Predictor is where one predictor is.
type Predictor struct {
	Name string
	// REST and GRPC are addresses, HOST:PORT; "": there is none.
	REST, GRPC string
	// Explainer is the address of its explainer; "": there is none, or it was not
	// looked for.
	Explainer string
	Images    map[string]string
	ModelURIs map[string]string
	Shadow    bool
	// Model is the name of its graph's first unit, which V2 and TensorFlow
	// call the model.
	Model string
}

// Found is a SeldonDeployment that serves what is wanted.
type Found struct {
	Protocol   string
	Predictors []Predictor
	forwards   []*forward
}

// Close ends the forwarding of ports.
func (f *Found) Close() {
	for _, each := range f.forwards {
		each.close()
	}
}

var (
	serviceResource = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	podResource     = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
)

// Find waits for the SeldonDeployment and returns its predictors.
func Find(ctx context.Context, c *kube.Client, o Options) (*Found, error) {
	if o.Namespace == "" {
		o.Namespace = c.Namespace
	}
	want := seldon.Want{Images: map[string]string{}, ModelURIs: o.ModelURIs, Timeout: o.Timeout, Progress: o.Log}
	want.Counts = func(predictor string) bool {
		return predictor != o.Except && (o.Predictor == "" || predictor == o.Predictor)
	}
	for _, image := range o.Images {
		if name, ref, ok := strings.Cut(image, "="); ok {
			want.Images[name] = ref
		} else {
			want.AnyImages = append(want.AnyImages, image)
		}
	}
	status, err := seldon.Wait(ctx, c, o.Namespace, o.Name, want)
	if err != nil {
		return nil, err
	}
	found := &Found{Protocol: status.Protocol}
	models := graphNames(ctx, c, o.Namespace, o.Name)
	for _, p := range status.Predictors {
		if o.Predictor != "" && p.Name != o.Predictor {
			continue
		}
		one, err := found.predictor(ctx, c, o, p)
		if err != nil {
			found.Close()
			return nil, err
		}
		one.Model = models[p.Name]
		if o.Explain {
			if one.Explainer, err = found.explainer(ctx, c, o, p); err != nil {
				found.Close()
				return nil, err
			}
		}
		found.Predictors = append(found.Predictors, one)
	}
	if len(found.Predictors) == 0 {
		names := []string{}
		for _, p := range status.Predictors {
			names = append(names, p.Name)
		}
		return nil, step.Invalidf("SeldonDeployment %s/%s has no predictor %q; it has %s", o.Namespace, o.Name, o.Predictor, strings.Join(names, ", "))
	}
	return found, nil
}

// graphNames are the names of the first units, by predictor.
func graphNames(ctx context.Context, c *kube.Client, namespace, name string) map[string]string {
	out := map[string]string{}
	resource := schema.GroupVersionResource{Group: seldon.Group, Version: seldon.Version, Resource: "seldondeployments"}
	obj, err := c.Dynamic.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return out
	}
	predictors, _, _ := unstructured.NestedSlice(obj.Object, "spec", "predictors")
	for _, item := range predictors {
		if p, ok := item.(map[string]any); ok {
			unit, _, _ := unstructured.NestedString(p, "graph", "name")
			predictor, _, _ := unstructured.NestedString(p, "name")
			out[predictor] = unit
		}
	}
	return out
}

// predictor finds the addresses of one predictor's own Service.
func (f *Found) predictor(ctx context.Context, c *kube.Client, o Options, p seldon.Predictor) (Predictor, error) {
	out := Predictor{Name: p.Name, Images: p.Images, ModelURIs: p.ModelURIs, Shadow: p.Shadow}
	if p.Service == "" {
		return out, step.Infraf("the operator reports no Service for predictor %s of SeldonDeployment %s/%s", p.Name, o.Namespace, o.Name)
	}
	service, err := c.Dynamic.Resource(serviceResource).Namespace(o.Namespace).Get(ctx, p.Service, metav1.GetOptions{})
	if err != nil {
		return out, step.Infraf("look at Service %s/%s of predictor %s: %w", o.Namespace, p.Service, p.Name, err)
	}
	ports := servicePorts(service)
	if len(ports) == 0 {
		return out, step.Infraf("Service %s/%s has no ports", o.Namespace, p.Service)
	}
	host := p.Service + "." + o.Namespace + ".svc"
	out.REST = net.JoinHostPort(host, strconv.Itoa(ports[0].number))
	grpc := slices.IndexFunc(ports, func(port servicePort) bool { return strings.Contains(port.name, "grpc") })
	if grpc >= 0 {
		out.GRPC = net.JoinHostPort(host, strconv.Itoa(ports[grpc].number))
	}
	rest := slices.IndexFunc(ports, func(port servicePort) bool { return strings.HasPrefix(port.name, "http") })
	if rest >= 0 {
		out.REST = net.JoinHostPort(host, strconv.Itoa(ports[rest].number))
	}
	if !o.Forward {
		return out, nil
	}
	return out, f.forward(ctx, c, o, service, ports, max(rest, 0), grpc, &out)
}

// forward replaces the addresses by local ones that lead to a pod.
func (f *Found) forward(ctx context.Context, c *kube.Client, o Options, service *unstructured.Unstructured, ports []servicePort, rest, grpc int, out *Predictor) error {
	pod, err := readyPod(ctx, c, o.Namespace, service)
	if err != nil {
		return err
	}
	wanted := []int{podPort(pod, ports[rest])}
	if grpc >= 0 && grpc != rest {
		wanted = append(wanted, podPort(pod, ports[grpc]))
	}
	each, err := start(ctx, c.Config, o.Namespace, pod.GetName(), wanted)
	if err != nil {
		return step.Infraf("forward a port to pod %s/%s: %w", o.Namespace, pod.GetName(), err)
	}
	f.forwards = append(f.forwards, each)
	out.REST, out.GRPC = each.addresses[0], ""
	if len(wanted) > 1 {
		out.GRPC = each.addresses[1]
	} else if grpc == rest {
		out.GRPC = out.REST
	}
	o.Log("predictor %s: port %d of pod %s is forwarded to %s", out.Name, wanted[0], pod.GetName(), out.REST)
	return nil
}
