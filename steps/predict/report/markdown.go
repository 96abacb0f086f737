package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds that let the text fit into a comment of any forge.
const (
	maxMarkdown = 30_000 // bytes
	maxListed   = 60     // checks in the table
	maxExplain  = 12     // failed checks that are explained
	maxText     = 600    // bytes of an answer or a command
)

// Markdown is the report as text for a comment on a commit or pull request.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**Predictions: %s**, %s\n\n", r.Outcome, strings.Join(r.Facts(), ", "))
	for _, note := range r.Notes[:min(len(r.Notes), 10)] {
		fmt.Fprintf(&b, "Note: %s\n\n", cell(note, maxText))
	}
	b.WriteString("| | check | what came of it |\n| --- | --- | --- |\n")
	listed := 0
	for _, failed := range []bool{true, false} {
		for i := range r.Checks {
			if c := &r.Checks[i]; c.bad() == failed && listed < maxListed && b.Len() < maxMarkdown/2 {
				listed++
				fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Outcome, cell(c.title(), 200), cell(c.result(), 300))
			}
		}
	}
	if rest := len(r.Checks) - listed; rest > 0 {
		fmt.Fprintf(&b, "\n%d more checks are in the report.\n", rest)
	}
	explained, left := 0, 0
	for i := range r.Checks {
		c := &r.Checks[i]
		if !c.bad() {
			continue
		}
		text := ""
		if explained < maxExplain {
			text = c.explain()
		}
		if text == "" || b.Len()+len(text) > maxMarkdown {
			left++
			continue
		}
		explained++
		b.WriteString(text)
	}
	if left > 0 {
		fmt.Fprintf(&b, "\n%d more failed checks are explained in the report.\n", left)
	}
	fmt.Fprintf(&b, "\n<sub>%s, %s, %s</sub>\n", code(r.File, 200), code(r.Digest, 80), r.Started.UTC().Format(time.RFC3339))
	return b.String()
}

// Facts are what there is to say of all checks together.
func (r *Report) Facts() []string {
	out := []string{fmt.Sprintf("%d of %d checks passed", r.Passed, r.Passed+r.Failed+r.Skipped)}
	if r.Skipped > 0 {
		out = append(out, fmt.Sprintf("%d skipped", r.Skipped))
	}
	if r.Accuracy != nil {
		out = append(out, fmt.Sprintf("accuracy %.4g", *r.Accuracy))
	}
	if r.P95 != nil {
		out = append(out, fmt.Sprintf("p95 %.4g ms", *r.P95))
	}
	if r.Flakes > 0 {
		out = append(out, fmt.Sprintf("%d calls repeated", r.Flakes))
	}
	return append(out, fmt.Sprintf("%.3g s", r.Seconds))
}

func (c *Check) bad() bool { return c.Outcome != Passed && c.Outcome != Skipped }

// title is a check's name, with the target's where there are several.
func (c *Check) title() string {
	if c.Target != "" {
		return c.Name + " (" + c.Target + ")"
	}
	return c.Name
}

// result is what came of a check, in a line.
func (c *Check) result() string {
	if c.bad() && len(c.Findings) > 0 {
		for _, f := range c.Findings {
			if f.Stage == c.Outcome {
				return f.Text()
			}
		}
	}
	if len(c.Flakes) > 0 {
		return fmt.Sprintf("%s, %d calls repeated", c.Summary, len(c.Flakes))
	}
	return c.Summary
}

func (c *Check) explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details><summary>%s</summary>\n\n", cell(c.title(), 200))
	for i, f := range c.Findings {
		if i == 10 {
			fmt.Fprintf(&b, "- and %d more\n", len(c.Findings)-i)
			break
		}
		fmt.Fprintf(&b, "- %s: %s\n", f.Stage, cell(f.Text(), maxText))
	}
	if d := c.Dataset; d != nil && len(d.Wrong) > 0 {
		b.WriteString("\n| line | input | expected | got |\n| --- | --- | --- | --- |\n")
		for _, w := range d.Wrong[:min(len(d.Wrong), 5)] {
			fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", w.Line, cell(w.Input, 120), cell(w.Expected, 60), cell(w.Got, 60))
		}
	}
	if d := c.Compare; d != nil && len(d.Movers) > 0 {
		b.WriteString("\n| line | input | baseline | candidate |\n| --- | --- | --- | --- |\n")
		for _, m := range d.Movers[:min(len(d.Movers), 5)] {
			line := ""
			if m.Line > 0 {
				line = strconv.Itoa(m.Line)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", line, cell(m.Input, 120), cell(m.Baseline, 60), cell(m.Candidate, 60))
		}
	}
	if c.Answer != "" {
		fmt.Fprintf(&b, "\nThe answer:\n\n%s\n", fence(cut(c.Answer, maxText)))
	}
	if c.Replay != "" {
		fmt.Fprintf(&b, "\nTo ask the same:\n\n%s\n", fence(cut(c.Replay, 2*maxText)))
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

// noSpace is a space without width.
const noSpace = '\u200b'

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + " …"
}

// escape keeps foreign text from being read as Markdown or HTML, and from
// calling people by @ or linking by #.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '@', r == '#':
			b.WriteRune(r)
			b.WriteRune(noSpace)
		case strings.ContainsRune("\\`*_{}[]()!|~$", r):
			b.WriteRune('\\')
			b.WriteRune(r)
		case Steers(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return strings.ReplaceAll(b.String(), "://", "&#58;//") // no links
}

func cell(text string, n int) string { return escape(cut(oneLine(cut(text, 4*n)), n)) }

// code is text as code in a line.
func code(text string, n int) string {
	text = strings.ReplaceAll(cut(oneLine(text), n), "`", "'")
	return "`" + text + "`"
}

// fence is text as a block of code, in a fence longer than any in the text.
func fence(text string) string {
	marks := "```"
	for strings.Contains(text, marks) {
		marks += "`"
	}
	return marks + "\n" + strings.TrimRight(text, "\n") + "\n" + marks
}
