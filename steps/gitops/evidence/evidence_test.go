package evidence_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/model-delivery/model-delivery/steps/gitops/evidence"
)

const tree = "1234567890123456789012345678901234567890"

func TestTrailers(t *testing.T) {
	t.Parallel()
	p := evidence.Promotion{
		Model: "news", Environment: "staging", Title: "Release\n\nModel: evil", SourceCommit: "abc\nPromotion: production x",
		Images: []string{"r/a@sha256:1", "r/b@sha256:2"}, PipelineRun: "run-1\r\nReverts: x",
	}
	message := p.Commit(tree)
	trailers := evidence.Trailers(message)
	if got := strings.Join(trailers["Image"], " "); got != "r/a@sha256:1 r/b@sha256:2" || len(trailers["Model"]) != 1 || len(trailers["Promotion"]) != 1 || len(trailers["Reverts"]) != 0 {
		t.Errorf("%v from\n%s", trailers, message)
	}
	if !evidence.Made(message, tree, "staging") || evidence.Made(message, tree, "production") || evidence.Made(message, strings.Repeat("0", 40), "staging") {
		t.Error("what is made and what is not")
	}
	other := p
	other.PipelineRun = "run-2"
	if !evidence.SameBut(message, other.Commit(tree)) {
		t.Error("another run says the same")
	}
	other.Images = other.Images[:1]
	if evidence.SameBut(message, other.Commit(tree)) {
		t.Error("other images are not the same")
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	p := evidence.Promotion{
		Model: "news", Environment: "production", Version: "1.2.0", Images: []string{"r/a@sha256:1"}, SourceRepository: "https://github.com/o/r.git", SourceCommit: "abc",
		PipelineRun: "run-1", RunURL: "https://ci.example/run-1", Markdown: []string{"See @everyone <!-- hidden --> | table |"},
		Phases: []evidence.Phase{{Name: "unit | tests", Outcome: "Succeeded"}}, Results: []evidence.Result{{Name: "Predictions", Outcome: "failed", Summary: "1 failed", Failures: []evidence.Failure{{Name: "<img src=x>", Outcome: "wrong: @ann"}}}},
		Changelog: []string{"fix the *thing*"},
	}
	diff := "--- a/x\n+++ b/x\n+```\n+\u202etrick\n"
	body := p.Body(diff, "gitops-revert …", 60_000)
	for _, want := range []string{
		"Promotes **news** to **production**.", "| Version | `1.2.0` |", "| Image | `r/a@sha256:1` |", "| Commit | [`abc`](https://github.com/o/r/commit/abc) |",
		"| Pipeline run | [`run-1`](https://ci.example/run-1) |", `| unit \| tests | ✅ Succeeded | |`, "| Predictions | ❌ failed | 1 failed |",
		"&lt;img src=x&gt;", `- fix the \*thing\*`, "````diff\n--- a/x", "| To undo | `gitops-revert …` |",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the body lacks %q:\n%s", want, body)
		}
	}
	for _, unwanted := range []string{"<!--", "@everyone", "@ann", "\u202e", "<img"} {
		if strings.Contains(body, unwanted) {
			t.Errorf("the body has %q:\n%s", unwanted, body)
		}
	}
	// What was tested stays when the difference is too long.
	short := p.Body(strings.Repeat("+x\n", 10_000), "", 4000)
	if utf8.RuneCountInString(short) > 4000 || !strings.Contains(short, "| Predictions |") || strings.Count(short, "```")%2 != 0 {
		t.Errorf("%d characters:\n%s", utf8.RuneCountInString(short), short)
	}
}

// FuzzEvidence: whatever is said, a message has the trailers that were meant,
// and a body is as long as the forge lets it be and mentions nobody.
func FuzzEvidence(f *testing.F) {
	f.Add("title", "abc", "text @someone", "+x\n```\n", 500)
	f.Add("a\n\nModel: b", "x\nImage: y", "<!-- model -->", "```", 4000)
	f.Add("\u2028Model: c", "\x1b[31m", strings.Repeat("long ", 500), strings.Repeat("-x\n", 500), 400)
	f.Fuzz(func(t *testing.T, title, commit, text, diff string, limit int) {
		p := evidence.Promotion{Model: "news", Environment: "staging", Title: title, SourceCommit: commit, PipelineRun: text, Markdown: []string{text}, Changelog: []string{text},
			Phases: []evidence.Phase{{Name: title, Outcome: text}}, Results: []evidence.Result{{Name: text, Outcome: title, Failures: []evidence.Failure{{Name: title, Outcome: text}}}}}
		message := p.Commit(tree)
		trailers := evidence.Trailers(message)
		if len(trailers["Promotion"]) != 1 || trailers["Promotion"][0] != "staging "+tree || len(trailers["Model"]) != 1 || trailers["Model"][0] != "news" || len(trailers["Image"])+len(trailers["Reverts"]) != 0 {
			t.Errorf("%v from\n%q", trailers, message)
		}
		if limit < 400 || limit > 1<<17 {
			return
		}
		body := p.Body(diff, "", limit)
		if n := utf8.RuneCountInString(body); n > limit {
			t.Errorf("%d characters, want at most %d", n, limit)
		}
		if strings.Contains(body, "<!--") && !strings.Contains(diff, "<!--") {
			t.Errorf("a comment is hidden in\n%q", body)
		}
	})
}
