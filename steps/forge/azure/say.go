package azure

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/step"
)

// AutoMerge implements [forge.Forge]. What completes a pull request by itself
// knows no expected head: the head is looked at before, and a branch policy is
// what resets votes when somebody pushes later.
func (c *Client) AutoMerge(ctx context.Context, pull forge.PullRequest) error {
	now, err := c.PullRequest(ctx, pull.Number)
	if err != nil {
		return err
	}
	if now.HeadCommit != pull.HeadCommit {
		return step.WithHint(step.Failedf("merging pull request %d: its head is %s, not %s", pull.Number, now.HeadCommit, pull.HeadCommit), "somebody pushed to it: look at the pull request")
	}
	var me struct {
		User struct {
			ID string `json:"id"`
		} `json:"authenticatedUser"`
	}
	query := url.Values{"api-version": {apiVersion + "-preview"}}
	if err := c.rest.Do(ctx, "asking who the token belongs to", http.MethodGet, "/_apis/connectionData", query, nil, &me); err != nil {
		return err
	}
	_, err = c.patch(ctx, "merging", pull.Number, map[string]any{
		"autoCompleteSetBy": map[string]string{"id": me.User.ID},
		"completionOptions": map[string]any{"deleteSourceBranch": true, "mergeStrategy": "noFastForward"},
	})
	return step.WithHint(err, "it may have a conflict: look at the pull request")
}

type comment struct {
	Parent  int64  `json:"parentCommentId"`
	Content string `json:"content"`
	Type    string `json:"commentType,omitempty"`
}

type thread struct {
	ID       int64     `json:"id,omitempty"`
	Comments []comment `json:"comments"`
	Status   string    `json:"status,omitempty"`
	Deleted  bool      `json:"isDeleted,omitempty"`
}

// Comments implements [forge.Forge]. Each is the first of a thread, whose
// number is the comment's ID.
func (c *Client) Comments(ctx context.Context, number int64) ([]forge.Comment, error) {
	var answer struct {
		Value []thread `json:"value"`
	}
	if err := c.do(ctx, fmt.Sprintf("reading the comments on pull request %d", number), http.MethodGet, fmt.Sprintf("/pullrequests/%d/threads", number), nil, nil, &answer); err != nil {
		return nil, err
	}
	var comments []forge.Comment
	for _, t := range answer.Value {
		if !t.Deleted && len(t.Comments) > 0 && t.Comments[0].Type != "system" {
			comments = append(comments, forge.Comment{ID: t.ID, Body: t.Comments[0].Content})
		}
	}
	return comments, nil
}

// AddComment implements [forge.Forge]. A thread that is not closed may stand in
// the way of merging.
func (c *Client) AddComment(ctx context.Context, number int64, body string) error {
	in := thread{Comments: []comment{{Content: body, Type: "text"}}, Status: "closed"}
	return c.do(ctx, fmt.Sprintf("commenting on pull request %d", number), http.MethodPost, fmt.Sprintf("/pullrequests/%d/threads", number), nil, in, nil)
}

// EditComment implements [forge.Forge].
func (c *Client) EditComment(ctx context.Context, number, id int64, body string) error {
	return c.do(ctx, fmt.Sprintf("changing comment %d", id), http.MethodPatch, fmt.Sprintf("/pullrequests/%d/threads/%d/comments/1", number, id), nil, map[string]string{"content": body}, nil)
}

// SetStatus implements [forge.Forge]. What is before the last slash of the
// context is its genre.
func (c *Client) SetStatus(ctx context.Context, commit string, status forge.Status) error {
	states := map[forge.State]string{forge.Pending: "pending", forge.Success: "succeeded", forge.Failure: "failed", forge.Error: "error"}
	genre, name := "", status.Context
	if at := strings.LastIndexByte(name, '/'); at >= 0 {
		genre, name = name[:at], name[at+1:]
	}
	in := map[string]any{"state": states[status.State], "description": status.Description, "context": map[string]string{"genre": genre, "name": name}}
	if status.TargetURL != "" {
		in["targetUrl"] = status.TargetURL
	}
	return c.do(ctx, "setting the status of "+commit, http.MethodPost, "/commits/"+commit+"/statuses", nil, in, nil)
}
