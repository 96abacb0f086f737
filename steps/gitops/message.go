package gitops

import (
	"fmt"
	"strings"
)

// Trailers of a promotion's commit.
const (
	trailerModel     = "Model"
	trailerSource    = "Source-Commit"
	trailerImage     = "Image"
	trailerRun       = "Pipeline-Run"
	trailerPromotion = "Promotion"
)

// Message is what a promotion says about itself.
type Message struct {
	Model, Environment string
	Images             []string
	SourceRepository   string
	SourceCommit       string
	PipelineRun        string
	Title              string // empty: one is made
	Evidence           string // Markdown
}

// line keeps a value on one line, so that it cannot become a trailer of its own.
func line(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
}

// Subject is the first line of the commit and the title of the pull request.
func (m Message) Subject() string {
	if m.Title != "" {
		return line(m.Title)
	}
	subject := fmt.Sprintf("Promote %s to %s", m.Model, m.Environment)
	if m.SourceCommit != "" {
		subject += fmt.Sprintf(" (%.12s)", m.SourceCommit)
	}
	return line(subject)
}

// Commit is the commit's message with its trailers.
func (m Message) Commit() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n", m.Subject())
	trailer := func(key, value string) {
		if value = line(value); value != "" {
			fmt.Fprintf(&out, "%s: %s\n", key, value)
		}
	}
	trailer(trailerPromotion, m.Environment)
	trailer(trailerModel, m.Model)
	trailer(trailerSource, m.SourceCommit)
	for _, image := range m.Images {
		trailer(trailerImage, image)
	}
	trailer(trailerRun, m.PipelineRun)
	return out.String()
}

// maxBody is how many characters of a pull request's body every forge keeps.
const maxBody = 60_000

// Body is the pull request's text: what changes, where it comes from, what was
// tested.
func (m Message) Body(diff string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "Promotes **%s** to **%s**.\n\n| | |\n| --- | --- |\n", m.Model, m.Environment)
	row := func(name, value string) {
		if value = strings.ReplaceAll(line(value), "|", `\|`); value != "" {
			fmt.Fprintf(&out, "| %s | `%s` |\n", name, strings.ReplaceAll(value, "`", "'"))
		}
	}
	for _, image := range m.Images {
		row("Image", image)
	}
	row("Model repository", m.SourceRepository)
	row("Commit", m.SourceCommit)
	row("Pipeline run", m.PipelineRun)
	if evidence := strings.TrimSpace(m.Evidence); evidence != "" {
		fmt.Fprintf(&out, "\n## Evidence\n\n%s\n", cut(evidence, maxBody/2))
	}
	if diff != "" {
		fence := "```"
		for strings.Contains(diff, fence) {
			fence += "`"
		}
		fmt.Fprintf(&out, "\n## Change\n\n%sdiff\n%s\n%s\n", fence, cut(diff, maxBody/3), fence)
	}
	return out.String()
}

func cut(text string, limit int) string {
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit]) + "\n… (cut)"
}
