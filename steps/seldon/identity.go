package seldon

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// claim pairs each part of a SeldonDeployment with the Deployment that serves
// it, and says what is amiss: a part that no Deployment carries yet, or a
// Deployment that no part asks for any more.
type claim struct {
	missing []string // parts not carried yet, and why
	surplus []string // names of Deployments nobody asks for
	images  map[string]map[string]string
}

// claimed matches the SeldonDeployment with its Deployments. This stands in for
// the observed generation that the operator never writes: as long as a live pod
// template does not carry what is asked, an older version is what runs.
func (d *deployment) claimed(workloads []*workload) claim {
	c := claim{images: map[string]map[string]string{}}
	taken := map[string]bool{}
	for _, p := range d.Spec.Predictors {
		c.images[p.Name] = map[string]string{}
		for _, spec := range p.ComponentSpecs {
			if len(spec.Spec.Containers) == 0 {
				continue
			}
			w, reason := d.find(p, spec, workloads, taken)
			if w == nil {
				c.missing = append(c.missing, fmt.Sprintf("predictor %s: %s", p.Name, reason))
				continue
			}
			taken[w.Metadata.Name] = true
			for _, asked := range spec.Spec.Containers {
				c.images[p.Name][asked.Name] = w.Spec.Template.Spec.container(asked.Name).Image
			}
		}
		p.Graph.walk(func(u unit) {
			if u.Implementation == "" && u.ModelURI == "" {
				return
			}
			w, reason := findUnit(p, u, workloads)
			if w == nil {
				c.missing = append(c.missing, fmt.Sprintf("predictor %s: %s", p.Name, reason))
				return
			}
			taken[w.Metadata.Name] = true
			if live := w.Spec.Template.Spec.container(u.Name); live != nil {
				c.images[p.Name][u.Name] = live.Image
			}
		})
	}
	for _, w := range workloads {
		labels := w.Metadata.Labels
		if !taken[w.Metadata.Name] && labels[labelOrchestrator] == "" && labels[labelExplainer] == "" && !strings.HasSuffix(w.Metadata.Name, "-explainer") {
			c.surplus = append(c.surplus, w.Metadata.Name)
		}
	}
	return c
}

// ofPredictor keeps the Deployments that belong to a predictor: by the label
// that the operator gives them, or all where none has it.
func ofPredictor(p predictor, workloads []*workload) []*workload {
	version := p.Labels[labelVersion]
	if version == "" {
		version = p.Name
	}
	var mine []*workload
	for _, w := range workloads {
		if w.Metadata.Labels[labelVersion] == version {
			mine = append(mine, w)
		}
	}
	if len(mine) == 0 {
		return workloads
	}
	return mine
}

// find returns the Deployment that carries one of a predictor's pod specs, or
// why there is none.
func (d *deployment) find(p predictor, spec componentSpec, workloads []*workload, taken map[string]bool) (*workload, string) {
	names := make([]string, len(spec.Spec.Containers))
	for i, asked := range spec.Spec.Containers {
		names[i] = asked.Name
	}
	reason := "no Deployment has container " + strings.Join(names, " and ") + " yet"
	for _, w := range ofPredictor(p, workloads) {
		if taken[w.Metadata.Name] {
			continue
		}
		live := w.Spec.Template.Spec
		if slices.ContainsFunc(names, func(name string) bool { return live.container(name) == nil }) {
			continue
		}
		difference := ""
		for _, asked := range spec.Spec.Containers {
			if difference = differs(asked, *live.container(asked.Name)); difference != "" {
				break
			}
		}
		if replicas, asked := d.wantedReplicas(p, spec); difference == "" && asked && replicas != w.replicas() {
			difference = fmt.Sprintf("has %d replicas, %d asked", w.replicas(), replicas)
		}
		if difference == "" {
			return w, ""
		}
		reason = "Deployment " + w.Metadata.Name + " still " + difference
	}
	return nil, reason
}

// findUnit returns the Deployment that serves a unit of the graph from a model
// URI, or why there is none. Only the loader's arguments tell which model it is.
func findUnit(p predictor, u unit, workloads []*workload) (*workload, string) {
	reason := "no Deployment serves unit " + u.Name + " yet"
	for _, w := range ofPredictor(p, workloads) {
		live := w.Spec.Template.Spec
		if live.container(u.Name) == nil {
			continue
		}
		if u.ModelURI == "" || p.Annotations[annotationNoLoader] == "true" {
			return w, ""
		}
		loads := ""
		for _, init := range live.InitContainers {
			if strings.HasPrefix(u.Name+initializerSuffix, init.Name) && len(init.Args) > 0 {
				loads = init.Args[0]
			}
		}
		switch {
		case loads == u.ModelURI, u.Implementation == "" && loads == "":
			return w, ""
		case strings.HasPrefix(u.ModelURI, "pvc://") && loads != "":
			_, path, _ := strings.Cut(strings.TrimPrefix(u.ModelURI, "pvc://"), "/")
			if strings.HasSuffix(loads, "/"+path) {
				return w, ""
			}
		}
		reason = fmt.Sprintf("Deployment %s still loads %q, asked %q", w.Metadata.Name, loads, u.ModelURI)
	}
	return nil, reason
}

// differs says in which of the fields that the operator copies as they are a
// live container is not the one that was asked for; "" when it is.
func differs(asked, live container) string {
	if asked.Image != "" && !SameImage(asked.Image, live.Image) {
		return fmt.Sprintf("has image %s in container %s, asked %s", shortImage(live.Image), asked.Name, shortImage(asked.Image))
	}
	if len(asked.Command) > 0 && !slices.Equal(asked.Command, live.Command) {
		return "has another command in container " + asked.Name
	}
	if len(asked.Args) > 0 && !slices.Equal(asked.Args, live.Args) {
		return "has other arguments in container " + asked.Name
	}
	values := map[string]string{}
	for _, env := range live.Env {
		values[env.Name] = env.Value
	}
	for _, env := range asked.Env {
		if value, ok := values[env.Name]; env.ValueFrom == nil && (!ok || value != env.Value) {
			return fmt.Sprintf("lacks the asked value of %s in container %s", env.Name, asked.Name)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(asked.Resources)) {
		for _, name := range slices.Sorted(maps.Keys(asked.Resources[kind])) {
			if !sameQuantity(asked.Resources[kind][name], live.Resources[kind][name]) {
				return fmt.Sprintf("has %s %s of %v in container %s, asked %v", name, kind, live.Resources[kind][name], asked.Name, asked.Resources[kind][name])
			}
		}
	}
	return ""
}

// sameQuantity compares amounts as the cluster does: 1 is 1000m.
func sameQuantity(a, b any) bool {
	if b == nil {
		return false
	}
	x, errX := resource.ParseQuantity(fmt.Sprint(a))
	y, errY := resource.ParseQuantity(fmt.Sprint(b))
	return errX == nil && errY == nil && x.Cmp(y) == 0
}
