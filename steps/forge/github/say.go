package github

import (
	"context"
	"fmt"

	sdk "github.com/google/go-github/v84/github"

	"github.com/model-delivery/model-delivery/steps/forge"
)

// Comments implements [forge.Forge].
func (c *Client) Comments(ctx context.Context, number int64) ([]forge.Comment, error) {
	var comments []forge.Comment
	options := &sdk.IssueListCommentsOptions{ListOptions: sdk.ListOptions{PerPage: pageSize}}
	for {
		list, response, err := c.api.Issues.ListComments(ctx, c.repository.Owner, c.repository.Name, int(number), options)
		if err != nil {
			return nil, c.explain(fmt.Sprintf("reading the comments on pull request %d", number), response, err)
		}
		for _, comment := range list {
			comments = append(comments, forge.Comment{ID: comment.GetID(), Body: comment.GetBody()})
		}
		if response.NextPage == 0 {
			return comments, nil
		}
		options.Page = response.NextPage
	}
}

// AddComment implements [forge.Forge].
func (c *Client) AddComment(ctx context.Context, number int64, body string) error {
	_, response, err := c.api.Issues.CreateComment(ctx, c.repository.Owner, c.repository.Name, int(number), &sdk.IssueComment{Body: &body})
	return c.explain(fmt.Sprintf("commenting on pull request %d", number), response, err)
}

// EditComment implements [forge.Forge].
func (c *Client) EditComment(ctx context.Context, _, id int64, body string) error {
	_, response, err := c.api.Issues.EditComment(ctx, c.repository.Owner, c.repository.Name, id, &sdk.IssueComment{Body: &body})
	return c.explain(fmt.Sprintf("changing comment %d", id), response, err)
}

// SetStatus implements [forge.Forge].
func (c *Client) SetStatus(ctx context.Context, commit string, status forge.Status) error {
	state := string(status.State)
	s := sdk.RepoStatus{State: &state, Context: &status.Context, Description: &status.Description}
	if status.TargetURL != "" {
		s.TargetURL = &status.TargetURL
	}
	_, response, err := c.api.Repositories.CreateStatus(ctx, c.repository.Owner, c.repository.Name, commit, s)
	return c.explain("setting the status of "+commit, response, err)
}
