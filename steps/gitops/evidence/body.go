package evidence

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/model-delivery/model-delivery/steps/forge"
)

// Body is the pull request's text, in at most limit characters: what changes,
// where it comes from, what was tested with which result, and the difference
// of the manifests. What is too long is cut, the difference first.
func (p Promotion) Body(diff, undo string, limit int) string {
	var head strings.Builder
	fmt.Fprintf(&head, "%s **%s** %s **%s**.\n\n| | |\n| --- | --- |\n", p.verb(), cell(p.Model), p.preposition(), cell(p.Environment))
	row := func(name, value, url string) {
		if value = Line(value); value == "" {
			return
		}
		if url = webURL(url); url != "" {
			fmt.Fprintf(&head, "| %s | [`%s`](%s) |\n", name, code(value), url)
			return
		}
		fmt.Fprintf(&head, "| %s | `%s` |\n", name, code(value))
	}
	row("Version", p.Version, "")
	for _, image := range p.Images {
		row("Image", image, "")
	}
	row("Commit", p.SourceCommit, commitURL(p.SourceRepository, p.SourceCommit))
	row("Repository", p.SourceRepository, p.SourceRepository)
	row("Pipeline run", p.PipelineRun, p.RunURL)
	row("Takes back", p.Reverts, "")
	if undo = Line(undo); undo != "" {
		row("To undo", undo, "")
	}

	tested := p.tested()
	change := ""
	if diff = strings.TrimRight(clean(diff), "\n"); diff != "" {
		fence := fenceFor(diff)
		change = fmt.Sprintf("\n## What changes\n\n%sdiff\n%s\n%s\n", fence, diff, fence)
	}
	// What was tested matters more than the difference, which the forge shows too.
	room := limit - utf8.RuneCountInString(head.String())
	if used := utf8.RuneCountInString(tested); used > room*2/3 && used+utf8.RuneCountInString(change) > room {
		tested = forge.CutBlock(tested, max(room*2/3, room-utf8.RuneCountInString(change)))
	}
	room -= utf8.RuneCountInString(tested)
	return forge.CutBlock(head.String()+tested+forge.CutBlock(change, room), limit)
}

func (p Promotion) verb() string {
	if p.Reverts != "" {
		return "Takes the promotion of"
	}
	return "Promotes"
}

func (p Promotion) preposition() string {
	if p.Reverts != "" {
		return "back in"
	}
	return "to"
}

// tested is what was tested with which result.
func (p Promotion) tested() string {
	var out strings.Builder
	if len(p.Phases) > 0 || len(p.Results) > 0 {
		out.WriteString("\n## What was tested\n\n| | Outcome | |\n| --- | --- | --- |\n")
		for _, phase := range p.Phases {
			fmt.Fprintf(&out, "| %s | %s %s | |\n", cell(phase.Name), mark(phase.Outcome), cell(phase.Outcome))
		}
		for _, result := range p.Results {
			fmt.Fprintf(&out, "| %s | %s %s | %s |\n", cell(result.Name), mark(result.Outcome), cell(result.Outcome), cell(result.Summary))
		}
		failures := ""
		for _, result := range p.Results {
			for _, check := range result.Failures {
				failures += fmt.Sprintf("- %s: %s\n", cell(check.Name), cell(check.Outcome))
			}
		}
		if failures != "" {
			out.WriteString("\n" + failures)
		}
	}
	if len(p.Changelog) > 0 {
		out.WriteString("\n## What is new\n\n")
		for _, subject := range p.Changelog {
			fmt.Fprintf(&out, "- %s\n", cell(subject))
		}
	}
	for _, text := range p.Markdown {
		if text = strings.TrimSpace(harmless(text)); text != "" {
			fmt.Fprintf(&out, "\n## Evidence\n\n%s\n", text)
		}
	}
	return out.String()
}

func mark(outcome string) string {
	switch strings.ToLower(outcome) {
	case "passed", "success", "succeeded", "completed", "ok", "done":
		return "✅"
	case "skipped", "none", "":
		return "➖"
	}
	return "❌"
}

// clean drops control characters, but line ends and tabs.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && !(r >= 0x202a && r <= 0x202e) && !(r >= 0x2066 && r <= 0x2069) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text, "�"))
}

// code makes text fit for a code span in a table.
func code(text string) string {
	return strings.NewReplacer("`", "'", "|", `\|`, "<!--", "<! --").Replace(Line(clean(text)))
}

// cell makes text that comes from outside fit for a table: on one line, with
// nothing in it that Markdown or the forge gives a meaning to.
func cell(text string) string {
	text = forge.Cut(Line(clean(text)), 500)
	return mention.ReplaceAllString(strings.NewReplacer(
		`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "!", `\!`, "#", "#\u200b",
	).Replace(text), "$1@\u200b$2")
}

// A mention begins a word; the @ of a digest does not.
var mention = regexp.MustCompile(`(^|[^A-Za-z0-9_/.:-])@([A-Za-z0-9_])`)

// harmless keeps Markdown from outside Markdown, but takes away what notifies
// people, hides text or would be taken for a mark of ours.
func harmless(text string) string {
	text = strings.ReplaceAll(clean(text), "<!--", "&lt;!--")
	return mention.ReplaceAllString(text, "$1@\u200b$2")
}

// fenceFor is a fence that no line of the text ends.
func fenceFor(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence
}

// webURL returns a URL that is fit for a link, else "".
func webURL(url string) string {
	url = Line(url)
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") || strings.ContainsAny(url, "()<>[]\"'`| \\") {
		return ""
	}
	return url
}

// commitURL is the page of a commit, where it can be told.
func commitURL(repository, commit string) string {
	base := strings.TrimSuffix(webURL(repository), ".git")
	if base == "" || commit == "" {
		return ""
	}
	if strings.HasPrefix(base, "https://bitbucket.org/") {
		return base + "/commits/" + commit
	}
	return base + "/commit/" + commit
}
