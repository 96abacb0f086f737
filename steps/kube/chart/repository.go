package chart

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/step"
)

// index is the part of a repository's index.yaml that matters here.
type index struct {
	Entries map[string][]struct {
		Version string   `yaml:"version"`
		URLs    []string `yaml:"urls"`
		Digest  string   `yaml:"digest"`
	} `yaml:"entries"`
}

// pullHTTP finds a chart in a repository's index and downloads its archive.
func pullHTTP(ctx context.Context, s Source) ([]byte, error) {
	base, err := url.Parse(strings.TrimSuffix(s.Repository, "/") + "/")
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, step.WithHint(step.Invalidf("chart %s: %q is no URL of a chart repository", s, s.Repository),
			"a repository has the form https://HOST/PATH; for a registry use `oci`")
	}
	data, err := Download(ctx, base.JoinPath("index.yaml").String(), maxIndexBytes)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", s, err)
	}
	var idx index
	if err := yaml.Unmarshal(data, &idx); err != nil {
		return nil, step.Infraf("chart %s: the repository's index.yaml is not understood: %w", s, err)
	}
	entries := idx.Entries[s.Name]
	available := make([]string, len(entries))
	for i, entry := range entries {
		available[i] = entry.Version
	}
	version, err := pick(s.Version, available)
	if err != nil {
		return nil, step.Invalidf("chart %s: %w", s, err)
	}
	for _, entry := range entries {
		if entry.Version != version || len(entry.URLs) == 0 {
			continue
		}
		location, err := base.Parse(entry.URLs[0])
		if err != nil {
			return nil, step.Infraf("chart %s: the repository names no usable URL: %w", s, err)
		}
		if location.Scheme == "oci" {
			return pullOCI(ctx, Source{OCI: strings.TrimSuffix(location.String(), ":"+version), Version: version})
		}
		archive, err := Download(ctx, location.String(), maxArchiveBytes)
		if err != nil {
			return nil, fmt.Errorf("chart %s: %w", s, err)
		}
		return archive, checkSum(location.String(), archive, entry.Digest)
	}
	return nil, step.Infraf("chart %s: the repository names no URL for version %s", s, version)
}

// pick chooses the newest version that a range allows; without a range, the
// newest that is no pre-release. An exact version is taken as it is written.
func pick(constraint string, available []string) (string, error) {
	if len(available) == 0 {
		return "", errors.New("there is no chart of that name")
	}
	for _, version := range available {
		if constraint != "" && strings.TrimPrefix(version, "v") == strings.TrimPrefix(constraint, "v") {
			return version, nil
		}
	}
	if constraint == "" {
		constraint = "*"
	}
	allowed, err := semver.NewConstraint(constraint)
	if err != nil {
		return "", fmt.Errorf("version %q: %w", constraint, err)
	}
	var best *semver.Version
	for _, text := range available {
		version, err := semver.NewVersion(text)
		if err == nil && allowed.Check(version) && (best == nil || version.GreaterThan(best)) {
			best = version
		}
	}
	if best == nil {
		return "", fmt.Errorf("no version matches %q; there are %s", constraint, sample(available))
	}
	return best.Original(), nil
}

// sample lists a few of many versions.
func sample(versions []string) string {
	const most = 8
	if len(versions) > most {
		return strings.Join(versions[:most], ", ") + ", …"
	}
	return strings.Join(versions, ", ")
}

// downloadAttempts is how often a download is tried when the network or the
// server fails.
const downloadAttempts = 3

// Download gets the body of a URL of at most limit bytes. What may heal is tried
// again.
func Download(ctx context.Context, location string, limit int64) ([]byte, error) {
	var last error
	for attempt := range downloadAttempts {
		if attempt > 0 {
			select {
			case <-ctx.Done():
				return nil, step.Infraf("download %s: %w", location, errors.Join(last, context.Cause(ctx)))
			case <-time.After(time.Duration(attempt) * time.Second):
			}
		}
		data, retry, err := downloadOnce(ctx, location, limit)
		if err == nil {
			return data, nil
		}
		if last = err; !retry {
			break
		}
	}
	return nil, step.WithHint(step.Infraf("download %s: %w", location, last),
		"is the address right and reachable from here? Without a network, take charts from a registry with --chart-registry, or from a directory")
}

func downloadOnce(ctx context.Context, location string, limit int64) (data []byte, retry bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, false, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, ctx.Err() == nil, errors.Unwrap(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests, errors.New(response.Status)
	}
	data, err = readLimited(response.Body, limit, "the answer")
	return data, err != nil && ctx.Err() == nil && !strings.Contains(err.Error(), "larger than"), err
}
