package github

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/forge/forgetest"
	"github.com/model-delivery/model-delivery/steps/step"
)

func connected(t *testing.T, url string) forge.Forge {
	t.Helper()
	repository, httpClient := forgetest.Connect(t, url, "https://github.example/o/r.git")
	c, err := New(repository, forge.Credentials{Token: "t0k"}, url+"/api/v3/", httpClient)
	if err != nil {
		t.Fatal(err)
	}
	c.pause = func(context.Context, int) error { return nil }
	return c
}

const pull = `{"number":7,"node_id":"PR_7","html_url":"https://github.example/o/r/pull/7","title":"Promote x","body":"b","state":"open","draft":true,
 "head":{"ref":"promote/x","sha":"c0ffee","repo":{"full_name":"O/r"}},"base":{"ref":"main"},"labels":[{"name":"l"}],"assignees":[{"login":"ann"}],
 "requested_reviewers":[{"login":"bob"}],"requested_teams":[{"slug":"leads"}]}`

var plain = forge.PullRequest{Number: 7, ID: "PR_7", URL: "https://github.example/o/r/pull/7", Title: "Promote x", Body: "b", Open: true, Draft: true, Head: "promote/x",
	HeadCommit: "c0ffee", Base: "main", Labels: []string{"l"}, Assignees: []string{"ann"}, Reviewers: []string{"bob", "leads"}}

const (
	pulls   = "/api/v3/repos/o/r/pulls"
	issue   = "/api/v3/repos/o/r/issues/7"
	graphql = "/api/graphql"
	auto    = `{"query":"` + autoMergeMutation + `","variables":{"id":"PR_7","head":"c0ffee","method":"MERGE"}}`
	clean   = `{"data":null,"errors":[{"message":"Pull request Pull request is in clean status"}]}`
)

func TestCalls(t *testing.T) {
	t.Parallel()
	fork := strings.Replace(pull, `"O/r"`, `"else/r"`, 1)
	list := pulls + "?base=main&head=o%3Apromote%2Fx&per_page=100&state=open"
	forgetest.Run(t, "Bearer t0k", connected, []forgetest.Call{
		{Name: "list", Do: forgetest.PullRequests, Want: []forge.PullRequest{plain}, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: list, Answer: "[" + fork + "]", Header: map[string]string{"Link": `<https://elsewhere.example/x?page=2>; rel="next"`}},
			{Method: "GET", Path: list + "&page=2", Answer: "[" + pull + "]"},
		}},
		{Name: "an error is not an empty list", Do: forgetest.PullRequests, Status: 404, Err: forge.ErrRefused, Exchanges: []forgetest.Exchange{{Method: "GET", Path: list, Status: 404, Answer: `{"message":"Not Found"}`}}},
		{Name: "read", Do: forgetest.PullRequest, Want: plain, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7", Answer: pull}}},
		{Name: "of a commit", Do: forgetest.PullRequestOf, Want: int64(5), Exchanges: []forgetest.Exchange{{Method: "GET", Path: "/api/v3/repos/o/r/commits/c0ffee/pulls?per_page=100",
			Answer: `[{"number":4,"state":"closed"},{"number":3,"state":"closed","merged_at":"2026-01-01T00:00:00Z"},{"number":5,"state":"open"}]`}}},
		{Name: "of a merged commit", Do: forgetest.PullRequestOf, Want: int64(3), Exchanges: []forgetest.Exchange{{Method: "GET", Path: "/api/v3/repos/o/r/commits/c0ffee/pulls?per_page=100",
			Answer: `[{"number":4,"state":"closed"},{"number":3,"state":"closed","merged_at":"2026-01-01T00:00:00Z"}]`}}},
		{Name: "create", Do: forgetest.Create, Want: plain, Exchanges: []forgetest.Exchange{{Method: "POST", Path: pulls, Body: `{"title":"Promote x","head":"promote/x","base":"main","body":"Why <&> how","draft":true}`, Status: 201, Answer: pull}}},
		{Name: "create met a 500 and is not repeated", Do: forgetest.Create, Status: 500, Exchanges: []forgetest.Exchange{{Method: "POST", Path: pulls, Body: `{"title":"Promote x","head":"promote/x","base":"main","body":"Why <&> how","draft":true}`, Status: 500}}},
		{Name: "update", Do: forgetest.Update, Want: plain, Exchanges: []forgetest.Exchange{{Method: "PATCH", Path: pulls + "/7", Body: `{"title":"Promote x","body":"Why <&> how"}`, Answer: pull}}},
		{Name: "decorate", Do: forgetest.Decorate(forge.PullRequestSpec{Labels: []string{"old", "new"}, Assignees: []string{"Ann", "eve"}, Reviewers: []string{"bob", "joe", "org/leads"}}), Exchanges: []forgetest.Exchange{
			{Method: "POST", Path: issue + "/labels", Body: `["new"]`, Answer: `[]`},
			{Method: "POST", Path: issue + "/assignees", Body: `{"assignees":["eve"]}`, Answer: `{}`},
			{Method: "POST", Path: pulls + "/7/requested_reviewers", Body: `{"reviewers":["joe"],"team_reviewers":["leads"]}`, Answer: `{}`},
		}},
		{Name: "a reviewer who cannot be had", Do: forgetest.Decorate(forge.PullRequestSpec{Reviewers: []string{"joe"}}), Err: forge.ErrRefused, Exchanges: []forgetest.Exchange{
			{Method: "POST", Path: pulls + "/7/requested_reviewers", Body: `{"reviewers":["joe"]}`, Status: 422, Answer: `{"message":"Review cannot be requested from pull request author."}`}}},
		{Name: "close", Do: forgetest.Close, Exchanges: []forgetest.Exchange{{Method: "PATCH", Path: pulls + "/7", Body: `{"state":"closed"}`, Answer: pull}}},
		{Name: "auto-merge", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{{Method: "POST", Path: graphql, Body: auto, Answer: `{"data":{}}`}}},
		{Name: "nothing to wait for", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{
			{Method: "POST", Path: graphql, Body: auto, Answer: clean},
			{Method: "PUT", Path: pulls + "/7/merge", Body: `{"sha":"c0ffee","merge_method":"merge"}`, Answer: `{"merged":true}`},
		}},
		{Name: "the base moved", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{
			{Method: "POST", Path: graphql, Body: auto, Answer: clean},
			{Method: "PUT", Path: pulls + "/7/merge", Body: `{"sha":"c0ffee","merge_method":"merge"}`, Status: 405, Answer: `{"message":"Base branch was modified. Review and try the merge again."}`},
			{Method: "POST", Path: graphql, Body: auto, Answer: clean},
			{Method: "PUT", Path: pulls + "/7/merge", Body: `{"sha":"c0ffee","merge_method":"merge"}`, Answer: `{"merged":true}`},
		}},
		{Name: "the head moved", Do: forgetest.AutoMerge, Status: 409, Exchanges: []forgetest.Exchange{
			{Method: "POST", Path: graphql, Body: auto, Answer: clean},
			{Method: "PUT", Path: pulls + "/7/merge", Body: `{"sha":"c0ffee","merge_method":"merge"}`, Status: 409, Answer: `{"message":"Head branch was modified. Review and try the merge again."}`},
		}},
		{Name: "only squashing is allowed", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{
			{Method: "POST", Path: graphql, Body: auto, Answer: `{"errors":[{"message":"Merge commits are not allowed on this repository"}]}`},
			{Method: "POST", Path: graphql, Body: strings.Replace(auto, "MERGE", "SQUASH", 1), Answer: `{"data":{}}`},
		}},
		{Name: "a merge queue", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{
			{Method: "POST", Path: graphql, Body: auto, Answer: clean},
			{Method: "PUT", Path: pulls + "/7/merge", Body: `{"sha":"c0ffee","merge_method":"merge"}`, Status: 405, Answer: `{"message":"Changes must be made through the merge queue"}`},
			{Method: "POST", Path: graphql, Body: `{"query":"` + enqueueMutation + `","variables":{"id":"PR_7","head":"c0ffee"}}`, Answer: `{"data":{}}`},
		}},
		{Name: "auto-merge is not allowed", Do: forgetest.AutoMerge, Status: 422, Exchanges: []forgetest.Exchange{{Method: "POST", Path: graphql, Body: auto, Answer: `{"errors":[{"message":"Pull request Auto merge is not allowed for this repository"}]}`}}},
		{Name: "comments", Do: forgetest.Comments, Want: []forge.Comment{{ID: 70, Body: "hello"}}, Exchanges: []forgetest.Exchange{{Method: "GET", Path: issue + "/comments?per_page=100", Answer: `[{"id":70,"body":"hello"}]`}}},
		{Name: "comment", Do: forgetest.Comment, Exchanges: []forgetest.Exchange{{Method: "POST", Path: issue + "/comments", Body: `{"body":"hello"}`, Status: 201, Answer: `{}`}}},
		{Name: "edit", Do: forgetest.Edit, Exchanges: []forgetest.Exchange{{Method: "PATCH", Path: "/api/v3/repos/o/r/issues/comments/70", Body: `{"body":"changed"}`, Answer: `{}`}}},
		{Name: "status", Do: forgetest.Status(forge.Failure, "https://run"), Exchanges: []forgetest.Exchange{{Method: "POST", Path: "/api/v3/repos/o/r/statuses/c0ffee",
			Body: `{"state":"failure","target_url":"https://run","description":"in words","context":"delivery/test"}`, Status: 201, Answer: `{}`}}},
		{Name: "the limit for many at once", Do: forgetest.Comment, Status: 403, Exchanges: []forgetest.Exchange{{Method: "POST", Path: issue + "/comments", Body: `{"body":"hello"}`, Status: 403,
			Header: map[string]string{"Retry-After": "3600"}, Answer: `{"message":"You have exceeded a secondary rate limit"}`}}},
	})
}

func TestHead(t *testing.T) {
	t.Parallel()
	f := connected(t, forgetest.Serve(t, "Bearer t0k",
		forgetest.Exchange{Method: "POST", Path: graphql, Body: auto, Answer: `{"errors":[{"message":"Head sha didn't match expected head oid"}]}`}))
	if _, err := forgetest.AutoMerge(t.Context(), f); step.ExitCode(err) != step.ExitFailed {
		t.Errorf("%v: the head moved, which no repetition heals", err)
	}
}

func TestAppToken(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	app := App{ID: "42", Key: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})}
	repository, err := forge.ParseRepository("https://github.example/o/r")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	assertion, err := app.assertion(now)
	if err != nil {
		t.Fatal(err)
	}
	url := forgetest.Serve(t, "Bearer "+assertion,
		forgetest.Exchange{Method: "GET", Path: "/api/v3/repos/o/r/installation", Answer: `{"id":9}`},
		forgetest.Exchange{Method: "POST", Path: "/api/v3/app/installations/9/access_tokens", Body: `{"repositories":["r"],"permissions":{"contents":"write","metadata":"read","pull_requests":"write","statuses":"write"}}`, Status: 201, Answer: `{"token":"ghs_x"}`})
	httpClient, err := forge.NewHTTPClient(url, forge.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := app.Token(t.Context(), repository, url+"/api/v3/", httpClient, now)
	if err != nil || token != "ghs_x" {
		t.Errorf("%q, %v", token, err)
	}
	if _, err := (App{ID: "42", Key: []byte("no key")}).Token(t.Context(), repository, url+"/api/v3/", httpClient, now); step.ExitCode(err) != step.ExitInvalid {
		t.Errorf("a key that is none: %v", err)
	}
}

// The token stays with its host.
func TestRedirectElsewhere(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s reached another host with %q", r.URL, r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	f := connected(t, forgetest.Serve(t, "Bearer t0k",
		forgetest.Exchange{Method: "GET", Path: pulls + "/7", Status: 302, Header: map[string]string{"Location": other.URL}}))
	if _, err := f.PullRequest(t.Context(), 7); err == nil || strings.Contains(err.Error(), "t0k") {
		t.Errorf("error %v", err)
	}
}
