package seldon

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Want says which version of a SeldonDeployment has to serve. The zero value
// waits for whatever the cluster's SeldonDeployment asks for.
type Want struct {
	// Generation is the least metadata.generation that counts, such as the one
	// that applying returned. Zero: any.
	Generation int64
	// Images must be what the named containers run.
	Images map[string]string
	// AnyImages must each be run by some container.
	AnyImages []string
	// ModelURIs must be served by the named units, in every predictor that has
	// such a unit and counts, and in one at least.
	ModelURIs map[string]string
	// Counts tells which predictors ModelURIs are looked for in. Nil: all.
	Counts func(predictor string) bool
	// Stable is how long everything has to stay ready. Zero: half a second for
	// a new SeldonDeployment, two seconds for an updated one.
	Stable time.Duration
	// Timeout bounds the wait. Zero: five minutes.
	Timeout time.Duration
	// Patience is how long a trouble that hardly heals (an image that cannot be
	// pulled, a container that keeps ending, an error of the operator) is
	// watched before the wait is given up. Zero: 45 seconds.
	Patience time.Duration
	// Progress gets a line when the stage changes and every ten seconds. May be nil.
	Progress func(format string, args ...any)
}

// missing says what a SeldonDeployment's own spec lacks of what is wanted.
func (w Want) missing(d *deployment) string {
	if d.Metadata.DeletionTimestamp != "" {
		return "is being deleted"
	}
	if d.Metadata.Generation < w.Generation {
		return fmt.Sprintf("has generation %d, %d is waited for", d.Metadata.Generation, w.Generation)
	}
	has := map[string][]string{}
	var all []string
	for _, p := range d.Spec.Predictors {
		for _, c := range p.ComponentSpecs {
			for _, container := range c.Spec.Containers {
				has[container.Name] = append(has[container.Name], container.Image)
				all = append(all, container.Image)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Images)) {
		if !slices.ContainsFunc(has[name], func(image string) bool { return SameImage(w.Images[name], image) }) {
			return fmt.Sprintf("asks for image %s in container %s, %s is waited for", list(has[name]), name, shortImage(w.Images[name]))
		}
	}
	for _, image := range w.AnyImages {
		if !slices.ContainsFunc(all, func(other string) bool { return SameImage(image, other) }) {
			return fmt.Sprintf("asks for image %s, %s is waited for", list(all), shortImage(image))
		}
	}
	return w.missingModel(d)
}

// missingModel says which model a SeldonDeployment does not ask for.
func (w Want) missingModel(d *deployment) string {
	served := map[string][]string{}
	for _, p := range d.Spec.Predictors {
		if w.Counts != nil && !w.Counts(p.Name) {
			continue
		}
		p.Graph.walk(func(u unit) { served[u.Name] = append(served[u.Name], u.ModelURI) })
	}
	for _, unit := range slices.Sorted(maps.Keys(w.ModelURIs)) {
		uri := w.ModelURIs[unit]
		if len(served[unit]) == 0 {
			return fmt.Sprintf("has no unit %s, which has to serve %s", unit, uri)
		}
		if slices.ContainsFunc(served[unit], func(other string) bool { return other != uri }) {
			return fmt.Sprintf("asks unit %s for model %s, %s is waited for", unit, list(served[unit]), uri)
		}
	}
	return ""
}

// Status describes a SeldonDeployment that serves what it was asked to.
type Status struct {
	Name, Namespace string
	Generation      int64
	URL             string   // the address that the operator reports, of the first predictor
	Protocol        string   // seldon, v2, kfserving or tensorflow
	Deployments     []string // names of its Deployments
	Predictors      []Predictor
}

// Predictor is one predictor of a SeldonDeployment.
type Predictor struct {
	Name         string
	Service      string // its own Service; "" when the operator does not report it
	HTTPEndpoint string // HOST:PORT within the cluster
	GRPCEndpoint string
	Traffic      int64 // percent
	Shadow       bool
	Images       map[string]string // by container
	ModelURIs    map[string]string // by unit
}

func (d *deployment) summary(workloads []string, c claim) *Status {
	status := &Status{
		Name: d.Metadata.Name, Namespace: d.Metadata.Namespace, Generation: d.Metadata.Generation,
		URL: d.Status.Address.URL, Protocol: d.Spec.Protocol, Deployments: workloads,
	}
	if status.Protocol == "" {
		status.Protocol = "seldon"
	}
	for _, p := range d.Spec.Predictors {
		service := d.service(p)
		reported := d.Status.ServiceStatus[service]
		out := Predictor{
			Name: p.Name, Service: service, HTTPEndpoint: reported.HTTPEndpoint, GRPCEndpoint: reported.GRPCEndpoint,
			Traffic: p.Traffic, Shadow: p.Shadow, Images: c.images[p.Name], ModelURIs: map[string]string{},
		}
		p.Graph.walk(func(u unit) {
			if u.ModelURI != "" {
				out.ModelURIs[u.Name] = u.ModelURI
			}
		})
		status.Predictors = append(status.Predictors, out)
	}
	return status
}
