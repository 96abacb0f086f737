package model

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/step"
)

const (
	maxManifestBytes = 1 << 20
	maxManifestFiles = 200
)

// Deployment is what a model's manifests deploy.
type Deployment struct {
	Name      string // of the SeldonDeployment
	Container string // that runs the model
	Image     string // of that container
}

// seldonDeployment is the part of the custom resource that names images.
type seldonDeployment struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		Predictors []struct {
			Graph struct {
				Name string `yaml:"name"`
			} `yaml:"graph"`
			ComponentSpecs []struct {
				Spec struct {
					Containers []container `yaml:"containers"`
				} `yaml:"spec"`
			} `yaml:"componentSpecs"`
		} `yaml:"predictors"`
	} `yaml:"spec"`
}

type container struct {
	Name  string `yaml:"name"`
	Image string `yaml:"image"`
}

// FindDeployment reads the manifests (*.yaml, *.yml, *.json) in dir and
// returns the one SeldonDeployment in them. Of several containers the model's
// is the one whose image is called like the model, else the one that the graph
// starts with.
func FindDeployment(dir, model string) (Deployment, error) {
	var found []seldonDeployment
	files := 0
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		ext := filepath.Ext(file)
		if !entry.Type().IsRegular() || !slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			return nil
		}
		if files++; files > maxManifestFiles {
			return fmt.Errorf("there are more than %d manifests", maxManifestFiles)
		}
		docs, err := decode(file)
		found = append(found, docs...)
		return err
	})
	switch {
	case err != nil:
		return Deployment{}, step.Invalidf("read the manifests in %s: %w", dir, err)
	case len(found) == 0:
		return Deployment{}, step.Invalidf("read the manifests in %s: there is no SeldonDeployment", dir)
	case len(found) > 1:
		return Deployment{}, step.Invalidf("read the manifests in %s: there are %d SeldonDeployments, %s and %s among them",
			dir, len(found), found[0].Metadata.Name, found[1].Metadata.Name)
	}
	return found[0].deployment(ReleaseName(model)), nil
}

func decode(file string) ([]seldonDeployment, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxManifestBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", file, maxManifestBytes)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var found []seldonDeployment
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		if err := dec.Decode(&node); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		var kind struct {
			Kind string `yaml:"kind"`
		}
		if node.Decode(&kind) != nil || kind.Kind != "SeldonDeployment" {
			continue
		}
		var doc seldonDeployment
		if err := node.Decode(&doc); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if doc.Metadata.Name == "" {
			return nil, fmt.Errorf("%s: the SeldonDeployment has no name", file)
		}
		found = append(found, doc)
	}
}

func (s seldonDeployment) deployment(model string) Deployment {
	d := Deployment{Name: s.Metadata.Name}
	best := 0
	for _, predictor := range s.Spec.Predictors {
		for _, component := range predictor.ComponentSpecs {
			for _, c := range component.Spec.Containers {
				rank := 1
				switch {
				case path.Base(repositoryOf(c.Image)) == model:
					rank = 3
				case c.Name == predictor.Graph.Name:
					rank = 2
				}
				if rank > best {
					best, d.Container, d.Image = rank, c.Name, c.Image
				}
			}
		}
	}
	return d
}

// repositoryOf is an image reference without tag and digest.
func repositoryOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		image = image[:i]
	}
	return image
}
