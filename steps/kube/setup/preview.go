package setup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Previewed is what a plan would install.
type Previewed struct {
	Lines  []string // one an entry
	Images []string // that its pods want, sorted
}

// servedImages are variables by which operators are told of images that the
// pods they make will want.
var servedImages = []string{"EXECUTOR_CONTAINER_IMAGE_AND_VERSION"}

// Preview makes the objects of a plan without a cluster and says what would be
// installed.
func Preview(ctx context.Context, plan *Plan, progress func(string, ...any)) (Previewed, error) {
	sources, err := fetchAll(ctx, plan, progress)
	if err != nil {
		return Previewed{}, err
	}
	var p Previewed
	images := map[string]bool{}
	for i, s := range sources {
		release, err := s.render(nil)
		if err != nil {
			return Previewed{}, err
		}
		counts := map[string]int{}
		for _, obj := range append(slices.Clone(release.CRDs), release.Objects...) {
			counts[obj.GetKind()]++
			if obj.GetKind() != "CustomResourceDefinition" {
				collectImages(obj.Object, images)
			}
		}
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(counts)) {
			kinds = append(kinds, fmt.Sprintf("%d %s", counts[kind], kind))
		}
		line := fmt.Sprintf("%s in namespace %s: %s", plan.Entries[i].Name, plan.Entries[i].Namespace, strings.Join(kinds, ", "))
		if len(plan.Entries[i].Needs) > 0 {
			line += "; needs " + strings.Join(plan.Entries[i].Needs, ", ")
		}
		p.Lines = append(p.Lines, line)
	}
	p.Images = slices.Sorted(maps.Keys(images))
	return p, nil
}

// collectImages finds the images of the pod templates in an object.
func collectImages(value any, into map[string]bool) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			collectImages(item, into)
		}
	case map[string]any:
		for _, key := range []string{"initContainers", "containers"} {
			containers, _ := value[key].([]any)
			for _, container := range containers {
				if fields, ok := container.(map[string]any); ok {
					collectContainer(fields, into)
				}
			}
		}
		for _, child := range value {
			collectImages(child, into)
		}
	}
}

func collectContainer(container map[string]any, into map[string]bool) {
	if image, ok := container["image"].(string); ok && image != "" {
		into[image] = true
	}
	env, _ := container["env"].([]any)
	for _, variable := range env {
		fields, _ := variable.(map[string]any)
		name, _ := fields["name"].(string)
		image, _ := fields["value"].(string)
		if image != "" && slices.Contains(servedImages, name) {
			into[image] = true
		}
	}
}
