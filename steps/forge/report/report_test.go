package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/forge/forgetest"
	"github.com/model-delivery/model-delivery/steps/forge/report"
	"github.com/model-delivery/model-delivery/steps/step"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

func TestReport(t *testing.T) {
	t.Parallel()
	const (
		repository = "/api/v1/repos/ml/models"
		mark       = "[//]: # (model-delivery: delivery)"
		status     = `{"state":"failure","target_url":"https://run","description":"broken","context":"delivery"}`
	)
	set := forgetest.Exchange{Method: "POST", Path: repository + "/statuses/" + commit, Body: status, Status: 201, Answer: `{}`}
	comments := func(list string) forgetest.Exchange {
		return forgetest.Exchange{Method: "GET", Path: repository + "/issues/7/comments?limit=0&page=1", Answer: list}
	}
	body := func(text string) string {
		data, err := json.Marshal(map[string]string{"body": mark + "\n\n" + text})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, tc := range []struct {
		name      string
		args      []string
		exchanges []forgetest.Exchange
		code      int
		number    string
		says      string
	}{
		{name: "a status", args: []string{"--state=Failed"}, exchanges: []forgetest.Exchange{set}},
		{name: "a first comment, without the token that is in its text", args: []string{"--state=failure", "--pull-request=7", "--comment-file=FILE"}, number: "7", exchanges: []forgetest.Exchange{
			set, comments(`[{"id":1,"body":"hello"}]`), {Method: "POST", Path: repository + "/issues/7/comments", Body: body("words of [redacted]"), Status: 201, Answer: `{}`}}},
		{name: "a comment that is changed", args: []string{"--state=failure", "--pull-request=auto", "--comment-file=FILE"}, number: "7", exchanges: []forgetest.Exchange{
			set, {Method: "GET", Path: repository + "/commits/" + commit + "/pull", Answer: `{"number":7}`},
			comments(`[{"id":1,"body":"` + mark + `\n\nold"}]`), {Method: "PATCH", Path: repository + "/issues/comments/1", Body: body("words of [redacted]"), Answer: `{}`}}},
		{name: "no pull request", args: []string{"--state=failure", "--pull-request=auto", "--comment-file=FILE"}, exchanges: []forgetest.Exchange{
			set, {Method: "GET", Path: repository + "/commits/" + commit + "/pull", Status: 404}}, says: "no pull request to comment on"},
		{name: "a forge that refuses", args: []string{"--state=failure"}, exchanges: []forgetest.Exchange{{Method: "POST", Path: set.Path, Body: status, Status: 403, Answer: `{"message":"no"}`}}, code: 3, says: "hint: the token is not allowed"},
		{name: "no forge", args: []string{"--state=Succeeded", "--provider=none"}, says: "no forge"},
		{name: "no state", args: []string{"--state=maybe"}, code: 2, says: "is not a state"},
		{name: "no commit", args: []string{"--state=success", "--commit=main"}, code: 2, says: "is not the full hash"},
		{name: "no number", args: []string{"--state=failure", "--pull-request=x", "--comment-file=FILE"}, exchanges: []forgetest.Exchange{set}, code: 2, says: "is not the number"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range map[string]string{"token": "t0k-secret\n", "comment.md": "words of t0k-secret"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			url := forgetest.Serve(t, "Basic Z2l0OnQway1zZWNyZXQ=", tc.exchanges...) // git:t0k-secret
			args := []string{"--repository=" + url + "/ml/models.git", "--provider=gitea", "--commit=" + commit, "--context=delivery", "--description=broken", "--target-url=https://run", "--token-file=" + filepath.Join(dir, "token")}
			for _, arg := range tc.args {
				args = append(args, strings.Replace(arg, "FILE", filepath.Join(dir, "comment.md"), 1))
			}
			var out, said bytes.Buffer
			code := step.Execute(t.Context(), report.Command(), args, func(string) string { return "" }, &out, &said)
			if code != tc.code || !strings.Contains(said.String(), tc.says) || strings.Contains(said.String()+out.String(), "t0k") {
				t.Errorf("exit code %d, want %d\n%s%s", code, tc.code, out.String(), said.String())
			}
			var results map[string]string
			if tc.code == 0 && (json.Unmarshal(out.Bytes(), &results) != nil || results["pull-request-number"] != tc.number) {
				t.Errorf("results %s", out.String())
			}
		})
	}
}
