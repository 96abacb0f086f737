package gitlab

import (
	"context"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/forge/forgetest"
)

func connected(t *testing.T, url string) forge.Forge {
	t.Helper()
	repository, httpClient := forgetest.Connect(t, url, "SERVER/group/sub/r.git")
	c, err := New(repository, forge.Credentials{Username: "bot", Token: "t0k"}, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	c.pause = func(context.Context, int) error { return nil }
	return c
}

const merge = `{"iid":7,"web_url":"https://gitlab.example/7","title":"Draft: Promote x","description":"b","state":"opened","draft":true,"sha":"c0ffee",
 "source_branch":"promote/x","target_branch":"main","source_project_id":1,"target_project_id":1,"labels":["l"],"assignees":[{"username":"ann"}],"reviewers":[{"username":"bob"}]}`

var plain = forge.PullRequest{Number: 7, URL: "https://gitlab.example/7", Title: "Promote x", Body: "b", Open: true, Draft: true, Head: "promote/x", HeadCommit: "c0ffee", Base: "main",
	Labels: []string{"l"}, Assignees: []string{"ann"}, Reviewers: []string{"bob"}}

func TestCalls(t *testing.T) {
	t.Parallel()
	const (
		project = "/api/v4/projects/group%2Fsub%2Fr"
		merges  = project + "/merge_requests"
		list    = merges + "?per_page=100&source_branch=promote%2Fx&state=opened&target_branch=main"
		accept  = `{"auto_merge":true,"sha":"c0ffee"}`
	)
	fork := strings.Replace(merge, `"source_project_id":1`, `"source_project_id":2`, 1)
	forgetest.Run(t, "t0k", connected, []forgetest.Call{
		{Name: "list", Do: forgetest.PullRequests, Want: []forge.PullRequest{plain}, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: list, Answer: "[" + fork + "]", Header: map[string]string{"X-Next-Page": "2"}},
			{Method: "GET", Path: list + "&page=2", Answer: "[" + merge + "]"},
		}},
		{Name: "an error is not an empty list", Do: forgetest.PullRequests, Status: 403, Err: forge.ErrRefused, Exchanges: []forgetest.Exchange{{Method: "GET", Path: list, Status: 403, Answer: `{"message":"403 Forbidden"}`}}},
		{Name: "read", Do: forgetest.PullRequest, Want: plain, Exchanges: []forgetest.Exchange{{Method: "GET", Path: merges + "/7", Answer: merge}}},
		{Name: "of a commit", Do: forgetest.PullRequestOf, Want: int64(3), Exchanges: []forgetest.Exchange{{Method: "GET", Path: project + "/repository/commits/c0ffee/merge_requests", Answer: `[{"iid":2,"state":"closed"},{"iid":3,"state":"merged"}]`}}},
		{Name: "create", Do: forgetest.Create, Want: plain, Exchanges: []forgetest.Exchange{{Method: "POST", Path: merges,
			Body: `{"title":"Draft: Promote x","description":"Why <&> how","source_branch":"promote/x","target_branch":"main","remove_source_branch":true}`, Status: 201, Answer: merge}}},
		{Name: "create met a 500 and is not repeated", Do: forgetest.Create, Status: 500, Exchanges: []forgetest.Exchange{{Method: "POST", Path: merges,
			Body: `{"title":"Draft: Promote x","description":"Why <&> how","source_branch":"promote/x","target_branch":"main","remove_source_branch":true}`, Status: 500}}},
		{Name: "create too soon", Do: forgetest.Create, Want: plain, Exchanges: []forgetest.Exchange{
			{Method: "POST", Path: merges, Body: `{"title":"Draft: Promote x","description":"Why <&> how","source_branch":"promote/x","target_branch":"main","remove_source_branch":true}`, Status: 429, Header: map[string]string{"Retry-After": "0"}},
			{Method: "POST", Path: merges, Body: `{"title":"Draft: Promote x","description":"Why <&> how","source_branch":"promote/x","target_branch":"main","remove_source_branch":true}`, Status: 201, Answer: merge},
		}},
		{Name: "update", Do: forgetest.Update, Want: plain, Exchanges: []forgetest.Exchange{{Method: "PUT", Path: merges + "/7", Body: `{"title":"Promote x","description":"Why <&> how"}`, Answer: merge}}},
		{Name: "decorate", Do: forgetest.Decorate(forge.PullRequestSpec{Labels: []string{"old", "new", "newer"}, Assignees: []string{"eve"}, Reviewers: []string{"bob"}}), Exchanges: []forgetest.Exchange{
			{Method: "PUT", Path: merges + "/7", Body: `{"add_labels":"new,newer"}`, Answer: merge},
			{Method: "GET", Path: "/api/v4/users?username=ann", Answer: `[{"id":11}]`},
			{Method: "GET", Path: "/api/v4/users?username=eve", Answer: `[{"id":12}]`},
			{Method: "PUT", Path: merges + "/7", Body: `{"assignee_ids":[11,12]}`, Answer: merge},
		}},
		{Name: "a reviewer who is not there", Do: forgetest.Decorate(forge.PullRequestSpec{Reviewers: []string{"joe"}}), Err: forge.ErrRefused, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: "/api/v4/users?username=bob", Answer: `[{"id":13}]`},
			{Method: "GET", Path: "/api/v4/users?username=joe", Answer: `[]`},
			{Method: "PUT", Path: merges + "/7", Body: `{"reviewer_ids":[13]}`, Answer: merge},
		}},
		{Name: "close", Do: forgetest.Close, Exchanges: []forgetest.Exchange{{Method: "PUT", Path: merges + "/7", Body: `{"state_event":"close"}`, Answer: merge}}},
		{Name: "auto-merge, once it was looked at", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{
			{Method: "PUT", Path: merges + "/7/merge", Body: accept, Status: 405, Answer: `{"message":"405 Method Not Allowed"}`},
			{Method: "PUT", Path: merges + "/7/merge", Body: accept, Answer: merge},
		}},
		{Name: "the head moved", Do: forgetest.AutoMerge, Status: 409, Exchanges: []forgetest.Exchange{{Method: "PUT", Path: merges + "/7/merge", Body: accept, Status: 409, Answer: `{"message":"SHA does not match HEAD of source branch"}`}}},
		{Name: "comments", Do: forgetest.Comments, Want: []forge.Comment{{ID: 70, Body: "hello"}}, Exchanges: []forgetest.Exchange{{Method: "GET", Path: merges + "/7/notes?per_page=100", Answer: `[{"id":69,"body":"changed the description","system":true},{"id":70,"body":"hello"}]`}}},
		{Name: "comment", Do: forgetest.Comment, Exchanges: []forgetest.Exchange{{Method: "POST", Path: merges + "/7/notes", Body: `{"body":"hello"}`, Status: 201, Answer: `{}`}}},
		{Name: "edit", Do: forgetest.Edit, Exchanges: []forgetest.Exchange{{Method: "PUT", Path: merges + "/7/notes/70", Body: `{"body":"changed"}`, Answer: `{}`}}},
		{Name: "status", Do: forgetest.Status(forge.Failure, "https://run"), Exchanges: []forgetest.Exchange{{Method: "POST", Path: project + "/statuses/c0ffee",
			Body: `{"state":"failed","name":"delivery/test","description":"in words","target_url":"https://run"}`, Status: 201, Answer: `{}`}}},
		{Name: "pending already", Do: forgetest.Status(forge.Pending, ""), Exchanges: []forgetest.Exchange{{Method: "POST", Path: project + "/statuses/c0ffee",
			Body: `{"state":"pending","name":"delivery/test","description":"in words"}`, Status: 400, Answer: `{"message":"Cannot transition status via :enqueue from :pending"}`}}},
	})
}
