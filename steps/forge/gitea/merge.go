package gitea

import (
	"context"
	"fmt"
	"net/http"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Gitea works out in the background whether a pull request can be merged, and
// answers 405 until it has.
const mergeAttempts = 8

// AutoMerge implements [forge.Forge].
func (c *Client) AutoMerge(ctx context.Context, pull forge.PullRequest) error {
	api, err := c.api(ctx)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		merged, response, err := api.MergePullRequest(c.repository.Owner, c.repository.Name, pull.Number, sdk.MergePullRequestOption{
			Style: sdk.MergeStyleMerge, HeadCommitId: pull.HeadCommit, MergeWhenChecksSucceed: true,
		})
		doing := fmt.Sprintf("merging pull request %d", pull.Number)
		if err != nil {
			return c.explain(doing, response, err)
		}
		switch {
		case merged:
			return nil
		case response.StatusCode == http.StatusMethodNotAllowed && attempt < mergeAttempts:
			if err := c.pause(ctx, attempt); err != nil {
				return c.explain(doing, response, err)
			}
			continue
		case response.StatusCode == http.StatusConflict:
			// Scheduled before, or the head moved: only the second is a fault.
			now, err := c.PullRequest(ctx, pull.Number)
			if err != nil {
				return err
			}
			if now.HeadCommit == pull.HeadCommit {
				return nil
			}
			return step.WithHint(step.Failedf("%s: its head is %s, not %s", doing, now.HeadCommit, pull.HeadCommit), "somebody pushed to it: look at the pull request")
		}
		return step.WithHint(c.explain(doing, response, fmt.Errorf("%s", response.Status)), "it may lack a review or a check, or have a conflict: look at the pull request")
	}
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
