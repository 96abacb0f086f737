package kind

import (
	"net/netip"
	"os"

	"github.com/model-delivery/model-delivery/steps/step"
)

// checkInputs finds what is wrong with the options before anything is fetched or
// made for them.
func (o *Options) checkInputs() error {
	for _, path := range []string{o.Kubeconfig, o.EarlyKubeconfig} {
		if path == "" {
			continue
		}
		if _, err := loadKubeconfig(path); err != nil {
			return err
		}
	}
	if _, err := parseSubnets(o.OuterSubnets); err != nil {
		return err
	}
	for _, path := range o.Images.Archives {
		if err := checkArchive(path); err != nil {
			return err
		}
	}
	return checkMirrors(o.Mirrors)
}

func parseSubnets(texts []string) ([]netip.Prefix, error) {
	var subnets []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, step.Invalidf("outer subnet %q: %w", text, err)
		}
		subnets = append(subnets, prefix.Masked())
	}
	return subnets, nil
}

func checkArchive(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return step.Invalidf("image archive: %w", err)
	}
	if !info.Mode().IsRegular() {
		return step.Invalidf("image archive %s is not a file", path)
	}
	return nil
}

// checkMirrors refuses two mirrors of one registry: a node knows one.
func checkMirrors(mirrors []Mirror) error {
	known := map[string]string{}
	for _, mirror := range mirrors {
		if first, twice := known[mirror.Registry]; twice && first != mirror.Endpoint {
			return step.WithHint(step.Invalidf("registry %s has two mirrors, %s and %s", mirror.Registry, first, mirror.Endpoint),
				"name one of them with --registry-mirror")
		}
		known[mirror.Registry] = mirror.Endpoint
	}
	return nil
}
