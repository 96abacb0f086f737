package model

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Release names one version of a model, as one string that a Tekton result
// can carry from Task to Task:
//
//	news_classifier=registry/news-classifier:v1@sha256:…;deployment=news-classifier;source=COMMIT;commit=COMMIT
type Release struct {
	Model      string // the model's name: its directory, or what it is released as
	Image      string // reference with digest
	Deployment string // name of its SeldonDeployment; may be empty
	Source     string // commit of the models repository it was built from; may be empty
	Commit     string // commit of the GitOps repository that promoted it; may be empty
}

var (
	commitRule     = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
	deploymentRule = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	imageRule      = regexp.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9._:/]*@sha256:[0-9a-f]{64}$`)
)

// String is the form that [ParseRelease] reads.
func (r Release) String() string {
	text := r.Model + "=" + r.Image
	for _, field := range []struct{ key, value string }{{"deployment", r.Deployment}, {"source", r.Source}, {"commit", r.Commit}} {
		if field.value != "" {
			text += ";" + field.key + "=" + field.value
		}
	}
	return text
}

// Digest is the image's digest, sha256:….
func (r Release) Digest() string {
	_, digest, _ := strings.Cut(r.Image, "@")
	return digest
}

// ParseRelease reads a release.
func ParseRelease(text string) (Release, error) {
	first, rest, _ := strings.Cut(text, ";")
	name, image, ok := strings.Cut(first, "=")
	if !ok {
		return Release{}, releaseError(text, "there is no = after the model's name")
	}
	r := Release{Model: name, Image: image}
	if err := CheckName(name); err != nil {
		return Release{}, fmt.Errorf("read release %q: %w", text, err)
	}
	if !imageRule.MatchString(image) {
		return Release{}, releaseError(text, "the image is no reference with a sha256 digest")
	}
	for rest != "" {
		var field string
		field, rest, _ = strings.Cut(rest, ";")
		key, value, _ := strings.Cut(field, "=")
		rule, target := commitRule, (*string)(nil)
		switch key {
		case "deployment":
			rule, target = deploymentRule, &r.Deployment
		case "source":
			target = &r.Source
		case "commit":
			target = &r.Commit
		default:
			return Release{}, releaseError(text, fmt.Sprintf("%q is no field of a release", key))
		}
		if !rule.MatchString(value) {
			return Release{}, releaseError(text, fmt.Sprintf("%s cannot be %q", key, value))
		}
		*target = value
	}
	return r, nil
}

func releaseError(text, why string) error {
	return step.WithHint(step.Invalidf("read release %q: %s", text, why),
		"a release is MODEL=IMAGE@sha256:DIGEST, then ;deployment=NAME, ;source=COMMIT and ;commit=COMMIT where they are known")
}
