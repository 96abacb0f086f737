// Package azure is a repository in Azure DevOps, the service or a server.
package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/step"
)

const (
	apiVersion = "7.1"
	pageSize   = 100
	heads      = "refs/heads/"
)

// Client is one repository. It is a [forge.Forge].
type Client struct {
	rest         forge.REST
	organization string // escaped; with the collection on a server
	project      string // escaped
	repository   string // escaped
	page         string // of the repository, for people
}

var _ forge.Forge = (*Client)(nil)

// At is where the API of a repository is, which a clone URL by SSH does not say.
func At(repository forge.Repository) forge.Repository {
	if repository.Host == "ssh.dev.azure.com" {
		repository.Host = "dev.azure.com"
	}
	return repository
}

// New returns the repository's Azure DevOps.
func New(repository forge.Repository, credentials forge.Credentials, httpClient *http.Client) (*Client, error) {
	// ORGANIZATION/PROJECT/_git/NAME, or v3/ORGANIZATION/PROJECT/NAME by SSH.
	parts := strings.Split(strings.TrimPrefix(repository.Owner, "v3/"), "/")
	if parts[len(parts)-1] == "_git" {
		parts = parts[:len(parts)-1]
	}
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	c := &Client{repository: url.PathEscape(repository.Name)}
	switch {
	case len(parts) > 1:
		c.organization, c.project = "/"+strings.Join(parts[:len(parts)-1], "/"), parts[len(parts)-1]
	case strings.HasSuffix(repository.Host, ".visualstudio.com"):
		c.project = parts[0]
	default:
		return nil, step.WithHint(step.Invalidf("%q does not name a repository of Azure DevOps", repository.FullName()), "https://dev.azure.com/ORGANIZATION/PROJECT/_git/NAME")
	}
	c.page = repository.BaseURL() + c.organization + "/" + c.project + "/_git/" + c.repository
	c.rest = forge.REST{Base: repository.BaseURL() + c.organization, HTTP: httpClient, Authorize: func(r *http.Request) {
		if credentials.Token != "" {
			r.SetBasicAuth("", credentials.Token)
		}
	}}
	return c, nil
}

// Limits implements [forge.Forge].
func (c *Client) Limits() forge.Limits {
	return forge.Limits{Title: 400, Body: 4000, Comment: 150_000, Description: 400}
}

func (c *Client) do(ctx context.Context, doing, method, path string, query url.Values, in, out any) error {
	all := url.Values{"api-version": {apiVersion}}
	for key, values := range query {
		all[key] = values
	}
	return c.rest.Do(ctx, doing, method, "/"+c.project+"/_apis/git/repositories/"+c.repository+path, all, in, out)
}

type pullRequest struct {
	ID          int64  `json:"pullRequestId"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Status      string `json:"status"`
	IsDraft     bool   `json:"isDraft"`
	Source      string `json:"sourceRefName"`
	Target      string `json:"targetRefName"`
	Head        struct {
		CommitID string `json:"commitId"`
	} `json:"lastMergeSourceCommit"`
	ForkSource *struct{} `json:"forkSource"`
	Labels     []struct {
		Name string `json:"name"`
	} `json:"labels"`
	Reviewers []struct {
		ID         string `json:"id"`
		UniqueName string `json:"uniqueName"`
	} `json:"reviewers"`
}

func (c *Client) plain(p pullRequest) forge.PullRequest {
	pull := forge.PullRequest{
		Number: p.ID, URL: c.page + "/pullrequest/" + strconv.FormatInt(p.ID, 10), Title: p.Title, Body: p.Description, Draft: p.IsDraft,
		Head: strings.TrimPrefix(p.Source, heads), HeadCommit: p.Head.CommitID, Base: strings.TrimPrefix(p.Target, heads),
		Open: p.Status == "active", Merged: p.Status == "completed",
	}
	for _, label := range p.Labels {
		pull.Labels = append(pull.Labels, label.Name)
	}
	for _, reviewer := range p.Reviewers {
		pull.Reviewers = append(pull.Reviewers, reviewer.ID, reviewer.UniqueName)
	}
	return pull
}

// PullRequests implements [forge.Forge].
func (c *Client) PullRequests(ctx context.Context, head, base string) ([]forge.PullRequest, error) {
	var found []forge.PullRequest
	for skip := 0; ; skip += pageSize {
		var answer struct {
			Value []pullRequest `json:"value"`
		}
		query := url.Values{
			"searchCriteria.status": {"active"}, "searchCriteria.sourceRefName": {heads + head}, "searchCriteria.targetRefName": {heads + base},
			"$top": {strconv.Itoa(pageSize)}, "$skip": {strconv.Itoa(skip)},
		}
		if err := c.do(ctx, "listing the pull requests", http.MethodGet, "/pullrequests", query, nil, &answer); err != nil {
			return nil, err
		}
		for _, pull := range answer.Value {
			if pull.ForkSource == nil && pull.Status == "active" && pull.Source == heads+head && pull.Target == heads+base {
				found = append(found, c.plain(pull))
			}
		}
		if len(answer.Value) < pageSize {
			return found, nil
		}
	}
}

// PullRequest implements [forge.Forge].
func (c *Client) PullRequest(ctx context.Context, number int64) (forge.PullRequest, error) {
	var pull pullRequest
	err := c.do(ctx, fmt.Sprintf("reading pull request %d", number), http.MethodGet, fmt.Sprintf("/pullrequests/%d", number), nil, nil, &pull)
	return c.plain(pull), err
}

// PullRequestOf implements [forge.Forge].
func (c *Client) PullRequestOf(ctx context.Context, commit string) (int64, error) {
	in := map[string]any{"queries": []any{
		map[string]any{"type": "commit", "items": []string{commit}},
		map[string]any{"type": "lastMergeCommit", "items": []string{commit}},
	}}
	var answer struct {
		Results []map[string][]pullRequest `json:"results"`
	}
	if err := c.do(ctx, "looking for the pull request of "+commit, http.MethodPost, "/pullrequestquery", nil, in, &answer); err != nil {
		return 0, err
	}
	var number int64
	for _, result := range answer.Results {
		for _, pull := range result[commit] {
			switch {
			case pull.Status == "active":
				return pull.ID, nil
			case pull.Status == "completed" && number == 0:
				number = pull.ID
			}
		}
	}
	return number, nil
}

// CreatePullRequest implements [forge.Forge].
func (c *Client) CreatePullRequest(ctx context.Context, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	in := map[string]any{
		"sourceRefName": heads + spec.Head, "targetRefName": heads + spec.Base, "title": spec.Title, "description": spec.Body, "isDraft": spec.Draft,
	}
	var pull pullRequest
	err := c.do(ctx, "opening a pull request", http.MethodPost, "/pullrequests", nil, in, &pull)
	return c.plain(pull), err
}

func (c *Client) patch(ctx context.Context, doing string, number int64, in any) (forge.PullRequest, error) {
	var pull pullRequest
	err := c.do(ctx, fmt.Sprintf("%s pull request %d", doing, number), http.MethodPatch, fmt.Sprintf("/pullrequests/%d", number), nil, in, &pull)
	return c.plain(pull), err
}

// UpdatePullRequest implements [forge.Forge].
func (c *Client) UpdatePullRequest(ctx context.Context, number int64, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	return c.patch(ctx, "updating", number, map[string]string{"title": spec.Title, "description": spec.Body})
}

// ClosePullRequest implements [forge.Forge].
func (c *Client) ClosePullRequest(ctx context.Context, number int64) error {
	_, err := c.patch(ctx, "closing", number, map[string]string{"status": "abandoned"})
	return err
}

var identity = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// Decorate implements [forge.Forge]. Azure DevOps has no assignees, and a
// reviewer is the ID of an identity: names are known to another host, to which
// the token does not go.
func (c *Client) Decorate(ctx context.Context, pull forge.PullRequest, spec forge.PullRequestSpec) error {
	var errs []error
	for _, label := range forge.Missing(spec.Labels, pull.Labels) {
		errs = append(errs, c.do(ctx, fmt.Sprintf("labelling pull request %d", pull.Number), http.MethodPost, fmt.Sprintf("/pullrequests/%d/labels", pull.Number), nil, map[string]string{"name": label}, nil))
	}
	if len(spec.Assignees) > 0 {
		errs = append(errs, fmt.Errorf("assignees of pull request %d: %w", pull.Number, forge.ErrUnsupported))
	}
	for _, reviewer := range forge.Missing(spec.Reviewers, pull.Reviewers) {
		if !identity.MatchString(reviewer) {
			errs = append(errs, fmt.Errorf("reviewer %q is not the ID of an identity: %w", reviewer, forge.ErrUnsupported))
			continue
		}
		errs = append(errs, c.do(ctx, fmt.Sprintf("asking for a review of pull request %d", pull.Number), http.MethodPut, fmt.Sprintf("/pullrequests/%d/reviewers/%s", pull.Number, reviewer), nil, map[string]any{"vote": 0}, nil))
	}
	return errors.Join(errs...)
}
