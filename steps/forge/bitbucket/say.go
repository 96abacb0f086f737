package bitbucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/step"
)

// maxKey is how long Bitbucket lets the key of a status be.
const maxKey = 40

// AutoMerge implements [forge.Forge]. Bitbucket's API cannot wait for what is
// missing nor compare the head: the pull request is looked at, and merged if
// Bitbucket lets it be merged now.
func (c *Client) AutoMerge(ctx context.Context, pull forge.PullRequest) error {
	doing := fmt.Sprintf("merging pull request %d", pull.Number)
	now, err := c.read(ctx, pull.Number)
	if err != nil {
		return err
	}
	// Bitbucket shortens hashes.
	if head := now.Source.Commit.Hash; head == "" || !strings.HasPrefix(pull.HeadCommit, head) {
		return step.WithHint(step.Failedf("%s: its head is %s, not %s", doing, head, pull.HeadCommit), "somebody pushed to it: look at the pull request")
	}
	in := map[string]any{"type": "pullrequest_merge", "merge_strategy": "merge_commit", "close_source_branch": true}
	err = c.do(ctx, doing, http.MethodPost, fmt.Sprintf("/pullrequests/%d/merge", pull.Number), nil, in, nil)
	return step.WithHint(err, "Bitbucket merges at once or not at all: it may lack an approval or a build, look at the pull request")
}

type content struct {
	Raw string `json:"raw"`
}

type comment struct {
	ID      int64   `json:"id,omitempty"`
	Content content `json:"content"`
	Deleted bool    `json:"deleted,omitempty"`
}

// Comments implements [forge.Forge].
func (c *Client) Comments(ctx context.Context, number int64) ([]forge.Comment, error) {
	found, err := list[comment](ctx, c, fmt.Sprintf("reading the comments on pull request %d", number), fmt.Sprintf("/pullrequests/%d/comments", number), nil)
	if err != nil {
		return nil, err
	}
	var comments []forge.Comment
	for _, one := range found {
		if !one.Deleted {
			comments = append(comments, forge.Comment{ID: one.ID, Body: one.Content.Raw})
		}
	}
	return comments, nil
}

// AddComment implements [forge.Forge].
func (c *Client) AddComment(ctx context.Context, number int64, body string) error {
	return c.do(ctx, fmt.Sprintf("commenting on pull request %d", number), http.MethodPost, fmt.Sprintf("/pullrequests/%d/comments", number), nil, comment{Content: content{body}}, nil)
}

// EditComment implements [forge.Forge].
func (c *Client) EditComment(ctx context.Context, number, id int64, body string) error {
	return c.do(ctx, fmt.Sprintf("changing comment %d", id), http.MethodPut, fmt.Sprintf("/pullrequests/%d/comments/%d", number, id), nil, comment{Content: content{body}}, nil)
}

// SetStatus implements [forge.Forge].
func (c *Client) SetStatus(ctx context.Context, commit string, status forge.Status) error {
	states := map[forge.State]string{forge.Pending: "INPROGRESS", forge.Success: "SUCCESSFUL", forge.Failure: "FAILED", forge.Error: "STOPPED"}
	key := status.Context
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:])[:maxKey]
	}
	target := status.TargetURL
	if target == "" {
		// Bitbucket wants one.
		target = c.repository.BaseURL() + "/" + c.repository.FullName() + "/commits/" + commit
	}
	in := map[string]string{"state": states[status.State], "key": key, "name": status.Context, "description": status.Description, "url": target}
	return c.do(ctx, "setting the status of "+commit, http.MethodPost, "/commit/"+commit+"/statuses/build", nil, in, nil)
}
