package locate

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
)

// explainerSuffix ends the names of explainers, as the operator makes them.
const explainerSuffix = "-explainer"

// explainer is the address of a predictor's explainer; "": it has none.
func (f *Found) explainer(ctx context.Context, c *kube.Client, o Options, p seldon.Predictor) (string, error) {
	list, err := c.Dynamic.Resource(serviceResource).Namespace(o.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", step.Infraf("look for the explainer of predictor %s of SeldonDeployment %s/%s: %w", p.Name, o.Namespace, o.Name, err)
	}
	i := slices.IndexFunc(list.Items, func(s unstructured.Unstructured) bool { return explains(&s, o.Name, p) })
	if i < 0 {
		return "", nil
	}
	service := &list.Items[i]
	ports := servicePorts(service)
	if len(ports) == 0 {
		return "", step.Infraf("Service %s/%s has no ports", o.Namespace, service.GetName())
	}
	rest := max(slices.IndexFunc(ports, func(port servicePort) bool { return strings.HasPrefix(port.name, "http") }), 0)
	if !o.Forward {
		return net.JoinHostPort(service.GetName()+"."+o.Namespace+".svc", strconv.Itoa(ports[rest].number)), nil
	}
	to := Predictor{Name: p.Name + explainerSuffix}
	err = f.forward(ctx, c, o, service, ports, rest, -1, &to)
	return to.REST, err
}

// explains tells whether a Service is that of a predictor's explainer: its name, or
// the label that the operator selects the explainer's pods by, is the predictor's
// with an ending. Too long a name is another one, but the label is kept.
func explains(service *unstructured.Unstructured, deployment string, p seldon.Predictor) bool {
	labels := service.GetLabels()
	if id := labels["seldon-deployment-id"]; id != "" && id != deployment && !strings.HasPrefix(id, "seldon-") {
		return false
	}
	names := []string{service.GetName(), labels["seldon-app"]}
	if selector, _, err := unstructured.NestedString(service.Object, "spec", "selector", "seldon-app"); err == nil {
		names = append(names, selector)
	}
	return slices.Contains(names, p.Service+explainerSuffix) || slices.Contains(names, deployment+"-"+p.Name+explainerSuffix)
}
