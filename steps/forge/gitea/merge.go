package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/step"
)

// mergeAttempts is how often a pull request is looked at while Gitea works out
// in the background whether it can be merged.
const mergeAttempts = 8

// AutoMerge implements [forge.Forge]. Gitea merges later only when something
// happens that it waits for, so that what lacks nothing has to be merged now.
func (c *Client) AutoMerge(ctx context.Context, pull forge.PullRequest) error {
	doing := fmt.Sprintf("merging pull request %d", pull.Number)
	status, err := c.tryMerge(ctx, doing, pull)
	// A push to the base makes Gitea look at the pull request anew, between our
	// look and the merge too, and until it has it takes neither.
	for attempt := 1; err == nil && status == http.StatusMethodNotAllowed && attempt < mergeAttempts; attempt++ {
		if err := c.pause(ctx, attempt); err != nil {
			return c.explain(doing, nil, err)
		}
		status, err = c.tryMerge(ctx, doing, pull)
	}
	if err != nil || status < http.StatusMultipleChoices {
		return err
	}
	if status == http.StatusConflict {
		// It waits already, or its head moved: only the second is a fault.
		now, err := c.PullRequest(ctx, pull.Number)
		if err != nil || now.HeadCommit == pull.HeadCommit {
			return err
		}
		return moved(doing, now, pull)
	}
	err = forge.Explain(doing, status, errors.New(http.StatusText(status)))
	return step.WithHint(err, "look at the pull request: it may lack what the token cannot give")
}

// tryMerge merges once Gitea knows whether it can, or schedules the merge when a
// review or a check is missing.
func (c *Client) tryMerge(ctx context.Context, doing string, pull forge.PullRequest) (status int, err error) {
	merged, err := c.settled(ctx, doing, pull)
	if err != nil || merged {
		return http.StatusOK, err
	}
	status, err = c.merge(ctx, doing, pull, false)
	if err == nil && status == http.StatusMethodNotAllowed {
		status, err = c.merge(ctx, doing, pull, true)
	}
	return status, err
}

// settled waits until Gitea knows whether the pull request can be merged.
func (c *Client) settled(ctx context.Context, doing string, pull forge.PullRequest) (merged bool, err error) {
	api, err := c.api(ctx)
	if err != nil {
		return false, err
	}
	for attempt := 1; ; attempt++ {
		now, response, err := api.GetPullRequest(c.repository.Owner, c.repository.Name, pull.Number)
		if err != nil {
			return false, c.explain(doing, response, err)
		}
		switch plain := from(now); {
		case plain.HeadCommit != pull.HeadCommit:
			return false, moved(doing, plain, pull)
		case plain.Merged || now.Mergeable:
			return plain.Merged, nil
		case plain.Draft:
			return false, step.WithHint(step.Failedf("%s: it is a draft", doing), "say that it is ready for review, or leave --draft out")
		case attempt == mergeAttempts:
			return false, step.WithHint(step.Failedf("%s: it cannot be merged", doing), "it may have a conflict: look at the pull request")
		}
		if err := c.pause(ctx, attempt); err != nil {
			return false, c.explain(doing, nil, err)
		}
	}
}

func (c *Client) merge(ctx context.Context, doing string, pull forge.PullRequest, later bool) (status int, err error) {
	api, err := c.api(ctx)
	if err != nil {
		return 0, err
	}
	_, response, err := api.MergePullRequest(c.repository.Owner, c.repository.Name, pull.Number, sdk.MergePullRequestOption{
		Style: sdk.MergeStyleMerge, HeadCommitId: pull.HeadCommit, MergeWhenChecksSucceed: later,
	})
	if err != nil {
		return 0, c.explain(doing, response, err)
	}
	return response.StatusCode, nil
}

func moved(doing string, now, pull forge.PullRequest) error {
	return step.WithHint(step.Failedf("%s: its head is %s, not %s", doing, now.HeadCommit, pull.HeadCommit), "somebody pushed to it: look at the pull request")
}

// Comments implements [forge.Forge].
func (c *Client) Comments(ctx context.Context, number int64) ([]forge.Comment, error) {
	api, err := c.api(ctx)
	if err != nil {
		return nil, err
	}
	// This list has no pages.
	list, response, err := api.ListIssueComments(c.repository.Owner, c.repository.Name, number, sdk.ListIssueCommentOptions{})
	if err != nil {
		return nil, c.explain(fmt.Sprintf("reading the comments on pull request %d", number), response, err)
	}
	var comments []forge.Comment
	for _, comment := range list {
		comments = append(comments, forge.Comment{ID: comment.ID, Body: comment.Body})
	}
	return comments, nil
}

// AddComment implements [forge.Forge].
func (c *Client) AddComment(ctx context.Context, number int64, body string) error {
	api, err := c.api(ctx)
	if err != nil {
		return err
	}
	_, response, err := api.CreateIssueComment(c.repository.Owner, c.repository.Name, number, sdk.CreateIssueCommentOption{Body: body})
	return c.explain(fmt.Sprintf("commenting on pull request %d", number), response, err)
}

// EditComment implements [forge.Forge].
func (c *Client) EditComment(ctx context.Context, _, id int64, body string) error {
	api, err := c.api(ctx)
	if err != nil {
		return err
	}
	_, response, err := api.EditIssueComment(c.repository.Owner, c.repository.Name, id, sdk.EditIssueCommentOption{Body: body})
	return c.explain(fmt.Sprintf("changing comment %d", id), response, err)
}

// SetStatus implements [forge.Forge].
func (c *Client) SetStatus(ctx context.Context, commit string, status forge.Status) error {
	api, err := c.api(ctx)
	if err != nil {
		return err
	}
	_, response, err := api.CreateStatus(c.repository.Owner, c.repository.Name, commit, sdk.CreateStatusOption{
		State: sdk.StatusState(status.State), Context: status.Context, Description: status.Description, TargetURL: status.TargetURL,
	})
	return c.explain("setting the status of "+commit, response, err)
}
