package gitlab

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	sdk "gitlab.com/gitlab-org/api/client-go"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/step"
)

// mergeAttempts is how often merging is tried while GitLab works out whether a
// merge request can be merged.
const mergeAttempts = 8

// AutoMerge implements [forge.Forge].
func (c *Client) AutoMerge(ctx context.Context, pull forge.PullRequest) error {
	doing := fmt.Sprintf("merging merge request %d", pull.Number)
	auto := true
	for attempt := 1; ; attempt++ {
		_, response, err := c.api.MergeRequests.AcceptMergeRequest(c.repository.FullName(), pull.Number, &sdk.AcceptMergeRequestOptions{AutoMerge: &auto, SHA: &pull.HeadCommit}, sdk.WithContext(ctx))
		err = c.explain(doing, response, err)
		switch status := forge.StatusOf(err); {
		case err == nil:
			return nil
		case status == http.StatusConflict:
			return step.WithHint(step.Failed(err), "somebody pushed to it: look at the merge request")
		case (status == http.StatusMethodNotAllowed || status == http.StatusUnprocessableEntity) && attempt < mergeAttempts:
			// Just opened, it is looked at in the background first.
			if err := c.pause(ctx, attempt); err != nil {
				return forge.Explain(doing, 0, err)
			}
			continue
		}
		return step.WithHint(err, "it may lack an approval or a pipeline, or have a conflict: look at the merge request")
	}
}

// Comments implements [forge.Forge].
func (c *Client) Comments(ctx context.Context, number int64) ([]forge.Comment, error) {
	var comments []forge.Comment
	options := &sdk.ListMergeRequestNotesOptions{ListOptions: sdk.ListOptions{PerPage: pageSize}}
	for {
		list, response, err := c.api.Notes.ListMergeRequestNotes(c.repository.FullName(), number, options, sdk.WithContext(ctx))
		if err != nil {
			return nil, c.explain(fmt.Sprintf("reading the comments on merge request %d", number), response, err)
		}
		for _, note := range list {
			if !note.System {
				comments = append(comments, forge.Comment{ID: note.ID, Body: note.Body})
			}
		}
		if response.NextPage == 0 {
			return comments, nil
		}
		options.Page = response.NextPage
	}
}

// AddComment implements [forge.Forge].
func (c *Client) AddComment(ctx context.Context, number int64, body string) error {
	_, response, err := c.api.Notes.CreateMergeRequestNote(c.repository.FullName(), number, &sdk.CreateMergeRequestNoteOptions{Body: &body}, sdk.WithContext(ctx))
	return c.explain(fmt.Sprintf("commenting on merge request %d", number), response, err)
}

// EditComment implements [forge.Forge].
func (c *Client) EditComment(ctx context.Context, number, id int64, body string) error {
	_, response, err := c.api.Notes.UpdateMergeRequestNote(c.repository.FullName(), number, id, &sdk.UpdateMergeRequestNoteOptions{Body: &body}, sdk.WithContext(ctx))
	return c.explain(fmt.Sprintf("changing comment %d", id), response, err)
}

// SetStatus implements [forge.Forge].
func (c *Client) SetStatus(ctx context.Context, commit string, status forge.Status) error {
	states := map[forge.State]sdk.BuildStateValue{forge.Pending: sdk.Pending, forge.Success: sdk.Success, forge.Failure: sdk.Failed, forge.Error: sdk.Failed}
	options := &sdk.SetCommitStatusOptions{State: states[status.State], Name: &status.Context, Description: &status.Description}
	if status.TargetURL != "" {
		options.TargetURL = &status.TargetURL
	}
	_, response, err := c.api.Commits.SetCommitStatus(c.repository.FullName(), commit, options, sdk.WithContext(ctx))
	err = c.explain("setting the status of "+commit, response, err)
	if err != nil && status.State == forge.Pending && strings.Contains(err.Error(), "Cannot transition status") {
		return nil // it is pending or running already
	}
	return err
}
