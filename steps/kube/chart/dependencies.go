package chart

import (
	"context"
	"os"
	"path"
	"strings"

	helm "helm.sh/helm/v3/pkg/chart"

	"github.com/model-delivery/model-delivery/steps/step"
)

// maxDependencyDepth bounds charts that depend on charts.
const maxDependencyDepth = 5

// addDependencies fetches what the chart depends on and does not carry along,
// at the versions of its lock file where it has one.
func addDependencies(ctx context.Context, parent *helm.Chart, s Source, root *os.Root, depth int) error {
	if depth > maxDependencyDepth {
		return step.Invalidf("chart %s: its dependencies go more than %d deep", s, maxDependencyDepth)
	}
	carried := map[string]bool{}
	for _, child := range parent.Dependencies() {
		carried[child.Name()] = true
	}
	locked := map[string]string{}
	if parent.Lock != nil {
		for i, dependency := range parent.Lock.Dependencies {
			if dependency == nil { // Helm checks this in Chart.yaml alone
				return step.Invalidf("chart %s: dependency %d of its lock file is empty", s, i+1)
			}
			locked[dependency.Name] = dependency.Version
		}
	}
	for _, dependency := range parent.Metadata.Dependencies {
		if carried[dependency.Name] {
			continue
		}
		carried[dependency.Name] = true
		child, err := fetch(ctx, dependencySource(dependency, locked, s), root, depth+1)
		if err != nil {
			return step.WithHint(err, "chart "+s.String()+" depends on it; `helm dependency build` puts it into the chart's charts/ directory")
		}
		parent.AddDependency(child)
	}
	return nil
}

func dependencySource(dependency *helm.Dependency, locked map[string]string, parent Source) Source {
	out := Source{Name: dependency.Name, Version: dependency.Version}
	if version := locked[dependency.Name]; version != "" {
		out.Version = version
	}
	switch {
	case strings.HasPrefix(dependency.Repository, "oci://"):
		out.OCI = dependency.Repository
	case strings.HasPrefix(dependency.Repository, "file://") && parent.Path != "":
		out.Path = path.Join(parent.Path, strings.TrimPrefix(dependency.Repository, "file://"))
	default:
		out.Repository = dependency.Repository
	}
	return out
}
