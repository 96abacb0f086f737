// Package gitlab is a repository on a GitLab.
package gitlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	sdk "gitlab.com/gitlab-org/api/client-go"

	"github.com/model-delivery/model-delivery/steps/forge"
)

const (
	pageSize    = 100
	draftPrefix = "Draft: "
)

// Client is one repository. It is a [forge.Forge].
type Client struct {
	repository forge.Repository
	api        *sdk.Client
	pause      func(ctx context.Context, attempt int) error // between attempts to merge
}

var _ forge.Forge = (*Client)(nil)

// unlimited leaves waiting to the HTTP client.
type unlimited struct{}

func (unlimited) Wait(context.Context) error { return nil }

// New returns the repository's GitLab.
func New(repository forge.Repository, credentials forge.Credentials, httpClient *http.Client) (*Client, error) {
	options := []sdk.ClientOptionFunc{
		sdk.WithBaseURL(repository.BaseURL() + "/api/v4"), sdk.WithHTTPClient(httpClient), sdk.WithUserAgent("model-delivery"),
		sdk.WithCustomLimiter(unlimited{}), sdk.WithoutRetries(), sdk.WithURLWarningLogger(slog.New(slog.NewTextHandler(io.Discard, nil))),
	}
	api, err := sdk.NewClient(credentials.Token, options...)
	if err != nil {
		return nil, forge.Explain("connecting to GitLab at "+repository.BaseURL(), 0, err)
	}
	return &Client{repository: repository, api: api, pause: forge.Pause}, nil
}

// Limits implements [forge.Forge].
func (c *Client) Limits() forge.Limits {
	return forge.Limits{Title: 255, Body: 1_000_000, Comment: 1_000_000, Description: 255}
}

func (c *Client) explain(doing string, response *sdk.Response, err error) error {
	status := 0
	if response != nil && response.Response != nil {
		status = response.StatusCode
	}
	return forge.Explain(doing+" of "+c.repository.FullName(), status, err)
}

// PullRequests implements [forge.Forge].
func (c *Client) PullRequests(ctx context.Context, head, base string) ([]forge.PullRequest, error) {
	var found []forge.PullRequest
	opened := "opened"
	options := &sdk.ListProjectMergeRequestsOptions{
		ListOptions: sdk.ListOptions{PerPage: pageSize}, State: &opened, SourceBranch: &head, TargetBranch: &base,
	}
	for {
		list, response, err := c.api.MergeRequests.ListProjectMergeRequests(c.repository.FullName(), options, sdk.WithContext(ctx))
		if err != nil {
			return nil, c.explain("listing the merge requests", response, err)
		}
		for _, merge := range list {
			if merge.SourceProjectID == merge.TargetProjectID && merge.SourceBranch == head && merge.TargetBranch == base && merge.State == opened {
				found = append(found, from(merge))
			}
		}
		if response.NextPage == 0 {
			return found, nil
		}
		options.Page = response.NextPage
	}
}

func from(merge *sdk.BasicMergeRequest) forge.PullRequest {
	p := forge.PullRequest{
		Number: merge.IID, URL: merge.WebURL, Title: strings.TrimPrefix(merge.Title, draftPrefix), Body: merge.Description,
		Head: merge.SourceBranch, HeadCommit: merge.SHA, Base: merge.TargetBranch,
		Open: merge.State == "opened", Merged: merge.State == "merged", Draft: merge.Draft, Labels: merge.Labels,
	}
	for _, user := range merge.Assignees {
		p.Assignees = append(p.Assignees, user.Username)
	}
	for _, user := range merge.Reviewers {
		p.Reviewers = append(p.Reviewers, user.Username)
	}
	return p
}

// PullRequest implements [forge.Forge].
func (c *Client) PullRequest(ctx context.Context, number int64) (forge.PullRequest, error) {
	merge, response, err := c.api.MergeRequests.GetMergeRequest(c.repository.FullName(), number, nil, sdk.WithContext(ctx))
	if err != nil {
		return forge.PullRequest{}, c.explain(fmt.Sprintf("reading merge request %d", number), response, err)
	}
	return from(&merge.BasicMergeRequest), nil
}

// PullRequestOf implements [forge.Forge].
func (c *Client) PullRequestOf(ctx context.Context, commit string) (int64, error) {
	list, response, err := c.api.Commits.ListMergeRequestsByCommit(c.repository.FullName(), commit, sdk.WithContext(ctx))
	if err != nil {
		return 0, c.explain("looking for the merge request", response, err)
	}
	var number int64
	for _, merge := range list {
		switch {
		case merge.State == "opened":
			return merge.IID, nil
		case merge.State == "merged" && number == 0:
			number = merge.IID
		}
	}
	return number, nil
}

func title(spec forge.PullRequestSpec) *string {
	title := spec.Title
	if spec.Draft {
		title = draftPrefix + title
	}
	return &title
}

// CreatePullRequest implements [forge.Forge].
func (c *Client) CreatePullRequest(ctx context.Context, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	remove := true
	merge, response, err := c.api.MergeRequests.CreateMergeRequest(c.repository.FullName(), &sdk.CreateMergeRequestOptions{
		Title: title(spec), Description: &spec.Body, SourceBranch: &spec.Head, TargetBranch: &spec.Base, RemoveSourceBranch: &remove,
	}, sdk.WithContext(ctx))
	if err != nil {
		return forge.PullRequest{}, c.explain("opening a merge request", response, err)
	}
	return from(&merge.BasicMergeRequest), nil
}

// UpdatePullRequest implements [forge.Forge].
func (c *Client) UpdatePullRequest(ctx context.Context, number int64, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	return c.update(ctx, fmt.Sprintf("updating merge request %d", number), number, &sdk.UpdateMergeRequestOptions{Title: title(spec), Description: &spec.Body})
}

func (c *Client) update(ctx context.Context, doing string, number int64, options *sdk.UpdateMergeRequestOptions) (forge.PullRequest, error) {
	merge, response, err := c.api.MergeRequests.UpdateMergeRequest(c.repository.FullName(), number, options, sdk.WithContext(ctx))
	if err != nil {
		return forge.PullRequest{}, c.explain(doing, response, err)
	}
	return from(&merge.BasicMergeRequest), nil
}

// Decorate implements [forge.Forge]. Where the licence gives a merge request
// one assignee or one reviewer, GitLab takes the first.
func (c *Client) Decorate(ctx context.Context, pull forge.PullRequest, spec forge.PullRequestSpec) error {
	var errs []error
	if missing := forge.Missing(spec.Labels, pull.Labels); len(missing) > 0 {
		labels := sdk.LabelOptions(missing)
		_, err := c.update(ctx, fmt.Sprintf("labelling merge request %d", pull.Number), pull.Number, &sdk.UpdateMergeRequestOptions{AddLabels: &labels})
		errs = append(errs, err)
	}
	if len(forge.Missing(spec.Assignees, pull.Assignees)) > 0 {
		ids, err := c.users(ctx, append(pull.Assignees, forge.Missing(spec.Assignees, pull.Assignees)...))
		if len(ids) > 0 {
			_, failed := c.update(ctx, fmt.Sprintf("assigning merge request %d", pull.Number), pull.Number, &sdk.UpdateMergeRequestOptions{AssigneeIDs: &ids})
			err = errors.Join(err, failed)
		}
		errs = append(errs, err)
	}
	if len(forge.Missing(spec.Reviewers, pull.Reviewers)) > 0 {
		ids, err := c.users(ctx, append(pull.Reviewers, forge.Missing(spec.Reviewers, pull.Reviewers)...))
		if len(ids) > 0 {
			_, failed := c.update(ctx, fmt.Sprintf("asking for reviews of merge request %d", pull.Number), pull.Number, &sdk.UpdateMergeRequestOptions{ReviewerIDs: &ids})
			err = errors.Join(err, failed)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// users finds the numbers of users by their names. The error tells those that
// are not there.
func (c *Client) users(ctx context.Context, names []string) ([]int64, error) {
	var ids []int64
	var errs []error
	for _, name := range names {
		list, response, err := c.api.Users.ListUsers(&sdk.ListUsersOptions{Username: &name}, sdk.WithContext(ctx))
		switch {
		case err != nil:
			errs = append(errs, c.explain("looking for user "+name, response, err))
		case len(list) == 0:
			errs = append(errs, forge.Explain("looking for user "+name, http.StatusNotFound, errors.New("there is no such user")))
		default:
			ids = append(ids, list[0].ID)
		}
	}
	return ids, errors.Join(errs...)
}

// ClosePullRequest implements [forge.Forge].
func (c *Client) ClosePullRequest(ctx context.Context, number int64) error {
	event := "close"
	_, err := c.update(ctx, fmt.Sprintf("closing merge request %d", number), number, &sdk.UpdateMergeRequestOptions{StateEvent: &event})
	return err
}
